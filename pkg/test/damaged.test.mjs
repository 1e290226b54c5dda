// A store on files of which a part is damaged: what was before can be read, and what is missing is not taken for what never was.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { folder, opened, refused, started } from "./support.mjs";

test("what stands behind the damage is not said to be nowhere", async (t) => {
  const at = join(folder(t), "store");
  const first = await opened(t, `file:${at}`);
  const { run } = await started(t, `CC("a?")`, { rs: first, id: "before" });
  await first.cvm.start("program", { id: "behind" });
  await first.close();
  const commits = readdirSync(join(at, "commits")).filter((name) => name.endsWith(".json")).sort();
  const hurt = commits.find((name) => readFileSync(join(at, "commits", name), "utf8").includes('"behind"'));
  writeFileSync(join(at, "commits", hurt), readFileSync(join(at, "commits", hurt), "utf8").replace("behind", "beyond"));

  const rs = await opened(t, `file:${at}`);
  assert.equal((await rs.health()).code, "corrupt");
  assert.deepEqual((await (await rs.cvm.run(run.id)).show()).calls.map(({ prompt }) => prompt), ["a?"]);
  const error = await refused(rs.cvm.run("behind"), "corrupt");
  assert.equal(error.key, "behind");
  assert.match(error.message, /behind.*damaged.*runstate verify.*runstate repair/s);
});
