// Prints the download sizes of the WebAssembly modules and checks their budgets.

import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const KB = 1000;

/**
 * The largest gzip sizes, in bytes. In the module of pages, `verify` takes 25 KB, its second IndexedDB
 * reader, rexie, takes 19 KB, and the domain of sessions, tasks and machines takes 10 KB: with it the budget went from 770 KB to
 * 785 KB. With the libraries `time` and `crc` in place of own code, and the machine in a crate of its own, it went to 800 KB; dates and URI functions
 * of programs take 9 KB, and it went to 820 KB; getters, private names and own conversions of programs take 11 KB, promises,
 * tasks, collation, formats of numbers and the console 45 KB, and it went to 880 KB; generators and the protocol of iterators take 20 KB, and it went to
 * 900 KB; flags of regexps, options of dates, classes of built-ins, signals and objects without a prototype take 14 KB, and it went to
 * 915 KB. Without the formats of doubles and the sorts of `std`, and with a better order of functions, it has 890 KB, and the budget is 0.3 % more.
 * The module of Node is optimized for speed; pages download it by `runstate/full` only. It has 2,388 KB, and its budget is 1.8 % more.
 */
const BUDGETS = { "runstate_bg.wasm": 893 * KB, "runstate_node_bg.wasm": 2430 * KB, "runstate_compiler_bg.wasm": 350 * KB };

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
