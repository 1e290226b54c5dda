// Large files: their buffers are released without the garbage collector of JavaScript, which would run too late.

import assert from "node:assert/strict";
import { test } from "node:test";

import { folder, openStore, startProgram } from "./support.mjs";

const LINE = 4_000_000;

/** The limit of uncollected buffers, in bytes. It was 32 to 46 MB when each commit was copied as a whole. */
const MAX_BUFFER_BYTES = 16_000_000;

test("large commits leave no buffer copies behind and read back whole", async (t) => {
  const url = `file:${folder(t)}`;
  const rs = await openStore(t, url);
  const { run } = await startProgram(t, `for (let n = 0; n < 12; n++) { console.log(n + "x".repeat(${LINE})); CC("next?"); }`, { rs });
  let most = 0;
  for (let n = 0; n < 12; n++) {
    await run.answer("yes");
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  }
  assert.ok(most <= MAX_BUFFER_BYTES, `${most} bytes`);
  await rs.close();
  const again = await openStore(t, url);
  const output = await (await again.cvm.run(run.id)).output();
  assert.deepEqual(output.map((line) => line.length), Array.from({ length: 12 }, (_, n) => LINE + String(n).length));
});
