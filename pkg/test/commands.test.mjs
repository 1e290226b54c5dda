// Commands on an execution with parameters of their own: retries under other limits or versions, and graceful cancels.

import assert from "node:assert/strict";
import { test } from "node:test";

import { simulated } from "runstate/testing";
import { assertRefused, openStore, startProgram } from "./support.mjs";

const describing = (member) => `function main() { return describe(CC("where?")); }
function describe(city) { return city.${member}.toString(); }`;

test("a retry continues in a later version with the answers", async (t) => {
  const { rs, run } = await startProgram(t, describing("size"));
  await run.answer("Rome");
  assert.equal(run.status, "error");
  await rs.load({ name: "program", source: describing("length") });
  await run.retry();
  assert.equal(run.status, "error", "its own version still has the mistake");
  await assertRefused(run.retry({ programVersion: 3 }), "not_found");
  assert.equal(await run.retry({ programVersion: 2, commandId: "rescue" }), run);
  assert.equal(await run.result(), "4");
  assert.equal((await run.program()).programVersion, 2);
  await run.retry({ programVersion: 2, commandId: "rescue" });
  assert.equal(run.status, "complete", "a repeated command is applied once");
});

test("a retry continues under a higher limit", async (t) => {
  const source = `function main() { const all = []; for (let i = 0; i < 3000; i++) { all.push("x".repeat(1000) + i); console.log(i); } return all.length; }`;
  const rs = await openStore(t);
  for (const [limit, low, high] of [["heapBytes", 1 << 20, 1 << 26], ["instructions", 10_000, 1_000_000], ["outputBytes", 1_000, 1_000_000]]) {
    const { run } = await startProgram(t, source, { rs, [limit]: low });
    assert.equal((await run.show()).error.name, "LimitError", limit);
    await run.retry();
    assert.equal(run.status, "error", `${limit}: the same limit is reached again`);
    await run.retry({ [limit]: high });
    assert.equal(await run.result(), 3000, limit);
  }
  const { run } = await startProgram(t, "throw new Error()", { rs });
  await assertRefused(run.retry({ heapBytes: 5 }), "invalid");
  await assertRefused(run.retry({ maxInstructions: 5 }), "usage");
});

const CLEANING = `try { CC("work?"); } catch (error) { console.log(error.name); CC("undo?"); console.log("undone"); }`;

test("a program that is cancelled gracefully cleans up and completes", async (t) => {
  const { run } = await startProgram(t, CLEANING);
  assert.equal(await run.cancel({ graceful: true, deadlineMs: 60_000 }), run);
  assert.equal(run.status, "waiting_cc");
  await run.answer("yes");
  assert.deepEqual([run.status, await run.output()], ["complete", ["CancelledError", "undone"]]);
});

test("an answer without a name is never for a tool", async (t) => {
  const { rs, run } = await startProgram(t, `async function main() {
    const a = ask("ok?", { choices: ["yes", "no"] });
    return [a, await tools.payment.charge({ a })];
  }`);
  await run.answer("yes");
  const { items: [charge] } = await rs.runs.calls({ execution: run.id, open: true });
  const again = await assertRefused(run.answer("yes"), "illegal_transition");
  assert.deepEqual(again.details, { call: charge.id, kind: "payment.charge" });
  assert.match(again.message, /the call of payment\.charge is open; .*`call`/);
  assert.equal((await run.refresh()).status, "waiting_cc");
  await run.answer("receipt", { call: charge.id });
  assert.deepEqual(await run.result(), ["yes", "receipt"]);
});

test("an answer that names its call is not for the next question", async (t) => {
  const { rs, run } = await startProgram(t, `for (let i = 0; i < 2; i++) console.log(ask("go on?", { key: "approve" }));`);
  const { items: [first] } = await rs.runs.calls({ open: true, kind: "cc" });
  await run.answer("yes", { call: first.id });
  await assertRefused(run.answer("yes", { call: first.id }), "already_answered");
  assert.deepEqual([run.status, await run.output()], ["waiting_cc", ["yes"]]);
  // A key names the next round too.
  await run.answer("again", { key: "approve" });
  assert.deepEqual([run.status, await run.output()], ["complete", ["yes", "again"]]);
});

test("commands that are sent at once have different ids", async (t) => {
  const keys = Array.from({ length: 50 }, (_, number) => `key ${number}`);
  const { run } = await startProgram(t, `Promise.all(${JSON.stringify(keys)}.map((key) => CC(key, { key }))).then((answers) => console.log(new Set(answers).size));`);
  await Promise.all(keys.map((key) => run.answer(key, { key })));
  assert.deepEqual([run.status, await run.output()], ["complete", ["50"]]);
});

test("a program that cleans up for longer than its deadline is cancelled", async () => {
  const world = await simulated();
  const rs = await world.open("memory:");
  await rs.load({ name: "program", source: CLEANING });
  const run = await rs.start("program");
  await run.cancel({ graceful: true, deadlineMs: 5_000 });
  await world.advance(4_000);
  assert.equal((await run.refresh()).status, "waiting_cc");
  await world.advance(2_000);
  assert.equal((await run.refresh()).status, "cancelled");
  await rs.close();
});

test("a deadline is refused for a cancel that is not graceful", async (t) => {
  const { run } = await startProgram(t, CLEANING);
  const { message } = await assertRefused(run.cancel({ deadlineMs: 5_000 }), "invalid");
  assert.match(message, /graceful/);
  await assertRefused(run.cancel({ graceful: true, deadlineMs: 0 }), "invalid");
  await run.cancel();
  assert.equal(run.status, "cancelled");
});
