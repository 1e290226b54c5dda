// Two versions of the package on one store: the older one can read it, and its writes fail with the reason.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { folder, openStore, assertRefused, startProgram } from "./support.mjs";

test("a store written by a newer version is read-only", async (t) => {
  const at = join(folder(t), "store");
  const first = await openStore(t, `file:${at}`);
  const { run } = await startProgram(t, `function main() { return CC("a?") }`, { rs: first });
  await first.close();

  // The identity file of a newer version.
  const path = join(at, "runstate.json");
  const identity = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...identity, format: identity.format + 1 }));

  const rs = await openStore(t, `file:${at}`);
  const health = await rs.health();
  assert.equal(health.code, "newer_version");
  const again = await rs.run(run.id);
  assert.deepEqual((await again.show()).calls.map(({ prompt }) => prompt), ["a?"]);
  const error = await again.answer("x").then(assert.fail, (thrown) => thrown);
  assert.match(error.code, /^(read_only|newer_version)$/);
  assert.match(error.message, /newer/);
  assert.equal((await again.refresh()).status, "waiting_cc");
});

test("each of two handles on one folder sees the commits of the other", async (t) => {
  const url = `file:${join(folder(t), "store")}`;
  const [one, two] = [await openStore(t, url), await openStore(t, url)];
  const { run } = await startProgram(t, `function main() { return CC("a?") }`, { rs: one });
  const result = (await two.run(run.id)).result();
  await run.answer("from the other");
  assert.equal(await result, "from the other");
  await assertRefused(two.start("program", { id: run.id }), "already_exists");
});
