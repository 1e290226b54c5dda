// Runs the conformance suite in this process, each case on its own folder: `node conformance.mjs PACKAGE`, where PACKAGE is the built package with
// the test exports. The last line has the format of Rust's test runner.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { wasm } from "./package.mjs";

const { conformanceCases, runConformanceCase } = wasm;

// The last line below resets the exit code. Without it, a promise that never settles would let Node end with success.
process.exitCode = 1;
const begun = performance.now();
const failed = [];
let running = "";
process.on("exit", () => {
  if (running !== "") console.log(`test ${running} ... FAILED: it did not end`);
});

const cases = conformanceCases();
console.log(`running ${cases.length} tests`);
for (const name of cases) {
  running = name;
  const folder = await mkdtemp(join(tmpdir(), "runstate-node-"));
  try {
    const why = await runConformanceCase(name, join(folder, "store"));
    console.log(`test ${name} ... ${why === undefined ? "ok" : "FAILED"}`);
    if (why !== undefined) failed.push(`${name}: ${why}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
running = "";
for (const failure of failed) console.log(`\n${failure}`);
const verdict = failed.length === 0 && cases.length > 0 ? "ok" : "FAILED";
const seconds = ((performance.now() - begun) / 1000).toFixed(2);
console.log(
  `\ntest result: ${verdict}. ${cases.length - failed.length} passed; ${failed.length} failed; 0 ignored; 0 measured; ` +
    `0 filtered out; finished in ${seconds}s`,
);
process.exitCode = verdict === "ok" ? 0 : 1;
