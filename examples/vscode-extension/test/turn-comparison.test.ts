import assert from "node:assert/strict";
import { test } from "node:test";

import type { Moment } from "../src/replay.ts";
import { openScratch } from "../src/scratch.ts";
import { type Comparison, compareTurns } from "../src/turn-comparison.ts";
import { FakeWindow, waitUntil } from "./fake-editor.ts";

/** Runs a program whose questions get these answers, in turn. Returns a function that compares two moments. */
async function played(window: FakeWindow, source: string, answers: string[]): Promise<(from: Moment, to: Moment) => Promise<Comparison>> {
  window.editor.onInput = () => {
    const text = answers.shift();
    return text === undefined ? undefined : { text };
  };
  const id = await window.runProgram(source);
  const rs = await window.store.open();
  return (from, to) => compareTurns(rs, (now) => openScratch(undefined, now), id, from, to);
}

function rows({ functions }: Comparison): string[] {
  return functions.flatMap(({ name, variables }) =>
    variables.map((variable) => `${variable.changed ? "*" : " "}${name}.${variable.name}: ${variable.before} → ${variable.after}`),
  );
}

test("two turns differ in the lines printed between and in their variables", async () => {
  await using window = new FakeWindow();
  const source = `
    const seen = new Map();
    console.log("begin");
    for (const name of ["a", "b"]) { const answer = CC(name); seen.set(name, answer); console.log(answer, 1); }
    console.log("end");`;
  const compare = await played(window, source, ["x", "y"]);
  const between = await compare(1, 2);
  assert.equal(between.note, null);
  assert.deepEqual(between.output, ["x 1"]);
  assert.ok(rows(between).includes("*<program>.seen: Map(0) {} → Map(1) { 'a' => 'x' }"), rows(between).join("\n"));
  assert.ok(rows(between).includes("*<program>.name: 'a' → 'b'"), rows(between).join("\n"));
  assert.deepEqual((await compare(2, "end")).output, ["y 1", "end"]);
  assert.deepEqual((await compare(1, 1)).output, []);
});

test("functions that were called or have returned are listed by themselves", async () => {
  await using window = new FakeWindow();
  const compare = await played(window, "function ask(n) { return CC('n' + n); }\nfunction main() { const one = CC('one'); return ask(one); }", ["1", "2"]);
  const { functions } = await compare(1, 2);
  assert.deepEqual(functions.map(({ name, lines }) => [name, ...lines]), [["ask", undefined, 1], ["main", 2, 2], ["<program>", 2, 2]]);
  assert.deepEqual((await compare(2, "end")).functions.map(({ name, lines }) => [name, ...lines]), [["ask", 1, undefined], ["main", 2, undefined], ["<program>", 2, 2]]);
});

test("random numbers, times, timers and failures are those of the execution", async () => {
  await using window = new FakeWindow();
  const source = `
    console.log(Math.random(), Date.now());
    CC("a");
    console.log(Math.random(), Date.now());
    sleep(1);
    try { call("search", {}); } catch (error) { console.log(error.message); }
    CC.all(["b", "c"]);`;
  const compare = await played(window, source, ["x"]);
  const rs = await window.store.open();
  let work = await rs.runs.claim({ kinds: ["search"], owner: "tools" });
  await waitUntil(async () => (work ??= await rs.runs.claim({ kinds: ["search"], owner: "tools" })) !== null);
  assert.ok(work);
  await rs.runs.fail(work, "no network");
  const comparison = await compare(1, 5);
  assert.equal(comparison.note, null);
  assert.deepEqual(comparison.output?.slice(1), ["no network"]);
});

test("an execution that cannot be replayed is compared by its records", async () => {
  await using window = new FakeWindow();
  const rs = await window.store.open();
  await rs.load({ name: "p", source: "const r = Math.random(); console.log(r); const a = CC('a'); CC('b');" });
  const { id } = await rs.start("p");
  await (await rs.run(id)).answer("x");
  const compare = (from: Moment, to: Moment) => compareTurns(rs, (now) => openScratch(undefined, now), id, from, to);
  const comparison = await compare(1, 2);
  assert.match(comparison.note ?? "", /Only recorded values are compared: line 1 of the output differs in a replay\./);
  assert.equal(comparison.output, null);
  assert.ok(rows(comparison).includes('*recorded.a: null → "x"'), rows(comparison).join("\n"));
});
