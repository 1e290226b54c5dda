// Builds the package: cargo → wasm-bindgen → wasm-opt → esbuild and tsc, into dist/.
//
//   node scripts/build.mjs                the package
//   node scripts/build.mjs --check        the package, and checks of the packed package
//   node scripts/build.mjs --benches      the package, and in build/ the module that benches call
//   node scripts/build.mjs --test FOLDER  the package for tests, of the modules in FOLDER
//   node scripts/build.mjs --javascript   only JavaScript and types, over the WebAssembly of an earlier build
//
// RUNSTATE_WASM_BINDGEN is the path of the wasm-bindgen program if it is not in the cache of `cargo xtask`.

import { copyFileSync, rmSync } from "node:fs";

import { check } from "./check.mjs";
import { writePackagePages } from "./docs.mjs";
import { buildJavaScript } from "./javascript.mjs";
import { checkBudgets } from "./sizes.mjs";
import { buildModules, copyTestModules } from "./wasm.mjs";

const [flag, folder, ...rest] = process.argv.slice(2);
const allowedFlags = folder === undefined ? [undefined, "--check", "--benches", "--javascript"] : ["--test"];
if (!allowedFlags.includes(flag) || rest.length > 0) {
  console.error("build.mjs: usage: build.mjs [--check | --benches | --test FOLDER | --javascript]");
  process.exit(2);
}

process.chdir(new URL("..", import.meta.url).pathname);
if (flag !== "--javascript") {
  // The build writes the types last, so their folder exists only after a complete build.
  rmSync("dist/types", { recursive: true, force: true });
  if (flag === "--test") copyTestModules(folder);
  else buildModules({ benches: flag === "--benches" });
}
await buildJavaScript();
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(`../${name}`, name);
// The globals of programs, for editors.
copyFileSync("../examples/runstate.d.ts", "runstate.d.ts");
writePackagePages();
// Modules for tests are large, but pages do not download them.
const withinBudget = flag === "--test" || flag === "--javascript" || checkBudgets();
if (flag === "--check") await check();
process.exitCode = withinBudget ? 0 : 1;
