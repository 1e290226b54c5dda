// Large files: what is written and read for them is not left to the garbage collector of JavaScript, which comes late for it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { folder, opened, started } from "./support.mjs";

const LINE = 4_000_000;

/** What may wait to be collected, in bytes; it was 32 to 46 MB when each commit was copied whole. */
const MOST = 16_000_000;

test("large commits leave no copies of themselves behind, and are read again whole", async (t) => {
  const url = `file:${folder(t)}`;
  const rs = await opened(t, url);
  const { run } = await started(t, `for (let n = 0; n < 12; n++) { console.log(n + "x".repeat(${LINE})); CC("next?"); }`, { rs });
  let most = 0;
  for (let n = 0; n < 12; n++) {
    await run.answer("yes");
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  }
  assert.ok(most <= MOST, `${most} bytes`);
  await rs.close();
  const again = await opened(t, url);
  const output = await (await again.cvm.run(run.id)).output();
  assert.deepEqual(output.map((line) => line.length), Array.from({ length: 12 }, (_, n) => LINE + String(n).length));
});
