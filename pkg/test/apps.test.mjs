// Workers that run the steps of apps.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CallFailure } from "runstate";
import { openStore } from "./support.mjs";

const STEPS = [
  { id: 1, name: "fetch", output: [{ name: "text", type: "string" }], retry: { max_attempts: 3, backoff_ms: 1 } },
  { id: 2, name: "publish", depends_on: [1], input: { text: "$.steps.1.output.text" }, compensate: { name: "withdraw" } },
  { id: 3, name: "announce", depends_on: [2] },
];

/** Starts an execution of an app with these steps. */
async function startExecution(t) {
  const rs = await openStore(t);
  await rs.apps.configuration.save(1, { appName: "suite", version: "1", configuration: { steps: STEPS }, activate: true });
  const { id } = await rs.apps.execution.start(1, { userId: "ada", input: { url: "u" } });
  const ended = async () => {
    for (;;) {
      const execution = await rs.apps.execution.show(id);
      if (execution.status !== "running") return execution;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { rs, id, ended };
}

test("handlers run steps, which are retried and undone", async (t) => {
  const { rs, id, ended } = await startExecution(t);
  const seen = [];
  const events = [];
  const handlers = {
    fetch: ({ url }, task) => {
      seen.push(["fetch", url, task.execution === id, task.step, task.attempt, task.error?.message]);
      if (task.attempt === 1) throw new Error("no connection");
      // The first does not have the declared field.
      return task.attempt === 2 ? {} : { text: "hello" };
    },
    publish: async ({ text }) => void seen.push(["publish", text]),
    withdraw: () => void seen.push(["withdraw"]),
    announce: () => {
      throw new CallFailure("not now", { final: true });
    },
  };
  const stop = rs.apps.worker(handlers, { owner: "w", concurrency: { fetch: 2 }, onEvent: ({ event }) => events.push(event) });
  const execution = await ended();
  await stop();
  await stop.done;
  assert.deepEqual([execution.status, execution.error.message], ["failed", "not now"]);
  assert.deepEqual(seen.map(([name]) => name), ["fetch", "fetch", "fetch", "publish", "withdraw"]);
  assert.deepEqual(seen[1], ["fetch", "u", true, 1, 2, "no connection"]);
  assert.deepEqual(seen[3], ["publish", "hello"]);
  assert.ok(events.includes("answered") && events.includes("failed"), String(events));
});

test("a wait for an execution ends with it", async (t) => {
  const { rs, id } = await startExecution(t);
  const other = await rs.apps.execution.start(1, { userId: "ada" });
  const waits = [rs.apps.wait(id), rs.apps.wait(id), rs.apps.wait(other.id)];
  await assert.rejects(rs.apps.wait(id, { signal: AbortSignal.timeout(20) }), { name: "TimeoutError" });
  const handlers = { fetch: () => ({ text: "hello" }), publish: () => {}, announce: () => {} };
  await rs.apps.execution.cancel(other.id);
  const stop = rs.apps.worker(handlers);
  assert.deepEqual((await Promise.all(waits)).map(({ status }) => status), ["completed", "completed", "cancelled"]);
  await stop();
  assert.equal((await rs.apps.wait(id)).id, id);
  await assert.rejects(rs.apps.wait("missing"), { code: "not_found" });
  await assert.rejects(rs.apps.wait(id, { timeout: 1 }), { code: "usage" });
});

test("a worker without valid handlers is refused", async (t) => {
  const rs = await openStore(t);
  assert.throws(() => rs.apps.worker({ fetch: 1 }), { code: "usage", message: /apps\.worker/ });
  assert.throws(() => rs.apps.worker({ fetch: () => 1 }, { concurrency: 0 }), { code: "usage" });
  assert.throws(() => rs.apps.worker({ fetch: () => 1 }, { leaseMs: 0 }), { code: "usage", message: /^apps\.worker: .*leaseMs/ });
});
