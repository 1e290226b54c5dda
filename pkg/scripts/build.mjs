// Builds the package: cargo → wasm-bindgen → wasm-opt → esbuild and tsc, into dist/.
//
//   node scripts/build.mjs            what is shipped
//   node scripts/build.mjs --dev      without optimising, quickly
//   node scripts/build.mjs --check    what is shipped, and whether the packed package is as it should be
//   node scripts/build.mjs --face     JavaScript and types alone, over the WebAssembly that was built before
//
// RUNSTATE_WASM_BINDGEN names the wasm-bindgen program, where it is not in the cache of `cargo xtask`.

import { copyFileSync, mkdirSync, rmSync } from "node:fs";

import { check } from "./check.mjs";
import { face } from "./face.mjs";
import { within } from "./sizes.mjs";
import { modules } from "./wasm.mjs";

const asked = new Set(process.argv.slice(2));
for (const word of asked) {
  if (!["--dev", "--check", "--face"].includes(word)) {
    console.error(`build.mjs: ${word} is not known; there are --dev, --check and --face`);
    process.exit(2);
  }
}

process.chdir(new URL("..", import.meta.url).pathname);
if (!asked.has("--face")) {
  // Written last: what is there afterwards tells that all of it was built.
  rmSync("dist/types", { recursive: true, force: true });
  mkdirSync("dist", { recursive: true });
  modules({ dev: asked.has("--dev") });
}
await face();
for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(`../${licence}`, licence);
// What is built for trying is large, and nobody downloads it.
const fits = asked.has("--dev") || asked.has("--face") || within();
if (asked.has("--check")) await check();
process.exitCode = fits ? 0 : 1;
