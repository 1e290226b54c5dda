// Two versions of the package on one store: the older one can look, and says why it does not write.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { folder, opened, refused, started } from "./support.mjs";

test("a store of a newer version is read, and not written", async (t) => {
  const at = join(folder(t), "store");
  const first = await opened(t, `file:${at}`);
  const { run } = await started(t, `function main() { return CC("a?") }`, { rs: first });
  await first.close();

  // As a newer version writes it.
  const identity = join(at, "runstate.json");
  const said = JSON.parse(readFileSync(identity, "utf8"));
  writeFileSync(identity, JSON.stringify({ ...said, format: said.format + 1 }));

  const rs = await opened(t, `file:${at}`);
  const health = await rs.health();
  assert.equal(health.code, "newer_version");
  const again = await rs.cvm.run(run.id);
  assert.deepEqual((await again.show()).calls.map(({ prompt }) => prompt), ["a?"]);
  const error = await again.answer("x").then(assert.fail, (thrown) => thrown);
  assert.match(error.code, /^(read_only|newer_version)$/);
  assert.match(error.message, /newer/);
  assert.equal((await again.refresh()).status, "waiting_cc");
});

test("two handles on one folder see what the other does", async (t) => {
  const url = `file:${join(folder(t), "store")}`;
  const [one, two] = [await opened(t, url), await opened(t, url)];
  const { run } = await started(t, `function main() { return CC("a?") }`, { rs: one });
  const result = (await two.cvm.run(run.id)).result();
  await run.answer("from the other");
  assert.equal(await result, "from the other");
  await refused(two.cvm.start("program", { id: run.id }), "already_exists");
});
