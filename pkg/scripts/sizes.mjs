// What a page downloads, and whether that is as small as it shall be.

import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const KB = 1000;

/** Bytes as gzip; none: nobody pays for it in a page. */
const BUDGETS = {
  "runstate_bg.wasm": 300 * KB,
  "runstate_compiler_bg.wasm": 350 * KB,
  "runstate_testing_bg.wasm": undefined,
  "browser.js": 20 * KB,
};

/** Prints sizes; whether all are within their budgets. */
export function within() {
  let fits = true;
  for (const [name, budget] of Object.entries(BUDGETS)) {
    const bytes = readFileSync(`dist/${name}`);
    const gzip = gzipSync(bytes, { level: 9 }).length;
    const over = budget !== undefined && gzip > budget;
    fits &&= !over;
    const said = budget === undefined ? "" : `  of ${show(budget)}${over ? "  OVER BUDGET" : ""}`;
    console.log(`${name.padEnd(26)} ${show(bytes.length)} raw  ${show(gzip)} gzip  ${show(brotliCompressSync(bytes).length)} brotli${said}`);
  }
  return fits;
}

function show(bytes) {
  return `${(bytes / KB).toFixed(1).padStart(7)} KB`;
}
