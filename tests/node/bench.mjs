// Compares durable commits over node:fs with the raw disk operations: `node bench.mjs PACKAGE [COMMITS]`. The two alternate, so that both see the
// same disk. The result is not a gate.

import { mkdtemp, open, link, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runstate, wasm } from "./package.mjs";

const rounds = Number(process.argv[3] ?? 1000);
const folder = await mkdtemp(join(tmpdir(), "runstate-bench-"));
const bytes = new Uint8Array(400).fill(120);

/** Writes and syncs a temporary file, links and removes it, and syncs the folder. */
async function raw(i) {
  const temp = join(folder, `.tmp-${i}`);
  const file = await open(temp, "wx");
  await file.writeFile(bytes);
  await file.sync();
  await file.close();
  await link(temp, join(folder, `${i}`));
  await unlink(temp);
  const names = await open(folder, "r");
  await names.sync();
  await names.close();
}

async function timed(times, act) {
  const begun = performance.now();
  await act();
  times.push(performance.now() - begun);
}

const notes = await wasm.NodeNotes.open(`file:${join(folder, "store")}`);
const times = { "raw put_new": [], "commit": [] };
for (let i = 0; i < rounds; i += 1) {
  await timed(times["raw put_new"], () => raw(i));
  await timed(times.commit, () => notes.add(`note-${i}`));
}
await rm(folder, { recursive: true });

const at = (sorted, part) => sorted[Math.floor(sorted.length * part)].toFixed(3);
for (const [name, all] of Object.entries(times)) {
  const sorted = all.slice(rounds / 10).sort((a, b) => a - b);
  console.log(`${name.padEnd(12)} p50 ${at(sorted, 0.5)} ms  p90 ${at(sorted, 0.9)} ms  p99 ${at(sorted, 0.99)} ms`);
}
console.log(`version ${runstate.version()}, Node ${process.version}, ${rounds} rounds`);
