// Simulated worlds of `runstate/testing`: their clock, planned faults, and a defect.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RunstateError, simulated } from "runstate/testing";
import * as runstate from "runstate";

const DAY = 86_400_000;

/** Starts a program in a new world. */
async function startInWorld(source, options) {
  const world = await simulated(options);
  const rs = await world.open("memory:");
  await rs.load({ name: "program", source });
  return { world, rs, run: await rs.start("program") };
}

async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

test("the clock changes only when the test advances it", async () => {
  const now = Date.UTC(2026, 0, 1);
  const { world, run } = await startInWorld(`function main() {
  const from = Date.now();
  sleep(7 * ${DAY});
  sleep(${DAY});
  return Date.now() - from;
}`, { now });
  assert.equal(world.now, now);
  await world.advance(7 * DAY - 1);
  assert.equal((await run.refresh()).status, "waiting_cc");
  await world.advance(2 * DAY);
  assert.equal(await run.result(), 8 * DAY);
  assert.equal(world.now, now + 9 * DAY - 1);
  await assert.rejects(world.advance(-1), { code: "usage" });
});

test("the same seed generates the same ids, another seed other ids", async () => {
  const ids = [];
  for (const seed of [1, 1, 2]) ids.push((await startInWorld("1", { seed })).run.id);
  assert.equal(ids[0], ids[1]);
  assert.notEqual(ids[0], ids[2]);
});

test("a commit fails as planned, and the next one succeeds", async () => {
  const { world, run } = await startInWorld(`function main() { return CC("a?") }`);
  for (const [fault, code] of [["full", "full"], ["unavailable", "unavailable"]]) {
    world.fail({ on: "commit", fault });
    await assert.rejects(run.answer("x"), { code });
    assert.equal((await run.refresh()).status, "waiting_cc");
  }
  await run.answer("x");
  assert.equal(await run.result(), "x");
});

test("a commit whose reply is lost is applied once", async () => {
  const { world, run } = await startInWorld(`function main() { return CC("a?") }`);
  const before = world.calls("commit");
  world.fail({ on: "commit", fault: "lost" });
  await run.answer("x");
  assert.equal(await run.result(), "x");
  assert.equal(world.calls("commit"), before + 1, "it was not committed again");
});

test("a process that dies keeps what was committed", async () => {
  const { world, run } = await startInWorld(`CC("a?"); CC("b?")`);
  world.fail({ on: "commit", nth: 2, fault: "dies_before" });
  await run.answer("x");
  await assert.rejects(run.answer("y"), { code: "closed" });
  await assert.rejects(run.refresh(), { code: "closed" });
  world.heal();
  assert.deepEqual((await run.show()).calls.map(({ prompt }) => prompt), ["b?"]);
});

test("all waits of a store share one reader of its changes", async () => {
  const { world, rs } = await startInWorld(`function main() { console.log("asks"); return CC("n?") }`);
  const before = world.calls("changes");
  const count = 40;
  const waits = [];
  const runs = [];
  for (let n = 0; n < count; n += 1) {
    const run = await rs.start("program");
    runs.push(run);
    waits.push(Promise.all([run.result(), collect(run.lines())]));
  }
  for (const [n, run] of runs.entries()) await run.answer(n);
  assert.deepEqual(await Promise.all(waits), runs.map((_, n) => [n, ["asks"]]));
  const reads = world.calls("changes") - before;
  assert.ok(reads < 5 * count, `${reads} reads of changes for ${2 * count} commits and ${2 * count} waits`);
});

test("an aborted wait does not end the waits of others", async () => {
  const { rs, run } = await startInWorld(`function main() { return CC("a?") }`);
  const leaving = new AbortController();
  const aborted = assert.rejects(run.result({ signal: leaving.signal }), { name: "AbortError" });
  const [result, lines] = [run.result(), run.lines()];
  const end = lines.next();
  await rs.info();
  leaving.abort();
  await aborted;
  await run.answer("x");
  assert.equal(await result, "x");
  assert.equal((await end).done, true);
});

test("changes that cannot be read reject a wait, and later waits read again", async () => {
  const { world, rs, run } = await startInWorld(`function main() { return CC("a?") }`);
  const other = await rs.start("program");
  const wait = assert.rejects(run.result(), { code: "unavailable" });
  world.fail({ on: "changes", fault: "unavailable" });
  // The commit ends a read in progress. The next one fails.
  await rs.start("program");
  await wait;
  const results = [run, other].map((each) => each.result());
  await run.answer("x");
  await other.answer("y");
  assert.deepEqual(await Promise.all(results), ["x", "y"]);
});

test("an unknown fault is rejected", async () => {
  const world = await simulated();
  assert.throws(() => world.fail({ on: "coffee", fault: "full" }), { code: "usage" });
  assert.throws(() => world.fail({ on: "commit", fault: "rain" }), { code: "usage" });
});

test("the errors are those of the package", () => {
  assert.equal(RunstateError, runstate.RunstateError);
});

// The last test, because the testing WebAssembly of this process is unusable afterwards.
test("a defect rejects pending and later calls as internal", async () => {
  const { world, rs, run } = await startInWorld(`function main() { return CC("a?") }`);
  const waiting = run.result();
  await assert.rejects(world.defect("this is the message"), { code: "internal", message: /this is the message/ });
  await assert.rejects(waiting, { code: "internal" });
  await assert.rejects(rs.info(), { code: "internal" });
  await assert.rejects(run.answer("x"), { code: "internal" });
  await assert.rejects(simulated().then((other) => other.open("memory:")), { code: "internal" });
  const other = await runstate.open("memory:");
  await other.info();
  await other.close();
});
