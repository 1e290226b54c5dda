// What a page downloads, and whether that is as small as it shall be.

import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const KB = 1000;

/**
 * Gzip sizes in bytes: the target, and the limit until the target is reached. Only modules that pages download have a budget. Of a page's module
 * `verify` takes 25 KB, and its second reader of IndexedDB, rexie, takes 19 KB.
 */
const BUDGETS = {
  "runstate_bg.wasm": { target: 300 * KB, most: 735 * KB },
  "runstate_compiler_bg.wasm": { target: 350 * KB, most: 350 * KB },
};

/** Prints sizes; whether all are within their budgets. */
export function within() {
  let fits = true;
  for (const [name, budget] of Object.entries(BUDGETS)) {
    const bytes = readFileSync(`dist/${name}`);
    const gzip = gzipSync(bytes, { level: 9 }).length;
    fits &&= gzip <= budget.most;
    const said = `  of ${show(budget.target)}${verdict(gzip, budget)}`;
    console.log(`${name.padEnd(26)} ${show(bytes.length)} raw  ${show(gzip)} gzip  ${show(brotliCompressSync(bytes).length)} brotli${said}`);
  }
  return fits;
}

function verdict(gzip, { target, most }) {
  if (gzip > most) return `  OVER BUDGET (${show(most).trim()})`;
  return gzip > target ? `  not reached; at most ${show(most).trim()}` : "";
}

function show(bytes) {
  return `${(bytes / KB).toFixed(1).padStart(7)} KB`;
}
