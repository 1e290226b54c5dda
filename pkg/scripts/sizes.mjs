// Prints the download sizes of the WebAssembly modules and checks their budgets.

import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const KB = 1000;

/**
 * The largest gzip sizes, in bytes. Only modules that pages download have a budget. In the module of pages, `verify` takes 25 KB, its second IndexedDB
 * reader, rexie, takes 19 KB, and the domain of sessions, tasks and machines takes 10 KB: with it the budget went from 770 KB to
 * 785 KB. With the libraries `time` and `crc` in place of own code, and the machine in a crate of its own, it went to 800 KB.
 */
const BUDGETS = { "runstate_bg.wasm": 800 * KB, "runstate_compiler_bg.wasm": 350 * KB };

/** Prints all sizes. Returns whether they are within their budgets. */
export function checkBudgets() {
  let isWithinBudgets = true;
  for (const [name, budget] of Object.entries(BUDGETS)) {
    const bytes = readFileSync(`dist/${name}`);
    const gzip = gzipSync(bytes, { level: 9 }).length;
    isWithinBudgets &&= gzip <= budget;
    const budgetText = `  of ${formatKilobytes(budget)}${gzip > budget ? "  OVER BUDGET" : ""}`;
    console.log(`${name.padEnd(26)} ${formatKilobytes(bytes.length)} raw  ${formatKilobytes(gzip)} gzip  ${formatKilobytes(brotliCompressSync(bytes).length)} brotli${budgetText}`);
  }
  return isWithinBudgets;
}

function formatKilobytes(bytes) {
  return `${(bytes / KB).toFixed(1).padStart(7)} KB`;
}
