// Invalid parameters and options are rejected as `usage`, with the name of the method, of the option, and of valid
// values. Strings with a lone surrogate are rejected as `invalid`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { open, verifyFiles } from "runstate";
import { compile } from "runstate/compiler";
import { simulated } from "runstate/testing";
import { openStore, assertRefused, startProgram } from "./support.mjs";

const HALF = "half \ud800";

test("an invalid option is rejected with its name and what it may be", async () => {
  const cases = [
    [{ retentionMs: -1 }, /^open: `retentionMs` must be a whole number of milliseconds, 0 or more, not -1$/],
    [{ retentionMs: "1" }, /`retentionMs` must be .* not "1"$/],
    [{ retentionMs: 1.5 }, /`retentionMs` must be .* not 1\.5$/],
    [{ log: "loud" }, /^open: `log` must be `off`, `error`, `warn`, `info` or `debug`, not "loud"$/],
    [{ timers: "sometimes" }, /^open: `timers` must be `auto` or `off`, not "sometimes"$/],
    [{ logLevel: 1 }, /^open: `logLevel` must be `off`, `calls` or `instructions`, not 1$/],
    [{ logLevel: "debug" }, /^open: `logLevel` must be `off`, `calls` or `instructions`, not "debug"$/],
    [{ mustExist: "yes" }, /`mustExist` must be true or false, not "yes"$/],
    [{ requestPersistence: 1 }, /`requestPersistence` must be true or false, not 1$/],
    [{ signal: {} }, /`signal` must be an AbortSignal, not \{\}$/],
    [{ mustexist: true }, /^open has no option `mustexist`; did you mean `mustExist`\?$/],
    [{ retention: 1 }, /^open has no option `retention`; did you mean `retentionMs`\?$/],
    [{ color: "red" }, /^open has no option `color`; its options are `auditActor`, /],
    [null, /^open takes its options as an object, not null$/],
    ["memory:", /^open takes its options as an object, not "memory:"$/],
    [[], /^open takes its options as an object, not \[\]$/],
  ];
  for (const [options, message] of cases) assert.match((await assertRefused(open("memory:", options), "usage")).message, message);
  assert.match((await assertRefused(open(7), "usage")).message, /^the URL of a store must be a string, not 7$/);
  assert.match((await assertRefused(verifyFiles(), "usage")).message, /^the URL of a store must be a string, not undefined$/);
});

test("a usage error names the called method and changes nothing", async (t) => {
  const { rs, run } = await startProgram(t, `CC("a?")`);
  const work = await rs.runs.claim({ kinds: ["cc"], owner: "o" });
  const cases = [
    [rs.load(), /^cvm\.load takes its options as an object, not undefined$/],
    [rs.load({ name: "x" }), /^cvm\.load: `source` is missing; it must be a string$/],
    [rs.load({ name: "x", source: "", tags: "a" }), /`tags` must be a list, each a string, not "a"$/],
    [rs.load({ name: "x", source: "" }, { commandid: "c" }), /^cvm\.load has no option `commandid`; did you mean `commandId`\?$/],
    [rs.start(), /^cvm\.start: `program` is missing; it must be a string$/],
    [rs.start("program", { inputs: 1 }), /^cvm\.start has no option `inputs`; did you mean `input`\?$/],
    [rs.start("program", { id: 7 }), /^cvm\.start: `id` must be a string, not 7$/],
    [rs.run(), /^the id of an execution must be a string, not undefined$/],
    [rs.list({ limit: -1 }), /^cvm\.list: `limit` must be a whole number from 0 to 4294967295, not -1$/],
    [rs.list({ limit: 1.5 }), /not 1\.5$/],
    [rs.list({ status: "finished" }), /^cvm\.list: `status` is not one of running, .*, cancelled$/],
    [rs.start("program", { logLevel: "loud" }), /^cvm\.start: `logLevel` must be `off`, `calls` or `instructions`, not "loud"$/],
    [rs.runs.calls({ open: 1 }), /^cvm\.calls: `open` must be true or false, not 1$/],
    [rs.runs.versions(), /^cvm\.versions: `name` is missing; it must be a string$/],
    [rs.runs.version("program", { version: -1 }), /^cvm\.version: `version` must be a whole number from 0 to /],
    [rs.runs.stats({ program: 7 }), /^cvm\.stats: `program` must be a string, not 7$/],
    [rs.runs.claim(), /^cvm\.claim takes its options as an object, not undefined$/],
    [rs.runs.claim({}), /^cvm\.claim: `owner` is missing; it must be a string$/],
    [rs.runs.claim({ kinds: "cc", owner: "o" }), /`kinds` must be a list, each a string, not "cc"$/],
    [rs.runs.claim({ kinds: ["cc"], owner: "o", leaseMs: 0.5 }), /`leaseMs` must be .* not 0\.5$/],
    [rs.runs.heartbeat(work, -1), /^cvm\.heartbeat: `leaseMs` must be a whole number of milliseconds, 0 or more, not -1$/],
    [rs.runs.complete(), /^`work` has no claim; pass the value that `runs\.claim` returned$/],
    [rs.runs.complete(work, 1, { bye: "me" }), /^cvm\.complete has no option `bye`; its options are `call`, `execution`, `token`, `answer`, `by`, `cost`, `commandId`$/],
    [rs.runs.fail(work, "no", { retry: { attempts: 3 } }), /^cvm\.fail: `retry\.initialMs` is missing; it must be a whole number of milliseconds/],
    [rs.due.run({ limit: "all" }), /^due\.run: `limit` must be .* not "all"$/],
    [rs.runs.countFinished({ before: "now" }), /^cvm\.countFinished: `before` must be a time in milliseconds since 1970, not "now"$/],
    [run.answer("x", { ocurrence: 1 }), /^cvm\.answer has no option `ocurrence`; did you mean `occurrence`\?$/],
    [run.answer("x", { key: "k", occurrence: 0.5 }), /^cvm\.answer: `occurrence` must be a whole number, 0 or more, not 0\.5$/],
    [run.pause({ commandId: 1 }), /^cvm\.pause: `commandId` must be a string, not 1$/],
    [run.progress(-1), /^cvm\.progress: `from` must be a whole number, 0 or more, not -1$/],
    [run.result({ timeout: 5 }), /^run\.result has no option `timeout`; its only option is `signal`$/],
    [run.logs({ cursor: 1 }), /^cvm\.logs: `cursor` must be a string, not 1$/],
    [rs.info({ verbose: true }), /^store\.info has no option `verbose`/],
    [rs.export({ execution: 1 }), /^export: `execution` must be a string, not 1$/],
    [rs.import("", { onProgress: "x" }), /`onProgress` must be a function, not "x"$/],
    [rs.import(7), /^the data to import must be a Blob, a Uint8Array or a string$/],
  ];
  for (const [promise, message] of cases) assert.match((await assertRefused(promise, "usage")).message, message);
  const invalid = [
    [run.answer("x", { key: "k", occurrence: 0 }), /occurrence: the first call under a key is occurrence 1/],
    [rs.start("program", { heapBytes: 5 }), /heapBytes: it is 5, expected 1048576 to 4294967296/],
    [open("memory:", { heapBytes: 5 }), /heapBytes: it is 5, expected 1048576 to 4294967296/],
    [rs.list({ limit: NaN }), /^cvm\.list: `limit` is NaN/],
    [open("memory:", { retentionMs: Infinity }), /^open: `retentionMs` is Infinity/],
    [open("memory:", { healthyWithinMs: 9_000_000 }), /degradedWithinMs: it must be at least healthyWithinMs and at most unresponsiveWithinMs/],
  ];
  for (const [promise, message] of invalid) assert.match((await assertRefused(promise, "invalid")).message, message);
  assert.throws(() => rs.changes({ colection: "x" }), { code: "usage", message: /did you mean `collection`\?$/ });
  assert.throws(() => rs.runs.changes({ kinds: "call" }), { code: "usage", message: /`kinds` must be a list, each `program`, / });
  assert.throws(() => run.questions({ signals: 1 }), { code: "usage", message: /did you mean `signal`\?$/ });
  assert.equal((await rs.list()).items.length, 1, "nothing was started");
  assert.equal((await run.refresh()).status, "waiting_cc");
});

test("worker rejects invalid handlers and invalid options", async (t) => {
  const rs = await openStore(t);
  const cc = () => 1;
  const cases = [
    [[undefined], /^cvm\.worker takes its handlers as an object \{ kind: function \}$/],
    [[{ cc: "x" }], /^cvm\.worker: `cc` must be a function, not "x"$/],
    [[{ cc: undefined }], /^cvm\.worker: `cc` must be a function, not undefined$/],
    [[{ cc }, { concurency: 1 }], /did you mean `concurrency`\?$/],
    [[{ cc }, { concurrency: 0 }], /`concurrency` must be a whole number from 1 to \d+, or an object with one entry for each kind, not 0$/],
    [[{ cc }, { concurrency: { cc: 0 } }], /^the concurrency of cvm\.worker: `cc` must be a whole number from 1 to/],
    [[{ search: cc }, { concurrency: { serch: 2 } }], /has no option `serch`; did you mean `search`\?$/],
    [[{ cc }, { leaseMs: -1 }], /`leaseMs` must be .* not -1$/],
    [[{ cc }, { leaseMs: 10 }], /^cvm\.worker: .*leaseMs.* 10 ms is not valid; use 1 second to 30 days/],
    [[{ cc }, { leaseMs: 31 * 86_400_000 }], /^cvm\.worker: .*leaseMs.* use 1 second to 30 days/],
    [[{ cc }, { owner: "" }], /^cvm\.worker: /],
    [[{ cc }, { backoff: { attempts: 1, initialMs: 1, longest: 2 } }], /^cvm\.worker has no option `backoff\.longest`; did you mean `longestMs`\?$/],
    [[{ cc }, { onEvent: {} }], /`onEvent` must be a function, not \{\}$/],
  ];
  for (const [args, message] of cases) assert.throws(() => rs.worker(...args), { code: "usage", message });
});

test("advance rejects an invalid duration or time", async () => {
  const world = await simulated({ now: 0 });
  for (const span of [Infinity, NaN, -1, "1", undefined]) {
    assert.match((await assertRefused(world.advance(span), "usage")).message, /^world\.advance: `ms` must be a number of milliseconds, 0 or more, not /);
  }
  for (const time of [Infinity, NaN, null, 9e15]) {
    assert.match((await assertRefused(world.advanceTo(time), "usage")).message, /^world\.advanceTo: `time` must be a time in milliseconds since 1970/);
  }
  assert.equal(world.now, 0);
  assert.match((await assertRefused(simulated({ seed: -1 }), "usage")).message, /^simulated: `seed` must be a whole number from 0 to 4294967295, not -1$/);
  assert.match((await assertRefused(simulated({ now: NaN }), "usage")).message, /^simulated: `now` must be a time/);
  assert.match((await assertRefused(world.open("memory:", { timer: "auto" }), "usage")).message, /did you mean `timers`\?$/);
  const misspelled = { code: "usage", message: /^world\.fail has no option `nht`; its options are `on`, `nth`, `fault`$/ };
  assert.throws(() => world.fail({ on: "commit", fault: "full", nht: 2 }), misspelled);
  assert.throws(() => world.fail({ on: "commit", fault: "full", nth: 0 }), { code: "usage", message: /`nth` must be a whole number from 1 to/ });
});

test("a lone surrogate is rejected in every text parameter", async (t) => {
  const { rs, run } = await startProgram(t, `CC("a?")`);
  const work = await rs.runs.claim({ kinds: ["cc"], owner: "o" });
  const cases = [
    [open(`memory:${HALF}`), /^the URL of a store contains a lone surrogate, which UTF-8 cannot encode/],
    [rs.start("program", { id: HALF }), /^cvm\.start: `id` contains a lone surrogate/],
    [rs.start("program", { commandId: HALF }), /^cvm\.start: `commandId` contains/],
    [rs.start(HALF), /^cvm\.start: `program` contains/],
    [rs.load({ name: "x", source: `console.log("${HALF}")` }), /^the source of a program contains/],
    [rs.load({ name: "x", source: "", tags: ["a", HALF] }), /^cvm\.load: `tags\[1\]` contains/],
    [rs.load({ name: "x", source: "", bytecode: [{ op: { deep: [HALF] } }] }), /^cvm\.load: `bytecode\[0\]\.op\.deep\[0\]` contains/],
    [rs.run(HALF), /^the id of an execution contains/],
    [run.answer("x", { by: HALF }), /^cvm\.answer: `by` contains/],
    [rs.runs.fail(work, HALF), /^cvm\.fail: `message` contains/],
    [rs.list({ program: HALF }), /^cvm\.list: `program` contains/],
    [rs.runs.claim({ kinds: [HALF], owner: "o" }), /^cvm\.claim: `kinds\[0\]` contains/],
    [rs.import(HALF), /^the data to import contains/],
    [compile("x", HALF), /^the source of a program contains/],
  ];
  for (const [promise, message] of cases) assert.match((await assertRefused(promise, "invalid")).message, message);
  assert.throws(() => rs.worker({ [HALF]: () => 1 }), { code: "invalid", message: /^cvm\.worker: the key .* contains/ });
  // A literal backslash followed by `ud800` is a valid string.
  await run.answer("\\ud800", { call: work.claimed.call });
});

test("a handler's error message reaches the program well-formed", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { try { call("tool", {}) } catch (error) { return error.message } }`);
  const tool = () => {
    throw new Error(HALF);
  };
  const stop = rs.worker({ tool }, { backoff: { attempts: 1, initialMs: 1, longestMs: 1 } });
  assert.equal(await run.result(), "half \ufffd");
  await stop();
});
