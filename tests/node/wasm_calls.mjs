// The contract between the WebAssembly and the package: `node wasm_calls.mjs PACKAGE`, with compiled programs on stdin as `{ name: load }`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { wasm } from "./package.mjs";

/** The collection of the items of these workers. */
const CALLS = "cvm.cc_history";

const programs = JSON.parse(readFileSync(0, "utf8"));

/** Opens a store in memory. `call` calls an operation with JSON values. */
async function opened(options = {}) {
  const store = await wasm.Runstate.open("memory:", JSON.stringify(options));
  const call = (name, params = {}) => store.call(name, JSON.stringify(params));
  for (const load of Object.values(programs)) await call("cvm.load", load);
  return { store, call };
}

/** The error of a promise that rejects. */
async function refused(promise) {
  return promise.then(() => assert.fail("it was not refused"), (thrown) => thrown);
}

const lines = (store, params = {}) => {
  const parts = [];
  const sink = (chunk) => (chunk === null ? parts.splice(0) : parts.push(chunk));
  return store.export(JSON.stringify(params), sink).then((summary) => ({ text: parts.join(""), summary }));
};

/** The timeout of a condition on a busy machine, in milliseconds. */
const TIMEOUT_MS = 120_000;

/** Calls `condition` until it returns a truthy value, and returns that value. The work of a worker has no promise to wait for. */
async function waitUntil(condition) {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < deadline, `this condition was not met within ${TIMEOUT_MS} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const tests = {
  async "calls go by name, and unknown ones are rejected"() {
    const { store, call } = await opened();
    assert.equal((await call("store.capabilities")).name, "memory");
    assert.equal(await call("store.health"), null);
    const { id, status } = await call("cvm.start", { program: "ask", input: null, commandId: "c1" });
    assert.equal(status, "waiting_cc");
    assert.deepEqual(await call("cvm.start", { program: "ask", input: null, commandId: "c1" }), { id, status });
    assert.equal((await call("cvm.overview")).executions.waiting_cc, 1);
    const nothing = await refused(store.call("cvm.nothing", "{}"));
    assert.deepEqual([nothing.code, nothing.retryable], ["usage", false]);
    assert.match((await refused(store.call("cvm.start", "{}"))).message, /cvm\.start: `program` is missing/);
    assert.match((await refused(store.call("cvm.pause", `{"id":"x","when":1}`))).message, /cvm\.pause has no option `when`/);
    assert.equal((await refused(store.call("cvm.pause", "{"))).code, "usage");
    assert.equal((await refused(store.call("cvm.pause", JSON.stringify({ id, commandId: "" })))).code, "invalid");
    await store.close();
    await store.close();
    assert.equal((await refused(store.call("cvm.show", JSON.stringify({ id })))).code, "closed");
  },

  async "options of a store are read"() {
    assert.equal((await refused(wasm.Runstate.open("memory:", `{"retention":1}`))).code, "usage");
    assert.equal((await refused(wasm.Runstate.open("nothing:", "{}"))).code, "invalid_url");
    const { call } = await opened({ retentionMs: 1, logLevel: "off" });
    const { id } = await call("cvm.start", { program: "add" });
    const [open] = (await call("cvm.calls", { execution: id, open: true })).items;
    await call("cvm.answer", { id, call: open.id, answer: 3 });
    assert.deepEqual((await call("cvm.logs", { execution: id })).items, []);
    await waitUntil(async () => (await call("due.run")).deleted === 1);
    await assert.rejects(call("cvm.show", { id }));
  },

  async "concurrent calls on one handle succeed"() {
    const { call } = await opened();
    const started = await Promise.all(Array.from({ length: 50 }, (_, n) => call("cvm.start", { program: "ask", id: `r${n}` })));
    assert.equal(new Set(started.map(({ id }) => id)).size, 50);
    const answered = await Promise.allSettled([1, 2, 3].map((n) => call("cvm.answer", { id: "r0", answer: `${n}` })));
    assert.equal(answered.filter(({ status }) => status === "fulfilled").length, 1);
  },

  async "engine logs arrive on request"() {
    const logged = [];
    wasm.logTo((level, message) => logged.push(`${level} ${message}`), "info");
    await opened();
    wasm.logTo(() => assert.fail("logging is off"), "off");
    await opened();
    assert.deepEqual(logged, [`info runstate ${wasm.version()} on a store of kind memory`]);
  },

  async "changes arrive for one collection or all"() {
    const { call } = await opened();
    const { next: from } = await call("store.changes", { waitMs: 0 });
    const waiting = call("store.changes", { from, collections: ["cvm.executions"], waitMs: 60_000 });
    const { id } = await call("cvm.start", { program: "ask" });
    const { events, next } = await waiting;
    assert.deepEqual(events.map((event) => [event.collection, event.id]), [["cvm.executions", id]]);
    assert.match(events[0].revision, /^1-/);
    assert.deepEqual((await call("store.changes", { from: next, waitMs: 0, collections: ["cvm.executions"] })).events, []);
    await call("cvm.cancel", { id });
    await call("cvm.delete", { id });
    const gone = await call("store.changes", { from: next, waitMs: 0, collections: ["cvm.executions"] });
    assert.equal(gone.events.at(-1).revision, null);
    const calls = await call("store.changes", { from, collections: ["cvm.cc_history"], waitMs: 0 });
    assert.deepEqual(new Set(calls.events.map((event) => event.collection)), new Set(["cvm.cc_history"]));
    const others = await call("store.changes", { from, subjects: ["other"], waitMs: 0 });
    assert.deepEqual(others.events, []);
  },

  async "workers answer, fail, and are cancelled when a claim is lost"() {
    const { store, call } = await opened();
    const [events, signals] = [[], {}];
    const handler = async (kind, work, signal) => {
      const { call } = work;
      signals[kind] = signal;
      if (kind === "add") return JSON.stringify(call.args[0] + call.args[1]);
      if (kind === "fail") throw JSON.stringify({ message: "never", name: "NoWay", final: true });
      return new Promise(() => {});
    };
    const options = { owner: "w", kinds: { add: 2, fail: 1, hang: 1 }, graceMs: 10, leaseMs: 1000 };
    const serving = store.worker(CALLS, JSON.stringify(options), handler, (event) => events.push(event));
    const added = (await call("cvm.start", { program: "add" })).id;
    const shown = await waitUntil(async () => {
      const execution = await call("cvm.show", { id: added });
      return execution.status === "complete" && execution;
    });
    assert.equal(shown.result, 3);
    const failed = (await call("cvm.start", { program: "fail" })).id;
    await waitUntil(async () => (await call("cvm.status", { id: failed })).execution.status === "complete");
    assert.deepEqual((await call("cvm.show", { id: failed })).result, "NoWay: never");
    await call("cvm.start", { program: "hang" });
    await waitUntil(() => signals.hang);
    assert.deepEqual([signals.add.aborted, signals.hang.aborted], [false, false]);
    await serving.stop();
    await serving.done;
    assert.equal(signals.hang.aborted, true);
    const kinds = events.map(({ event }) => event);
    for (const event of ["claimed", "answered", "failed", "released"]) assert.ok(kinds.includes(event), event);
    const { work, took, execution } = events.find(({ event }) => event === "answered");
    assert.deepEqual([work.claimed.attempts, typeof took, execution.status], [1, "number", "complete"]);
    assert.throws(() => store.worker(CALLS, `{"kinds":[]}`, handler), (thrown) => thrown.code === "usage");
    assert.throws(() => store.worker("cvm.programs", `{"kinds":{}}`, handler), (thrown) => thrown.code === "unsupported");
    assert.throws(() => store.worker(CALLS, `{"kinds":{"timer":1}}`, handler), (thrown) => thrown.code === "usage");
  },

  async "an invalid handler answer is retried"() {
    const { store, call } = await opened();
    let attempts = 0;
    const handler = async () => {
      attempts += 1;
      if (attempts === 1) return 3;
      if (attempts === 2) throw new Error("by mistake");
      return "3";
    };
    const backoff = { attempts: 5, initialMs: 1, longestMs: 1 };
    const serving = store.worker(CALLS, JSON.stringify({ kinds: { add: 1 }, backoff }), handler);
    const { id } = await call("cvm.start", { program: "add" });
    await waitUntil(async () => (await call("cvm.status", { id })).execution.status === "complete");
    assert.equal(attempts, 3);
    await serving.stop();
  },

  async "a store is exported and imported as lines"() {
    const { store, call } = await opened();
    const { id } = await call("cvm.start", { program: "ask" });
    const { text, summary } = await lines(store);
    assert.equal(summary.counts["cvm.executions"], 1);
    const { store: other } = { store: await wasm.Runstate.open("memory:", "{}") };
    const phases = new Set();
    const onProgress = (event) => phases.add(event.phase);
    const imported = await other.import(new TextEncoder().encode(text), "{}", onProgress);
    assert.deepEqual([...phases], ["check", "compare", "write", "verify"]);
    assert.deepEqual(imported.summary, summary);
    assert.deepEqual(imported.written, text.trim().split("\n").length - 2);
    const moved = await other.call("cvm.show", JSON.stringify({ id }));
    assert.equal(moved.stateHash, (await call("cvm.show", { id })).stateHash);
    assert.equal((await refused(other.import(new TextEncoder().encode("no"), "{}", undefined))).code, "corrupt");
    assert.equal((await refused(store.export("{}", () => assert.fail("as the listener says")))).code, "io");
  },

  async "one execution moves alone"() {
    const [{ store, call }, other] = [await opened(), await opened()];
    await call("cvm.start", { program: "add" });
    const { id } = await call("cvm.start", { program: "ask" });
    const { text, summary } = await lines(store, { collection: "cvm.executions", id });
    assert.equal(summary.counts["cvm.executions"], 1);
    await other.store.import(new TextEncoder().encode(text), "{}");
    assert.equal((await other.call("cvm.show", { id })).stateHash, (await call("cvm.show", { id })).stateHash);
    assert.equal((await other.call("cvm.answer", { id, answer: "x" })).status, "complete");
    assert.equal((await refused(store.export(`{"collection":"cvm.executions","id":"missing"}`, () => {}))).code, "not_found");
  },

  async "an endless program lets other tasks run"() {
    const { call } = await opened();
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const endless = call("cvm.start", { program: "endless", id: "endless" });
    await waitUntil(async () => turns >= 3);
    // Queries and commands are executed while the program runs.
    assert.equal((await call("cvm.status", { id: "endless" })).execution.status, "running");
    assert.equal((await call("cvm.start", { program: "ask" })).status, "waiting_cc");
    assert.equal((await call("cvm.pause", { id: "endless" })).status, "paused");
    assert.equal((await endless).status, "paused");
    clearInterval(timer);
    const { metrics } = await call("cvm.show", { id: "endless" });
    assert.ok(metrics.instructionsExecuted >= 250_000, `${metrics.instructionsExecuted}`);
  },

  async "endless commands let other tasks run"() {
    const { call } = await opened();
    const { id } = await call("cvm.start", { program: "echo" });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    // The loop awaits only the engine, so timers run only if the engine yields.
    const deadline = Date.now() + TIMEOUT_MS;
    while (turns < 3) {
      await call("cvm.answer", { id, answer: "again" });
      assert.ok(Date.now() < deadline, `no timer ran within ${TIMEOUT_MS} ms`);
    }
    clearInterval(timer);
  },

  // The last test, because the WebAssembly is unusable afterwards.
  async "after a panic every call is rejected"() {
    const { store } = await opened();
    const messages = [];
    wasm.onPanic((message) => messages.push(message));
    assert.throws(() => wasm.defect("this is the message"), WebAssembly.RuntimeError);
    assert.match(messages.join("\n"), /^panicked at crates[/\\]wasm[/\\]src[/\\]testing[/\\]node\.rs:\d+:\d+:\nthis is the message$/);
    assert.equal((await refused(store.call("capabilities", "{}"))).code, "internal");
    assert.equal((await refused(store.close())).code, "internal");
    assert.equal((await refused(wasm.Runstate.open("memory:", "{}"))).code, "internal");
    assert.throws(() => store.worker(CALLS, `{"kinds":{}}`, () => {}), (thrown) => thrown.code === "internal");
  },
};

process.exitCode = 1;
for (const [name, test] of Object.entries(tests)) {
  console.log(`test ${name}`);
  await test();
}
console.log("all done");
process.exitCode = 0;
