// Compares executions that are awaited with executions that are not: `node waiters-bench.mjs PACKAGE [EXECUTIONS]`. Both parts start and answer as
// many executions in a new store of files. The ratio should be at most 1.2. The result is not a gate.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runstate } from "./package.mjs";

const count = Number(process.argv[3] ?? 1000);
const source = `function main() { console.log("asks"); const n = CC("n?"); console.log("got " + n); return n }`;

/** Starts, waits for and answers all executions. Returns the time in milliseconds. */
async function measure(wait) {
  const folder = await mkdtemp(join(tmpdir(), "runstate-bench-"));
  const rs = await runstate.open(`file:${folder}`, { timers: "off" });
  await rs.load({ name: "ask", source });
  const begun = performance.now();
  const waits = [];
  const runs = [];
  for (let i = 0; i < count; i += 1) {
    const run = await rs.start("ask");
    runs.push(run);
    waits.push(wait(run));
  }
  for (const [i, run] of runs.entries()) await run.answer(i);
  await Promise.all(waits);
  const time = performance.now() - begun;
  await rs.close();
  await rm(folder, { recursive: true });
  return time;
}

async function readLines(run) {
  let lines = 0;
  for await (const _ of run.lines()) lines += 1;
  if (lines !== 2) throw new Error(`${lines} lines`);
}

await measure(() => {});
const alone = await measure(() => {});
console.log(`${count} executions without waiters: ${alone.toFixed(0)} ms`);
for (const [name, wait] of [["result()", (run) => run.result()], ["lines()", readLines]]) {
  const time = await measure(wait);
  console.log(`${count} executions with ${name}: ${time.toFixed(0)} ms, ${(time / alone).toFixed(2)} times`);
}
