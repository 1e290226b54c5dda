// What the WebAssembly promises to the package: `node calls.mjs PACKAGE`, compiled programs on stdin as `{ name: load }`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { wasm } from "./package.mjs";

const programs = JSON.parse(readFileSync(0, "utf8"));

/** An open store in memory, its calls in plain values. */
async function opened(options = {}) {
  const store = await wasm.Runstate.open("memory:", JSON.stringify(options));
  const call = async (method, params = {}) => JSON.parse(await store.call(method, JSON.stringify(params)));
  for (const load of Object.values(programs)) await call("cvm.load", load);
  return { store, call };
}

/** The error that a call is refused with. */
async function refused(promise) {
  const thrown = await promise.then(() => assert.fail("it was not refused"), (thrown) => thrown);
  return JSON.parse(thrown);
}

const lines = (store, params = {}) => {
  const parts = [];
  const sink = (chunk) => (chunk === null ? parts.splice(0) : parts.push(chunk));
  return store.export(JSON.stringify(params), sink).then((summary) => ({ text: parts.join(""), summary: JSON.parse(summary) }));
};

/** How long something may take on a busy machine, in ms. */
const PATIENCE_MS = 120_000;

/** Until `look` gives something; a worker's doing has no promise to wait for. */
async function until(look) {
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < giveUp, `it never came to: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const tests = {
  async "calls are by name, and what fits none is refused"() {
    const { store, call } = await opened();
    assert.equal((await call("capabilities")).name, "memory");
    assert.equal(await call("health"), null);
    const { id, status } = await call("cvm.start", { program: "ask", input: null, commandId: "c1" });
    assert.equal(status, "waiting_cc");
    assert.deepEqual(await call("cvm.start", { program: "ask", input: null, commandId: "c1" }), { id, status });
    assert.equal((await call("info")).executions.waiting_cc, 1);
    const nothing = await refused(store.call("cvm.nothing", "{}"));
    assert.deepEqual([nothing.code, nothing.retryable], ["usage", false]);
    assert.match((await refused(store.call("cvm.start", "{}"))).message, /cvm\.start: missing field `program`/);
    assert.match((await refused(store.call("cvm.pause", `{"id":"x","when":1}`))).message, /unknown field `when`/);
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
    const [open] = (await call("cvm.calls", { execution: id, open: true })).rows;
    await call("cvm.answer", { id, call: open.id, answer: 3 });
    assert.deepEqual((await call("cvm.logs", { id })).rows, []);
    await until(async () => (await call("cvm.runDue")).deleted === 1);
    await assert.rejects(call("cvm.show", { id }));
  },

  async "two at once on one handle"() {
    const { call } = await opened();
    const started = await Promise.all(Array.from({ length: 50 }, (_, n) => call("cvm.start", { program: "ask", id: `r${n}` })));
    assert.equal(new Set(started.map(({ id }) => id)).size, 50);
    const answered = await Promise.allSettled([1, 2, 3].map((n) => call("cvm.answer", { id: "r0", answer: `${n}` })));
    assert.equal(answered.filter(({ status }) => status === "fulfilled").length, 1);
  },

  async "what the engine tells of itself is heard on request"() {
    const heard = [];
    wasm.logTo((level, message) => heard.push(`${level} ${message}`), "info");
    await opened();
    wasm.logTo(() => assert.fail("nothing was asked for"), "off");
    await opened();
    assert.deepEqual(heard, [`info runstate ${wasm.version()} on a store of kind memory`]);
  },

  async "changes come, of one collection or of all"() {
    const { call } = await opened();
    const { next: from } = await call("store.changes", { waitMs: 0 });
    const waiting = call("store.changes", { from, collection: "cvm.executions", waitMs: 60_000 });
    const { id } = await call("cvm.start", { program: "ask" });
    const { events, next } = await waiting;
    assert.deepEqual(events.map((event) => [event.collection, event.id]), [["cvm.executions", id]]);
    assert.match(events[0].revision, /^1-/);
    assert.deepEqual((await call("store.changes", { from: next, waitMs: 0, collection: "cvm.executions" })).events, []);
    await call("cvm.cancel", { id });
    await call("cvm.delete", { id });
    const gone = await call("store.changes", { from: next, waitMs: 0, collection: "cvm.executions" });
    assert.equal(gone.events.at(-1).revision, null);
    const told = await call("cvm.changes", { from, things: ["call"], waitMs: 0 });
    assert.deepEqual(new Set(told.events.map((event) => event.thing)), new Set(["call"]));
  },

  async "workers answer, fail, and are told when a call is theirs no longer"() {
    const { store, call } = await opened();
    const [events, signals] = [[], {}];
    const handler = async (kind, work, signal) => {
      const { call } = JSON.parse(work);
      signals[kind] = signal;
      if (kind === "add") return JSON.stringify(call.args[0] + call.args[1]);
      if (kind === "fail") throw JSON.stringify({ message: "never", name: "NoWay", final: true });
      return new Promise(() => {});
    };
    const options = { owner: "w", kinds: { add: 2, fail: 1, hang: 1 }, graceMs: 10, leaseMs: 1000 };
    const serving = store.worker(JSON.stringify(options), handler, (event) => events.push(JSON.parse(event)));
    const added = (await call("cvm.start", { program: "add" })).id;
    const shown = await until(async () => {
      const execution = await call("cvm.show", { id: added });
      return execution.status === "complete" && execution;
    });
    assert.equal(shown.result, 3);
    const failed = (await call("cvm.start", { program: "fail" })).id;
    await until(async () => (await call("cvm.stands", { id: failed })).reached.status === "complete");
    assert.deepEqual((await call("cvm.show", { id: failed })).result, "NoWay: never");
    await call("cvm.start", { program: "hang" });
    await until(() => signals.hang);
    assert.deepEqual([signals.add.aborted, signals.hang.aborted], [false, false]);
    await serving.stop();
    await serving.done;
    assert.equal(signals.hang.aborted, true);
    const told = events.map(({ event }) => event);
    for (const event of ["claimed", "answered", "failed", "released"]) assert.ok(told.includes(event), event);
    const { work, took, reached } = events.find(({ event }) => event === "answered");
    assert.deepEqual([work.claimed.attempts, typeof took, reached.status], [1, "number", "complete"]);
    assert.throws(() => store.worker(`{"kinds":[]}`, handler), (thrown) => JSON.parse(thrown).code === "usage");
    const refuses = store.worker(JSON.stringify({ kinds: { timer: 1 } }), handler);
    assert.equal((await refused(refuses.done)).code, "invalid");
  },

  async "an answer in the wrong form is tried again"() {
    const { store, call } = await opened();
    let attempts = 0;
    const handler = async () => {
      attempts += 1;
      if (attempts === 1) return 3;
      if (attempts === 2) throw new Error("by mistake");
      return "3";
    };
    const backoff = { attempts: 5, initialMs: 1, longestMs: 1 };
    const serving = store.worker(JSON.stringify({ kinds: { add: 1 }, backoff }), handler);
    const { id } = await call("cvm.start", { program: "add" });
    await until(async () => (await call("cvm.stands", { id })).reached.status === "complete");
    assert.equal(attempts, 3);
    await serving.stop();
  },

  async "a store moves as lines"() {
    const { store, call } = await opened();
    const { id } = await call("cvm.start", { program: "ask" });
    const { text, summary } = await lines(store);
    assert.equal(summary.counts["cvm.executions"], 1);
    const { store: other } = { store: await wasm.Runstate.open("memory:", "{}") };
    const phases = new Set();
    const told = (event) => phases.add(JSON.parse(event).phase);
    const imported = JSON.parse(await other.import(new TextEncoder().encode(text), told));
    assert.deepEqual([...phases], ["check", "compare", "write", "verify"]);
    assert.deepEqual(imported.summary, summary);
    assert.deepEqual(imported.written, text.trim().split("\n").length - 2);
    const moved = JSON.parse(await other.call("cvm.show", JSON.stringify({ id })));
    assert.equal(moved.stateHash, (await call("cvm.show", { id })).stateHash);
    assert.equal((await refused(other.import(new TextEncoder().encode("no"), undefined))).code, "corrupt");
    assert.equal((await refused(store.export("{}", () => assert.fail("as the listener says")))).code, "io");
  },

  async "one execution moves alone"() {
    const [{ store, call }, other] = [await opened(), await opened()];
    await call("cvm.start", { program: "add" });
    const { id } = await call("cvm.start", { program: "ask" });
    const { text, summary } = await lines(store, { execution: id });
    assert.equal(summary.counts["cvm.executions"], 1);
    await other.store.import(new TextEncoder().encode(text));
    assert.equal((await other.call("cvm.show", { id })).stateHash, (await call("cvm.show", { id })).stateHash);
    assert.equal((await other.call("cvm.answer", { id, answer: "x" })).status, "complete");
    assert.equal((await refused(store.export(`{"execution":"nobody"}`, () => {}))).code, "not_found");
  },

  async "a program that never stops leaves others their turn"() {
    const { call } = await opened();
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const endless = call("cvm.start", { program: "endless", id: "endless" });
    await until(async () => turns >= 3);
    // Other calls are answered meanwhile, those that only look and those that change.
    assert.equal((await call("cvm.stands", { id: "endless" })).reached.status, "running");
    assert.equal((await call("cvm.start", { program: "ask" })).status, "waiting_cc");
    assert.equal((await call("cvm.pause", { id: "endless" })).status, "paused");
    assert.equal((await endless).status, "paused");
    clearInterval(timer);
    const { metrics } = await call("cvm.show", { id: "endless" });
    assert.ok(metrics.instructionsExecuted >= 250_000, `${metrics.instructionsExecuted}`);
  },

  async "who commands without end leaves others their turn"() {
    const { call } = await opened();
    const { id } = await call("cvm.start", { program: "echo" });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    // Nothing in here waits for anything but the engine.
    const giveUp = Date.now() + PATIENCE_MS;
    while (turns < 3) {
      await call("cvm.answer", { id, answer: "again" });
      assert.ok(Date.now() < giveUp, "no timer gets its turn");
    }
    clearInterval(timer);
  },

  // From here on nothing works any more.
  async "after a defect everything is refused"() {
    const { store } = await opened();
    const heard = [];
    wasm.onPanic((message) => heard.push(message));
    assert.throws(() => wasm.defect("this is the message"), WebAssembly.RuntimeError);
    assert.match(heard.join("\n"), /^panicked at src[/\\]testing[/\\]node\.rs:\d+:\d+:\nthis is the message$/);
    assert.equal((await refused(store.call("capabilities", "{}"))).code, "internal");
    assert.equal((await refused(store.close())).code, "internal");
    assert.equal((await refused(wasm.Runstate.open("memory:", "{}"))).code, "internal");
    assert.throws(() => store.worker(`{"kinds":{}}`, () => {}), (thrown) => JSON.parse(thrown).code === "internal");
  },
};

process.exitCode = 1;
for (const [name, test] of Object.entries(tests)) {
  console.log(`test ${name}`);
  await test();
}
console.log("all done");
process.exitCode = 0;
