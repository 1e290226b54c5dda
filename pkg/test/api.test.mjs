// The public API beside its commands: errors, options, values that JSON cannot represent, closing, aborted waits.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Run, RunstateError, open, version } from "runstate";
import { compile } from "runstate/compiler";
import { openStore, assertRefused, startProgram } from "./support.mjs";

const ASKS = `console.log("hello " + CC("your name?"))`;

test("the version is that of the package", () => {
  assert.equal(version, JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version);
});

test("a program asks and is answered", async (t) => {
  const { rs, run } = await startProgram(t, ASKS, { id: "r1" });
  assert.deepEqual([run.id, run.status, run.ended], ["r1", "waiting_cc", false]);
  const [call] = (await run.show()).calls;
  assert.deepEqual([call.prompt, call.choices, call.line], ["your name?", null, 1]);
  assert.equal(await run.answer("Ada", { call: call.id }), run);
  assert.deepEqual([run.status, await run.output()], ["complete", ["hello Ada"]]);
  assert.equal((await rs.list()).items[0].id, "r1");
  assert.ok((await rs.run("r1")) instanceof Run);
});

test("settings of every domain are options", async (t) => {
  const rs = await open("memory:", { recoveryAttempts: 0 });
  t.after(() => rs.close());
  await rs.sessions.machine.register("box", { hostname: "box.local" });
  const { id: sessionId } = await rs.sessions.session.create({ project: "p", machine: "box" });
  await rs.sessions.session.stall(sessionId, { reason: "test" });
  await assertRefused(rs.sessions.session.recover(sessionId, { machine: "box" }), "recovery_exhausted");
});

test("a list continues with its cursor; show without hash has no state hash", async (t) => {
  const { rs, run } = await startProgram(t, ASKS, { id: "r1" });
  for (const id of ["r2", "r3"]) await rs.start((await run.show()).programName, { id });
  const all = (await rs.list()).items.map(({ id }) => id);
  const first = await rs.list({ limit: 2 });
  const rest = await rs.list({ limit: 2, cursor: first.next });
  assert.deepEqual([...first.items, ...rest.items].map(({ id }) => id), all);
  assert.equal(rest.next, undefined, "no page follows the last one");
  const { stateHash, machine, ...hashed } = await run.show();
  assert.match(stateHash, /^[0-9a-f]{64}$/);
  assert.equal(machine.line, 1);
  assert.deepEqual(await run.show({ hash: false }), { ...hashed, stateHash: null, machine: null });
});

test("errors have a code, a name and a remedy", async (t) => {
  const rs = await openStore(t);
  const missing = await assertRefused(rs.run("missing"), "not_found");
  assert.deepEqual([missing.name, missing.key, missing.retryable], ["RunstateError", "missing", false]);
  assert.match(missing.message, /missing/);
  assert.match(missing.stack, /api\.test\.mjs/, "the stack leads to the caller");
  await assertRefused(rs.run(7), "usage");
  await assertRefused(rs.start(undefined), "usage");
  await assertRefused(rs.load({ name: 1, source: "" }), "usage");
  await assertRefused(rs.load({ name: "x", source: "", bytecode: [{ op: "fly" }] }), "invalid_bytecode");
  await assertRefused(open(undefined), "usage");
  await assertRefused(open("memory:", { timers: "sometimes" }), "usage");
  for (const url of ["indexeddb://x", "memory://", "memory:x", "file:x?mode=1"]) await assertRefused(open(url), "invalid_url");
  const typo = await assertRefused(open("fiel:x"), "invalid_url");
  assert.match(typo.message, /did you mean `file:x`/);
  await assertRefused(open("indexeddb:here-is-none"), "unsupported");
});

test("a compile error carries diagnostics with their line", async (t) => {
  const rs = await openStore(t);
  const error = await assertRefused(rs.load({ name: "bad", source: "let a = 1;\nlet b = nix;" }), "compile_error");
  const [first] = error.details.diagnostics;
  assert.equal(first.line, 2);
  assert.equal(typeof first.message, "string");
});

test("built-ins that are written in the language are loaded for programs that use them", async (t) => {
  const source = `const format = new Intl.DateTimeFormat("en-US", { timeZone: "Europe/Berlin" });
    console.log(format.format(new Date("2024-12-31T23:30Z")), new URL("https://a.test/b").host)`;
  const { run } = await startProgram(t, source);
  assert.deepEqual(await run.output(), ["1/1/2025 a.test"]);
  const names = { files: [{ path: "runstate:url", source: "export class URL {}" }] };
  assert.deepEqual(await compile("x.ts", source, names), await compile("x.ts", source));
  const rs = await openStore(t);
  const error = await assertRefused(rs.load({ name: "bad", source: `${source}; nix` }), "compile_error");
  assert.deepEqual(error.details.diagnostics.map(({ file }) => file), ["bad"]);
});

test("values that JSON cannot represent are rejected with their path", async (t) => {
  const { rs, run } = await startProgram(t, ASKS);
  const cycle = { a: [] };
  cycle.a.push(cycle);
  let deep = null;
  for (let level = 0; level < 65; level += 1) deep = [deep];
  const cases = [
    [{ list: [1, undefined] }, /^cvm\.start: `input\.list\[1\]` is undefined/],
    [{ n: NaN }, /^cvm\.start: `input\.n` is NaN/],
    [[-Infinity], /^cvm\.start: `input\[0\]` is -Infinity/],
    [{ big: 1n }, /^cvm\.start: `input\.big` is a bigint/],
    [{ items: [0, 1, 2, { when: new Date(0) }] }, /^cvm\.start: `input\.items\[3\]\.when` is a Date/],
    [{ f() {} }, /^cvm\.start: `input\.f` is a function/],
    [{ "a b": Symbol("x") }, /^cvm\.start: `input\["a b"\]` is a symbol/],
    [new Map(), /^cvm\.start: `input` is a Map/],
    [{ s: new Set() }, /^cvm\.start: `input\.s` is a Set/],
    [{ b: new Uint8Array(1) }, /^cvm\.start: `input\.b` is a Uint8Array/],
    [new (class Point {})(), /^cvm\.start: `input` is a Point/],
    [cycle, /^cvm\.start: `input\.a\[0\]` contains itself/],
    [[1, , 2], /^cvm\.start: `input\[1\]` is a hole/],
    [deep, /is deeper than 64 levels/],
    ["half \ud800", /^cvm\.start: `input` contains a lone surrogate/],
    [{ "\udc00": 1 }, /^cvm\.start: the key .* contains a lone surrogate/],
  ];
  for (const [input, message] of cases) {
    const error = await assertRefused(rs.start("program", { input }), "invalid");
    assert.match(error.message, message);
  }
  assert.match((await assertRefused(run.answer(new Date(0)), "invalid_answer")).message, /^cvm\.answer: `answer` is a Date/);
  assert.match((await assertRefused(run.answer(undefined), "invalid_answer")).message, /^cvm\.answer: `answer` is undefined/);
  assert.equal((await rs.list()).items.length, 1, "nothing was started");
  assert.equal((await run.refresh()).status, "waiting_cc");
});

test("JSON values of every kind round-trip", async (t) => {
  const input = { nothing: null, yes: true, n: -1.5, text: "\u{1f600} é", list: [[], {}], left: undefined };
  const shared = { a: 1 };
  const bare = Object.assign(Object.create(null), { twice: [shared, shared], list: Object.assign([1], { toJSON: () => "replaced" }) });
  const { run } = await startProgram(t, "function main() { return JSON.stringify(input) }", { input: { ...input, bare } });
  const { left: _, ...expected } = input;
  assert.deepEqual(JSON.parse(await run.result()), { ...expected, bare: { twice: [shared, shared], list: [1] } });
});

test("a member named __proto__ is a member like any other", async (t) => {
  const input = JSON.parse('{ "__proto__": { "a": 1 } }');
  const { run } = await startProgram(t, `CC("?")`, { input });
  const shown = (await run.show()).input;
  assert.deepEqual([JSON.stringify(shown), Object.getPrototypeOf(shown)], ['{"__proto__":{"a":1}}', Object.prototype]);
});

test("any operation is called by its name", async (t) => {
  const { rs, run } = await startProgram(t, ASKS);
  assert.equal((await rs.call("cvm.summary", { id: run.id })).prompt, "your name?");
  assert.equal((await rs.call("store.capabilities")).name, "memory");
  const misspelled = await assertRefused(rs.call("cvm.lsit", {}), "usage");
  assert.match(misspelled.message, /^`cvm\.lsit` is not an operation; did you mean `cvm\.list`\?$/);
  assert.match((await assertRefused(rs.call("cvm.list", null), "usage")).message, /^cvm\.list takes its options as an object, not null$/);
});

test("a closed store rejects every call, and closing twice is allowed", async () => {
  const rs = await open("memory:");
  const run = await rs.load({ name: "p", source: ASKS }).then(() => rs.start("p"));
  await rs.close();
  await rs.close();
  await assertRefused(rs.health(), "closed");
  await assertRefused(rs.info(), "closed");
  await assertRefused(run.answer("x"), "closed");
  await assertRefused(rs.changes()[Symbol.asyncIterator]().next(), "closed");
  await assert.rejects(async () => {
    for await (const _ of run.questions());
  }, { code: "closed" });
  assert.equal(rs.driver.state, "off");
});

test("several calls at once on one handle do not disturb each other", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { return CC.all(["a?", "b?", "c?", "d?"]).join("") }`);
  const { calls } = await run.show();
  const answers = calls.map(({ id }, at) => run.answer("abcd"[at], { call: id }));
  const others = Array.from({ length: 8 }, (_, at) => rs.start("program", { id: `other-${at}` }));
  await Promise.all([...answers, ...others]);
  assert.equal(await run.result(), "abcd");
  assert.equal((await rs.list({ status: ["running", "waiting_cc", "paused"] })).items.length, 8);
  const twice = await Promise.allSettled([rs.start("program", { id: "same" }), rs.start("program", { id: "same" })]);
  assert.deepEqual(twice.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

test("a command repeated under its id is applied once", async (t) => {
  const { rs, run } = await startProgram(t, ASKS, { id: "r", commandId: "start-1" });
  assert.equal((await rs.start("program", { id: "r", commandId: "start-1" })).id, run.id);
  await assertRefused(rs.start("program", { id: "other", commandId: "start-1" }), "command_id_reused");
  await run.answer("Ada", { commandId: "answer-1" });
  await run.answer("Ada", { commandId: "answer-1" });
  assert.deepEqual(await run.output(), ["hello Ada"]);
});

test("an aborted signal ends the waiting with its reason", async (t) => {
  const { rs, run } = await startProgram(t, ASKS);
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  await assert.rejects(open("memory:", { signal: aborted }), reason);
  await assert.rejects(rs.start("program", { signal: aborted }), reason);
  assert.equal((await rs.list()).items.length, 1, "nothing was sent");
  await assert.rejects(run.result({ signal: AbortSignal.timeout(20) }), { name: "TimeoutError" });
  const ends = new AbortController();
  const waits = [
    rs.changes({ signal: ends.signal })[Symbol.asyncIterator]().next(),
    rs.runs.changes({ signal: ends.signal })[Symbol.asyncIterator]().next(),
    run.lines({ signal: ends.signal }).next(),
  ];
  setTimeout(() => ends.abort(reason), 20);
  await Promise.all(waits.map((wait) => assert.rejects(wait, reason)));
});

test("a handle is disposed of by `await using`", async () => {
  const rs = await open("memory:");
  await rs[Symbol.asyncDispose]();
  await assertRefused(rs.info(), "closed");
});

test("callers can construct a RunstateError", () => {
  const error = new RunstateError({ code: "not_found", message: "gone", key: "k" });
  assert.deepEqual([error.code, error.message, error.retryable, error.key], ["not_found", "gone", false, "k"]);
});
