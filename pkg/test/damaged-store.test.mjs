// A file store with a damaged commit: earlier commits are readable, and documents that may be in the damaged part are
// `corrupt`, not `not_found`.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { folder, openStore, assertRefused, startProgram } from "./support.mjs";

test("an execution in a damaged commit is corrupt, not missing", async (t) => {
  const at = join(folder(t), "store");
  const first = await openStore(t, `file:${at}`);
  const { run } = await startProgram(t, `CC("a?")`, { rs: first, id: "before" });
  await first.start("program", { id: "behind" });
  await first.close();
  const commits = readdirSync(join(at, "commits")).filter((name) => name.endsWith(".json")).sort();
  const damaged = commits.find((name) => readFileSync(join(at, "commits", name), "utf8").includes('"behind"'));
  writeFileSync(join(at, "commits", damaged), readFileSync(join(at, "commits", damaged), "utf8").replace("behind", "beyond"));

  const rs = await openStore(t, `file:${at}`);
  assert.equal((await rs.health()).code, "corrupt");
  assert.deepEqual((await (await rs.run(run.id)).show()).calls.map(({ prompt }) => prompt), ["a?"]);
  const error = await assertRefused(rs.run("behind"), "corrupt");
  assert.equal(error.key, "behind");
  assert.match(error.message, /behind.*damaged.*runstate verify.*runstate repair/s);
});
