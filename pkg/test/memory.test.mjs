// Large files: their buffers are released without the garbage collector of JavaScript, which would run too late.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { folder, openStore, startProgram } from "./support.mjs";

const LINE = 4_000_000;

/** The limit of uncollected buffers, in bytes. Copying each commit takes 32 to 46 MB. */
const MAX_BUFFER_BYTES = 16_000_000;

/** Runs the garbage collector of this process once. */
function collectGarbage() {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

test("large commits leave no buffer copies and are read back completely", async (t) => {
  const url = `file:${folder(t)}`;
  const rs = await openStore(t, url);
  const { run } = await startProgram(t, `for (let n = 0; n < 12; n++) { console.log(n + "x".repeat(${LINE})); CC("next?"); }`, { rs });
  // The bytes of the WebAssembly module, 29 MB in the form for tests, are garbage since it was compiled.
  collectGarbage();
  let maxBytes = 0;
  for (let n = 0; n < 12; n++) {
    await run.answer("yes");
    maxBytes = Math.max(maxBytes, process.memoryUsage().arrayBuffers);
  }
  assert.ok(maxBytes <= MAX_BUFFER_BYTES, `${maxBytes} bytes`);
  await rs.close();
  const reopened = await openStore(t, url);
  const output = await (await reopened.run(run.id)).output();
  assert.deepEqual(output.map((line) => line.length), Array.from({ length: 12 }, (_, n) => LINE + String(n).length));
});
