// Workers: handlers that answer, fail with and without retries, and are stopped.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { CallFailure } from "runstate";
import { openStore, assertRefused, startProgram } from "./support.mjs";

test("handlers answer questions and tools", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { return call("double", { n: CC("how many?", { choices: [2, 3] }) }) }`);
  const seen = [];
  const stop = rs.worker({
    cc: async (question, task) => {
      seen.push([question.prompt, task.program, task.execution, task.attempt]);
      return question.choices[1];
    },
    double: ({ n }) => n * 2,
  });
  assert.equal(await run.result(), 6);
  await stop();
  await stop.done;
  assert.deepEqual(seen, [["how many?", "program", run.id, 1]]);
});

test("a failed handler is retried unless the failure is final", async (t) => {
  const source = `function main() { try { return call("tool", {}) } catch (error) { return error.name + ": " + error.message } }`;
  const { rs, run } = await startProgram(t, source);
  const events = [];
  let attempts = 0;
  const tool = () => {
    attempts += 1;
    if (attempts === 1) throw new Error("later");
    if (attempts === 2) return new Date();
    throw new CallFailure("there is none", { name: "NotThere", final: true });
  };
  const backoff = { attempts: 9, initialMs: 1, longestMs: 2 };
  const stop = rs.worker({ tool }, { backoff, onEvent: ({ event }) => events.push(event) });
  assert.equal(await run.result(), "NotThere: there is none");
  await stop();
  assert.equal(attempts, 3);
  assert.deepEqual(events.filter((event) => event === "failed").length, 3);
});

test("the code of an error reaches the program", async (t) => {
  const source = `function main() { try { return call("tool", {}) } catch (error) { return [error.name, error.code ?? null] } }`;
  const coded = (code) => Object.assign(new Error("no"), { code });
  const cases = [
    [coded("ENOENT"), ["CallError", "ENOENT"]],
    [coded(7), ["CallError", null]],
    [coded("x".repeat(201)), ["CallError", null]],
    [new CallFailure("no", { name: "NotThere", code: "E1" }), ["NotThere", "E1"]],
  ];
  for (const [thrown, expected] of cases) {
    const { rs, run } = await startProgram(t, source, { rs: await openStore(t, "memory:", { log: "off" }) });
    const tool = () => {
      throw thrown;
    };
    const stop = rs.worker({ tool }, { backoff: { attempts: 1, initialMs: 1, longestMs: 2 } });
    assert.deepEqual(await run.result(), expected);
    await stop();
  }
});

test("a handler may ask for a longer wait, of at most a day", async (t) => {
  const day = 86_400_000;
  for (const [retryAfterMs, shortest] of [[60_000.5, 60_001], [1e30, day], [-5, 0], [Number.NaN, 0], [undefined, 0]]) {
    const { rs } = await startProgram(t, `function main() { return CC("a?") }`);
    let resolve;
    const failed = new Promise((done) => (resolve = done));
    const cc = () => {
      throw new CallFailure("too many requests", { retryAfterMs });
    };
    const before = Date.now();
    const onEvent = ({ event, retryAt }) => event === "failed" && resolve(retryAt);
    const stop = rs.worker({ cc }, { backoff: { attempts: 2, initialMs: 1, longestMs: 2 }, onEvent });
    const waited = (await failed) - before;
    await stop();
    assert.ok(waited >= shortest && waited < shortest + 50_000, `${waited} ms for ${retryAfterMs}`);
  }
});

test("what a handler throws is logged, unless it is chosen or the log is off", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const source = `function main() { try { return call("tool", {}) } catch (error) { return error.message } }`;
  const backoff = { attempts: 2, initialMs: 1, longestMs: 2 };
  for (const log of [undefined, "off"]) {
    const { rs, run } = await startProgram(t, source, { rs: await openStore(t, "memory:", { log }) });
    let attempts = 0;
    const tool = () => {
      attempts += 1;
      throw attempts === 1 ? new RangeError("a slip") : new CallFailure("chosen");
    };
    const stop = rs.worker({ tool }, { backoff });
    assert.equal(await run.result(), "chosen");
    await stop();
  }
  const [logged, ...others] = warn.mock.calls.map(({ arguments: [message, error] }) => [message, error.name, error.message]);
  assert.deepEqual([logged, others], [["runstate: cvm.worker: the handler of `tool` failed", "RangeError", "a slip"], []]);
});

test("a tool may return undefined, a question handler may not", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { return [call("notify", {}), CC("well?")] }`);
  let asked = 0;
  const cc = () => {
    asked += 1;
    return asked === 1 ? undefined : "said";
  };
  const failed = [];
  const onEvent = ({ event, failure }) => event === "failed" && failed.push(failure.message);
  const stop = rs.worker({ cc, notify: () => {} }, { backoff: { attempts: 3, initialMs: 1, longestMs: 2 }, onEvent });
  assert.deepEqual(await run.result(), [null, "said"]);
  await stop();
  assert.equal(failed.length, 1);
  assert.match(failed[0], /^`answer` is undefined/);
});

test("a call answered elsewhere aborts its handler", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { return CC("a?") }`);
  let markStarted;
  const working = new Promise((resolve) => (markStarted = resolve));
  const cc = async (_, { signal }) => {
    markStarted();
    await once(signal, "abort");
    throw signal.reason;
  };
  const stop = rs.worker({ cc }, { leaseMs: 1_000 });
  await working;
  assert.deepEqual(await run.refresh().then((r) => r.status), "waiting_cc");
  await run.answer("mine");
  assert.equal(await run.result(), "mine");
  await stop();
});

test("a handler that takes too long is aborted, and its call is retried", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { return CC("a?") }`);
  const failures = [];
  const onEvent = ({ event, failure }) => event === "failed" && failures.push(failure.message);
  const cc = async (_, { signal, attempt }) => {
    if (attempt === 1) await once(signal, "abort");
    return "in time";
  };
  const stop = rs.worker({ cc }, { maxHandlerMs: 50, backoff: { attempts: 3, initialMs: 1, longestMs: 2 }, onEvent });
  assert.equal(await run.result(), "in time");
  await stop();
  assert.deepEqual(failures, ["the handler did not end within 50 ms"]);
});

test("a worker stops with its signal and rejects invalid handlers", async (t) => {
  const rs = await openStore(t);
  const ends = new AbortController();
  const stop = rs.worker({ cc: () => "x" }, { signal: ends.signal });
  ends.abort();
  await stop.done;
  await stop();
  assert.throws(() => rs.worker({ cc: "x" }), { code: "usage" });
  assert.throws(() => rs.worker({ timer: () => 1 }), { code: "usage", message: /^cvm\.worker: / });
});

test("calls can be claimed, extended, released and completed by hand", async (t) => {
  const { rs, run } = await startProgram(t, `call("add", [1, 2]) + call("fetch", {})`);
  const first = await rs.runs.claim({ kinds: ["add"], owner: "node" });
  assert.deepEqual([first.call.args, first.claimed.attempts], [[1, 2], 1]);
  assert.equal(await rs.runs.claim({ kinds: ["add"], owner: "another" }), null);
  const beat = Date.now();
  assert.ok((await rs.runs.heartbeat(first, 60_000)) >= beat + 60_000);
  await rs.runs.release(first);
  const again = await rs.runs.claim({ call: first.claimed.call, owner: "node" });
  await assertRefused(rs.runs.complete(first, 4), "stale_claim");
  await rs.runs.complete(again, 3, { by: "node" });
  const other = await rs.runs.claim({ kinds: ["fetch"], owner: "node" });
  const { execution } = await rs.runs.fail(other, "no network");
  assert.equal(execution.status, "error");
  assert.equal((await run.refresh()).status, "error");
});
