// What is given wrongly is refused as `usage`, by the name of the method and of what is wrong, with what it may be; texts that are none as
// `invalid`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { open, verifyFiles } from "runstate";
import { compile } from "runstate/compiler";
import { simulated } from "runstate/testing";
import { opened, refused, started } from "./support.mjs";

const HALF = "half \ud800";

test("options are refused by their name, with what they may be", async () => {
  const cases = [
    [{ retentionMs: -1 }, /^open: `retentionMs` is a whole number of milliseconds, 0 or more, not -1$/],
    [{ retentionMs: "1" }, /`retentionMs` is .* not "1"$/],
    [{ retentionMs: NaN }, /`retentionMs` is .* not NaN$/],
    [{ retentionMs: null }, /`retentionMs` is .* not null$/],
    [{ log: "loud" }, /^open: `log` is `error`, `warn`, `info` or `debug`, not "loud"$/],
    [{ timers: "sometimes" }, /^open: `timers` is `auto` or `off`, not "sometimes"$/],
    [{ logLevel: 1 }, /^open: `logLevel` is `off`, `calls` or `instructions`, not 1$/],
    [{ logLevel: "debug" }, /^open: `logLevel` is `off`, `calls` or `instructions`, not "debug"$/],
    [{ mustExist: "yes" }, /`mustExist` is true or false, not "yes"$/],
    [{ requestPersistence: 1 }, /`requestPersistence` is true or false, not 1$/],
    [{ signal: {} }, /`signal` is an AbortSignal, not \{\}$/],
    [{ mustexist: true }, /^open has no option `mustexist`; did you mean `mustExist`\?$/],
    [{ retention: 1 }, /^open has no option `retention`; did you mean `retentionMs`\?$/],
    [{ colour: "red" }, /^open has no option `colour`; there are `retentionMs`, /],
    [null, /^open takes its options as an object, not null$/],
    ["memory:", /^open takes its options as an object, not "memory:"$/],
    [[], /^open takes its options as an object, not \[\]$/],
  ];
  for (const [options, message] of cases) assert.match((await refused(open("memory:", options), "usage")).message, message);
  assert.match((await refused(open(7), "usage")).message, /^the URL of a store is a string, not 7$/);
  assert.match((await refused(verifyFiles(), "usage")).message, /^the URL of a store is a string, not undefined$/);
});

test("a refusal rejects, names the method that was called, and does nothing", async (t) => {
  const { rs, run } = await started(t, `CC("a?")`);
  const work = await rs.cvm.claim({ kinds: ["cc"], owner: "o" });
  const cases = [
    [rs.cvm.load(), /^cvm\.load takes an object \{ name, source \}, not undefined$/],
    [rs.cvm.load({ name: "x" }), /^cvm\.load: `source` is a string, not undefined$/],
    [rs.cvm.load({ name: "x", source: "", tags: "a" }), /`tags` is a list of strings, not "a"$/],
    [rs.cvm.load({ name: "x", source: "" }, { commandid: "c" }), /^cvm\.load has no option `commandid`; did you mean `commandId`\?$/],
    [rs.cvm.start(), /^the name of a program is a string, not undefined$/],
    [rs.cvm.start("program", { inputs: 1 }), /^cvm\.start has no option `inputs`; did you mean `input`\?$/],
    [rs.cvm.start("program", { id: 7 }), /^cvm\.start: `id` is a string, not 7$/],
    [rs.cvm.run(), /^the id of an execution is a string, not undefined$/],
    [rs.cvm.list({ limit: -1 }), /^cvm\.list: `limit` is a whole number from 0 to 4294967295, not -1$/],
    [rs.cvm.list({ limit: 1.5 }), /not 1\.5$/],
    [rs.cvm.list({ status: "finished" }), /^cvm\.list: `status` is `running`, .* or `cancelled`, not "finished"$/],
    [rs.cvm.start("program", { logLevel: "loud" }), /^cvm\.start: `logLevel` is `off`, `calls` or `instructions`, not "loud"$/],
    [rs.cvm.calls({ open: 1 }), /^cvm\.calls: `open` is true or false, not 1$/],
    [rs.cvm.history(), /^the name of a program is a string/],
    [rs.cvm.version("program", 0), /^the version of a program is a whole number from 1 to /],
    [rs.cvm.stats(7), /^the name of a program is a string, not 7$/],
    [rs.cvm.claim(), /^cvm\.claim takes an object \{ owner \}, not undefined$/],
    [rs.cvm.claim({ kinds: "cc", owner: "o" }), /`kinds` is a list of strings, not "cc"$/],
    [rs.cvm.claim({ kinds: ["cc"], owner: "o", leaseMs: Infinity }), /`leaseMs` is .* not Infinity$/],
    [rs.cvm.heartbeat(work, -1), /^the length of a lease is a whole number of milliseconds, 0 or more, not -1$/],
    [rs.cvm.complete(), /^the work is not what `cvm\.claim` gave$/],
    [rs.cvm.complete(work, 1, { bye: "me" }), /^cvm\.complete has no option `bye`; there are `by`, `commandId`, `signal`$/],
    [rs.cvm.fail(work, "no", { retry: { attempts: 3 } }), /`retry` is an object \{ attempts: .*, not \{"attempts":3\}$/],
    [rs.cvm.runDue("all"), /not "all"$/],
    [rs.cvm.countFinished(NaN), /^the time before which they ended is a time in milliseconds since 1970, .* not NaN$/],
    [run.answer("x", { ocurrence: 1 }), /^run\.answer has no option `ocurrence`; did you mean `occurrence`\?$/],
    [run.answer("x", { key: "k", occurrence: 0 }), /`occurrence` is a whole number from 1 to/],
    [run.pause({ commandId: 1 }), /^run\.pause: `commandId` is a string, not 1$/],
    [run.glance(-1), /^the line from which is looked is a whole number from 0 on, not -1$/],
    [run.result({ timeout: 5 }), /^run\.result has no option `timeout`; there is `signal`$/],
    [run.logs({ after: 1 }), /^run\.logs: `after` is a string, not 1$/],
    [rs.info({ verbose: true }), /^info has no option `verbose`/],
    [rs.export({ execution: 1 }), /^export: `execution` is a string, not 1$/],
    [rs.import("", { onProgress: "x" }), /`onProgress` is a function, not "x"$/],
    [rs.import(7), /^what is imported is a Blob, bytes \(Uint8Array\) or a string$/],
  ];
  for (const [promise, message] of cases) assert.match((await refused(promise, "usage")).message, message);
  assert.throws(() => rs.changes({ colection: "x" }), { code: "usage", message: /did you mean `collection`\?$/ });
  assert.throws(() => rs.cvm.changes({ things: "call" }), { code: "usage", message: /`things` is a list, each `program`, / });
  assert.throws(() => run.questions({ signals: 1 }), { code: "usage", message: /did you mean `signal`\?$/ });
  assert.equal((await rs.cvm.list()).length, 1, "nothing was started");
  assert.equal((await run.refresh()).status, "waiting_cc");
});

test("what is no handler is refused, and so is how it would be called", async (t) => {
  const rs = await opened(t);
  const cc = () => 1;
  const cases = [
    [[undefined], /^cvm\.worker takes its handlers as an object: \{ kind: function \}$/],
    [[{ cc: "x" }], /^cvm\.worker: `cc` is a function, not "x"$/],
    [[{ cc: undefined }], /^cvm\.worker: `cc` is a function, not undefined$/],
    [[{ cc }, { concurency: 1 }], /did you mean `concurrency`\?$/],
    [[{ cc }, { concurrency: 0 }], /`concurrency` is a whole number from 1 to \d+, or an object with one for each kind, not 0$/],
    [[{ cc }, { concurrency: { cc: 0 } }], /^the concurrency of cvm\.worker: `cc` is a whole number from 1 to/],
    [[{ search: cc }, { concurrency: { serch: 2 } }], /has no option `serch`; did you mean `search`\?$/],
    [[{ cc }, { leaseMs: -1 }], /`leaseMs` is .* not -1$/],
    [[{ cc }, { backoff: { attempts: 1, initialMs: 1, longest: 2 } }], /`backoff` is an object \{ attempts: /],
    [[{ cc }, { onEvent: {} }], /`onEvent` is a function, not \{\}$/],
  ];
  for (const [args, message] of cases) assert.throws(() => rs.cvm.worker(...args), { code: "usage", message });
});

test("time that is none does not pass", async () => {
  const world = await simulated({ now: 0 });
  for (const span of [Infinity, NaN, -1, "1", undefined]) {
    assert.match((await refused(world.advance(span), "usage")).message, /^the time that passes is a number of milliseconds, 0 or more, not /);
  }
  for (const time of [Infinity, NaN, null, 9e15]) {
    assert.match((await refused(world.advanceTo(time), "usage")).message, /^the time that is reached is a time in milliseconds since 1970/);
  }
  assert.equal(world.now, 0);
  assert.match((await refused(simulated({ seed: -1 }), "usage")).message, /^simulated: `seed` is a whole number from 0 to 4294967295, not -1$/);
  assert.match((await refused(simulated({ now: NaN }), "usage")).message, /^simulated: `now` is a time/);
  assert.match((await refused(world.open("memory:", { timer: "auto" }), "usage")).message, /did you mean `timers`\?$/);
  const misspelt = { code: "usage", message: /^world\.fail has no option `nht`; there are `on`, `nth`, `fault`$/ };
  assert.throws(() => world.fail({ on: "commit", fault: "full", nht: 2 }), misspelt);
  assert.throws(() => world.fail({ on: "commit", fault: "full", nth: 0 }), { code: "usage", message: /`nth` is a whole number from 1 to/ });
});

test("half of a surrogate pair is refused wherever a text crosses", async (t) => {
  const { rs, run } = await started(t, `CC("a?")`);
  const work = await rs.cvm.claim({ kinds: ["cc"], owner: "o" });
  const cases = [
    [open(`memory:${HALF}`), /^the URL of a store holds half of a surrogate pair/],
    [rs.cvm.start("program", { id: HALF }), /^cvm\.start: `id` holds half of a surrogate pair/],
    [rs.cvm.start("program", { commandId: HALF }), /^cvm\.start: `commandId` holds/],
    [rs.cvm.start(HALF), /^the name of a program holds/],
    [rs.cvm.load({ name: "x", source: `console.log("${HALF}")` }), /^cvm\.load: `source` holds/],
    [rs.cvm.load({ name: "x", source: "", tags: ["a", HALF] }), /^cvm\.load: `tags` holds/],
    [rs.cvm.load({ name: "x", source: "", bytecode: [{ op: { deep: [HALF] } }] }), /^cvm\.load: `bytecode\[0\]\.op\.deep\[0\]` holds/],
    [rs.cvm.run(HALF), /^the id of an execution holds/],
    [run.answer("x", { by: HALF }), /^run\.answer: `by` holds/],
    [rs.cvm.fail(work, HALF), /^what went wrong holds/],
    [rs.cvm.list({ program: HALF }), /^cvm\.list: `program` holds/],
    [rs.cvm.claim({ kinds: [HALF], owner: "o" }), /^cvm\.claim: `kinds` holds/],
    [rs.import(HALF), /^what is imported holds/],
    [compile("x", HALF), /^the source of a program holds/],
  ];
  for (const [promise, message] of cases) assert.match((await refused(promise, "invalid")).message, message);
  assert.throws(() => rs.cvm.worker({ [HALF]: () => 1 }), { code: "invalid", message: /^cvm\.worker: `kinds` holds/ });
  // What only looks like half of one as JSON is a text as any.
  await run.answer("\\ud800", { call: work.claimed.call });
});

test("what a handler throws is told, whatever is in its message", async (t) => {
  const { rs, run } = await started(t, `function main() { try { call("tool", {}) } catch (error) { return error.message } }`);
  const tool = () => {
    throw new Error(HALF);
  };
  const stop = rs.cvm.worker({ tool }, { backoff: { attempts: 1, initialMs: 1, longestMs: 1 } });
  assert.equal(await run.result(), "half \ufffd");
  await stop();
});
