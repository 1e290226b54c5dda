// Builds the package: cargo → wasm-bindgen → wasm-opt → esbuild and tsc, into dist/.
//
//   node scripts/build.mjs                what is shipped
//   node scripts/build.mjs --check        what is shipped, and whether the packed package is as it should be
//   node scripts/build.mjs --benches      what is shipped, and in build/ what benches call
//   node scripts/build.mjs --test MODULE  what tests use: MODULE, built with all features, as each of its modules
//   node scripts/build.mjs --face         JavaScript and types alone, over the WebAssembly that was built before
//
// RUNSTATE_WASM_BINDGEN names the wasm-bindgen program, where it is not in the cache of `cargo xtask`.

import { copyFileSync, rmSync } from "node:fs";

import { check } from "./check.mjs";
import { face } from "./face.mjs";
import { within } from "./sizes.mjs";
import { modules, shared } from "./wasm.mjs";

const [flag, module, ...rest] = process.argv.slice(2);
const known = module === undefined ? [undefined, "--check", "--benches", "--face"] : ["--test"];
if (!known.includes(flag) || rest.length > 0) {
  console.error("build.mjs: usage: build.mjs [--check | --benches | --test MODULE | --face]");
  process.exit(2);
}

process.chdir(new URL("..", import.meta.url).pathname);
if (flag !== "--face") {
  // Written last: what is there afterwards tells that all of it was built.
  rmSync("dist/types", { recursive: true, force: true });
  if (flag === "--test") shared(module);
  else modules({ benches: flag === "--benches" });
}
await face();
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(`../${name}`, name);
// What programs find, for their editors.
copyFileSync("../examples/runstate.d.ts", "runstate.d.ts");
// What is built for tests is large, and nobody downloads it.
const fits = flag === "--test" || flag === "--face" || within();
if (flag === "--check") await check();
process.exitCode = fits ? 0 : 1;
