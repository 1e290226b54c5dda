// Prints the download sizes of the WebAssembly modules and checks their budgets.

import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { MODULES, fileOf } from "./modules.mjs";

const KB = 1000;

/** Prints all sizes. Returns whether they are within their budgets. */
export function checkBudgets() {
  let isWithinBudgets = true;
  for (const module of MODULES) {
    const [name, budget] = [fileOf(module), module.budget * KB];
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
