// Queries about executions, programs and logs: variables with their values, ids, events of all executions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openStore, assertRefused, startProgram } from "./support.mjs";

const SOURCE = `
const order = { items: new Map([["tea", 2]]), none: undefined, total: NaN, tag: /a+/g };
order.self = order;
function price(item, missing) {
  const answer = CC("price of " + item + "?");
  return missing.rate * answer;
}
price("tea", null);`;

test("variables have inspect text and tagged JSON, also after a failure", async (t) => {
  const { run } = await startProgram(t, SOURCE);
  const [call, program] = await run.variables();
  assert.deepEqual([call.function, call.line, program.function], ["price", 5, "<program>"]);
  const texts = Object.fromEntries(call.variables.map(({ name, text }) => [name, text]));
  assert.deepEqual(texts, { item: "'tea'", missing: "null", answer: "<not yet assigned>" });
  const order = program.variables.find(({ name }) => name === "order");
  assert.equal(
    order.text,
    "<ref *1> {\n  items: Map(1) { 'tea' => 2 },\n  none: undefined,\n  total: NaN,\n  tag: /a+/g,\n  self: [Circular *1]\n}",
  );
  assert.deepEqual(order.value, {
    items: { $map: [["tea", 2]] },
    none: { $undefined: true },
    total: { $number: "NaN" },
    tag: { $regexp: { source: "a+", flags: "g" } },
    self: { $circular: 1 },
  });
  await run.answer("3");
  assert.equal(run.status, "error");
  const [failed] = await run.variables({ name: "answer" });
  assert.deepEqual([failed.function, failed.variables], ["price", [{ name: "answer", value: "3", text: "'3'" }]]);
  await assertRefused(run.variables({ name: "nothing" }), "not_found");
});

test("show includes input and, unless excluded, the machine", async (t) => {
  const { run } = await startProgram(t, `CC("?" + input.n)`, { input: { n: 7 } });
  const all = await run.show();
  assert.deepEqual([all.input, all.machine.line, all.machine.frames.length], [{ n: 7 }, 1, 1]);
  assert.equal((await run.show({ hash: false })).machine, null);
  assert.equal((await run.show({ machine: false })).machine, null);
  const machine = (await run.show({ hash: false, machine: true, full: true })).machine;
  assert.deepEqual([machine.cut, machine.pc], [false, all.machine.pc]);
});

test("a program is found by the id that it was given", async (t) => {
  const rs = await openStore(t);
  const source = "CC('?')";
  const loaded = await rs.load({ name: "one", source, id: "p1" });
  assert.deepEqual([loaded.id, (await rs.runs.programById("p1")).name], ["p1", "one"]);
  assert.equal((await rs.load({ name: "one", source })).id, "p1");
  await assertRefused(rs.load({ name: "two", source, id: "p1" }), "already_exists");
  await assertRefused(rs.load({ name: "one", source, id: "p2" }), "already_exists");
  await assertRefused(rs.runs.programById("p2"), "not_found");
});

test("logs of all executions are read by event and time", async (t) => {
  const { rs, run } = await startProgram(t, `CC("?"); throw new Error("no")`);
  const other = await rs.start("program");
  await run.answer("x");
  await other.answer("x");
  const { items: rows } = await rs.runs.logs({ event: "error" });
  assert.deepEqual(rows.map(({ executionId }) => executionId).sort(), [run.id, other.id].sort());
  const first = rows[0].timestamp;
  assert.equal((await rs.runs.logs({ before: 0 })).items.length, 0);
  assert.ok((await rs.runs.logs({ since: first, event: "error", execution: run.id })).items.length <= 1);
  assert.equal((await rs.runs.logs({ limit: 1 })).items.length, 1);
  await assertRefused(rs.runs.logs({ event: "nothing" }), "usage");
});

test("an invalid position is rejected, and an open store is healthy", async (t) => {
  const rs = await openStore(t);
  const iterator = rs.changes({ from: "junk" })[Symbol.asyncIterator]();
  await assertRefused(iterator.next(), "invalid");
  assert.equal(await rs.health(), null);
});

test("saveEvery sets how often a running program is saved", async (t) => {
  const rs = await openStore(t, "memory:", { saveEvery: { instructions: 1_000, bytes: 65_536 } });
  await rs.load({ name: "busy", source: "function main() { let n = 0; for (let i = 0; i < 20000; i++) n += i; return n }" });
  const run = await rs.start("busy");
  assert.equal(await run.result(), 199990000);
  const { open } = await import("runstate");
  await assertRefused(open("memory:", { saveEvery: { instructions: -1 } }), "usage");
});
