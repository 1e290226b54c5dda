// Builds the package: cargo → wasm-bindgen → wasm-opt → esbuild and tsc, into dist/.
//
//   node scripts/build.mjs                what is shipped
//   node scripts/build.mjs --check        what is shipped, and whether the packed package is as it should be
//   node scripts/build.mjs --check MODULE the same; MODULE, built with all features, serves as the one for tests of users
//   node scripts/build.mjs --test MODULE  what tests use: MODULE, built with all features, as each of its modules
//   node scripts/build.mjs --face         JavaScript and types alone, over the WebAssembly that was built before
//
// RUNSTATE_WASM_BINDGEN names the wasm-bindgen program, where it is not in the cache of `cargo xtask`.

import { copyFileSync, rmSync } from "node:fs";

import { check } from "./check.mjs";
import { face } from "./face.mjs";
import { within } from "./sizes.mjs";
import { TESTING, modules, shared } from "./wasm.mjs";

const [flag, module, ...rest] = process.argv.slice(2);
const known = module === undefined ? [undefined, "--check", "--face"] : ["--check", "--test"];
if (!known.includes(flag) || rest.length > 0) {
  console.error("build.mjs: usage: build.mjs [--check [MODULE] | --test MODULE | --face]");
  process.exit(2);
}

process.chdir(new URL("..", import.meta.url).pathname);
if (flag !== "--face") {
  // Written last: what is there afterwards tells that all of it was built.
  rmSync("dist/types", { recursive: true, force: true });
  if (flag === "--test") shared(module);
  else modules(module);
}
await face();
for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(`../${licence}`, licence);
// What is built for tests is large, and nobody downloads it.
const fits = flag === "--test" || flag === "--face" || within();
if (flag === "--check") await check(module === undefined ? [] : [`dist/${TESTING}_bg.wasm`]);
process.exitCode = fits ? 0 : 1;
