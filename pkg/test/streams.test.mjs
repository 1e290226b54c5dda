// Streams of an execution and a store: questions, lines, changes, results.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ExecutionError } from "runstate";
import { openStore, assertRefused, startProgram } from "./support.mjs";

/** The first `count` items of a stream. */
async function first(count, stream) {
  const items = [];
  for await (const item of stream) if (items.push(item) === count) break;
  return items;
}

test("each question is yielded once, until the execution ends", async (t) => {
  const { run } = await startProgram(t, `function main() { return CC("a?") + CC.all(["b?", "c?"]).join("") }`);
  const prompts = [];
  for await (const q of run.questions()) {
    prompts.push(q.prompt);
    assert.equal(await q.answer(q.prompt[0]), run);
  }
  assert.deepEqual([prompts, run.status], [["a?", "b?", "c?"], "complete"]);
  assert.equal(await run.result(), "abc");
  assert.deepEqual(await first(1, run.questions()), [], "an ended execution has no questions");
});

test("a question exposes its constraints and rejects other answers", async (t) => {
  const source = `function main() { CC("size?", { choices: ["small", "large"], key: "size" });
return CC("who?", { schema: { type: "object", required: ["name"], properties: { name: { type: "string" } } } }) }`;
  const { run } = await startProgram(t, source);
  const questions = run.questions();
  const { value: size } = await questions.next();
  assert.deepEqual([size.choices, size.key, size.kind, size.line, size.deadline], [["small", "large"], "size", "cc", 1, null]);
  await assertRefused(size.answer("huge"), "invalid_answer");
  await size.answer("small");
  await assertRefused(size.answer("large"), "already_answered");
  const { value: person } = await questions.next();
  assert.equal(person.schema.required[0], "name");
  await assertRefused(person.as({ type: "object" }).answer({ nome: "Ada" }), "invalid_answer");
  await person.answer({ name: "Ada" });
  assert.deepEqual(await run.result(), { name: "Ada" });
  assert.equal((await questions.next()).done, true);
});

test("questions() follows later questions and answers given elsewhere", async (t) => {
  const { rs, run } = await startProgram(t, `CC("a?"); CC("b?")`);
  const questions = run.questions();
  assert.equal((await questions.next()).value.prompt, "a?");
  const next = questions.next();
  const other = await rs.run(run.id);
  await other.answer("x");
  assert.equal((await next).value.prompt, "b?");
  const end = questions.next();
  await other.cancel();
  assert.equal((await end).done, true);
  assert.equal(run.status, "cancelled");
});

test("an execution that is deleted ends its streams", async (t) => {
  const { rs, run } = await startProgram(t, `CC("a?")`);
  const questions = run.questions();
  await questions.next();
  const [lines, end, result] = [first(1, run.lines()), questions.next(), run.result()];
  const rejected = assert.rejects(result, (error) => error instanceof ExecutionError || error.code === "not_found");
  const other = await rs.run(run.id);
  await other.cancel();
  await other.delete();
  assert.deepEqual([await lines, (await end).done], [[], true]);
  await rejected;
});

test("lines are yielded as they are printed", async (t) => {
  const { run } = await startProgram(t, `console.log("one"); CC("continue?"); console.log("two"); console.log("three")`);
  const lines = run.lines();
  assert.equal((await lines.next()).value, "one");
  const rest = first(9, lines);
  await run.answer("yes");
  assert.deepEqual(await rest, ["two", "three"]);
});

test("a result is waited for, and a failure is thrown", async (t) => {
  const { rs, run } = await startProgram(t, `function main() {
  const n = CC("n?");
  if (n === "bad") throw new RangeError("too bad");
  return [n];
}`);
  const result = run.result();
  await run.answer("1");
  assert.deepEqual(await result, ["1"]);
  const failing = await rs.start("program");
  await failing.answer("bad");
  const error = await failing.result().then(assert.fail, (thrown) => thrown);
  assert.ok(error instanceof ExecutionError);
  assert.deepEqual([error.status, error.execution, error.fault.name], ["error", failing.id, "RangeError"]);
  assert.match(error.message, /too bad/);
  const cancelled = await (await rs.start("program")).cancel();
  await assert.rejects(cancelled.result(), { name: "ExecutionError", status: "cancelled", fault: null });
});

test("changes start when requested and resume from a position", async (t) => {
  const { rs, run } = await startProgram(t, `CC("a?"); CC("b?")`);
  const changes = rs.changes({ collection: "cvm.executions", id: run.id });
  const others = rs.runs.changes({ kinds: ["call"], executions: [run.id] });
  // Both feeds need the reply of one call to know their first position.
  await rs.info();
  await rs.start("program");
  await run.answer("x");
  const [change] = await first(1, changes);
  assert.deepEqual([change.collection, change.id, change.deleted], ["cvm.executions", run.id, false]);
  assert.match(change.revision, /^\d+-/);
  const [call] = await first(1, others);
  assert.deepEqual([call.kind, call.executionId, call.deleted], ["call", run.id, false]);
  await run.cancel();
  await run.delete();
  for await (const later of rs.changes({ collection: "cvm.executions", id: run.id, from: change.position })) {
    assert.equal(later.deleted, later.revision === null);
    if (later.deleted) break;
  }
});

test("changes of own collections are followed by their name, and unknown ones are refused", async (t) => {
  const rs = await openStore(t);
  await rs.documents.declare("notes");
  const changes = first(1, rs.changes({ collection: "notes" }));
  await rs.info();
  await rs.documents.commit({ writes: [{ collection: "notes", id: "a", put: {} }] });
  assert.deepEqual((await changes).map(({ collection, id }) => [collection, id]), [["documents.notes", "a"]]);
  await assertRefused(first(1, rs.changes({ collection: "nots" })), "not_found");
});

test("an unread iterator over a closed store raises no rejection", async () => {
  const { open } = await import("runstate");
  const rs = await open("memory:");
  await rs.close();
  rs.changes();
  rs.runs.changes();
  await new Promise((done) => setImmediate(done));
});

test("returning from a waiting stream ends it at once", async (t) => {
  const { rs, run } = await startProgram(t, `CC("a?")`);
  const questions = run.questions();
  await questions.next();
  const lines = run.lines();
  for (const stream of [rs.changes(), rs.runs.changes(), run.changes(), questions, lines]) {
    const iterator = stream[Symbol.asyncIterator]();
    let settled = false;
    const wait = iterator.next().finally(() => (settled = true));
    // After this every change that comes by itself has arrived.
    await rs.info();
    await new Promise((done) => setImmediate(done));
    assert.equal(settled, false, "it waits");
    // The stream must end with the microtasks, without a timer.
    const returned = Promise.race([iterator.return(), new Promise((done) => setImmediate(done, "late"))]);
    assert.deepEqual(await returned, { done: true, value: undefined });
    assert.deepEqual(await wait, { done: true, value: undefined });
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  }
  await assert.rejects(run.lines().throw(new RangeError("enough")), RangeError);
  await rs.close();
});

test("an exported execution continues in another store", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { console.log("before"); return "got " + CC("a?") }`);
  const exported = await rs.export();
  const other = await openStore(t);
  const phases = new Set();
  const { written, alreadyPresent } = await other.import(exported, { onProgress: ({ phase }) => phases.add(phase) });
  assert.ok(written > 0 && alreadyPresent === 0 && phases.size > 0);
  const moved = await other.run(run.id);
  assert.equal((await moved.show()).stateHash, (await run.show()).stateHash);
  await moved.answer("it");
  assert.deepEqual([await moved.result(), await moved.output()], ["got it", ["before"]]);
  await assertRefused(other.import("no export at all\n"), "corrupt");
});

test("an export of a store that went on updates what was imported", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { return CC("a?") + CC("b?") }`);
  const other = await openStore(t);
  await other.import(await rs.export());
  await run.answer("1");
  const { updated, conflicts } = await other.import(await rs.export());
  assert.ok(updated > 0 && conflicts === 0);
  const moved = await other.run(run.id);
  await moved.answer("2");
  await run.answer("3");
  const changed = await rs.export();
  await assertRefused(other.import(changed), "already_exists");
  const kept = await other.import(changed, { conflicts: "keep" });
  assert.deepEqual(kept.conflicting, [`cvm.executions/${run.id}`]);
  assert.equal(await moved.result(), "12");
});
