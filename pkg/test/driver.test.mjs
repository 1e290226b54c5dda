// The driver of due work, switched on and off. Over memory and files every process is a driver.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { open } from "runstate";
import { openStore, startProgram } from "./support.mjs";

test("timers and deadlines are driven", async (t) => {
  const { rs, run } = await startProgram(t, `function main() { sleep(40); return CC("still there?", { timeoutMs: 40, default: "no" }) }`);
  assert.equal(rs.driver.state, "leading");
  assert.equal(await run.result(), "no");
});

test("with timers off nothing is driven until due work is run", async (t) => {
  const rs = await openStore(t, "memory:", { timers: "off" });
  const { run } = await startProgram(t, `function main() { sleep(1); return "rested" }`, { rs });
  assert.equal(rs.driver.state, "off");
  const due = await rs.due.next();
  assert.ok(due <= Date.now() + 1);
  while (Date.now() <= due) await new Promise((done) => setImmediate(done));
  assert.equal((await run.refresh()).status, "waiting_cc");
  assert.equal((await rs.due.run()).resumed, 1);
  assert.equal(await run.result(), "rested");
});

test("closing the store sets the driver off and emits a change event", async () => {
  const rs = await open("memory:");
  const changed = once(rs.driver, "change");
  await rs.close();
  await changed;
  assert.equal(rs.driver.state, "off");
});
