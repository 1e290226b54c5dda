// Builds the WebAssembly modules of the package: cargo → wasm-bindgen → wasm-opt. The glue goes to build/, the modules
// go to dist/.

import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { nameFunctionsByRank } from "./function-order.mjs";
import { BENCH_MODULE, MODULES, TESTING_GLUE, fileOf } from "./modules.mjs";
import { output, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";

/** Prepares the package for tests from modules in `folder`, built before with all features. Modules may share one
 * file. */
export function copyTestModules(folder) {
  clearOutputs();
  const program = wasmBindgen();
  const names = new Map();
  for (const module of MODULES) {
    const first = names.get(module.built);
    if (first === undefined) {
      names.set(module.built, module.name);
      bindgen(program, module, folder);
    } else {
      copyGlue(first, module.name);
    }
    copyFileSync(`build/${first ?? module.name}_bg.wasm`, `dist/${fileOf(module)}`);
  }
  copyGlue(TESTING_GLUE.source, TESTING_GLUE.name);
}

function copyGlue(from, to) {
  for (const end of [".js", ".d.ts"]) copyFileSync(`build/${from}${end}`, `build/${to}${end}`);
}

/** Builds all modules of the package; with `benches` also the module of the benches. */
export function buildModules({ benches = false } = {}) {
  const { target_directory: target } = JSON.parse(output("cargo", ["metadata", "--format-version", "1", "--no-deps"], { maxBuffer: 1 << 26 }));
  const program = wasmBindgen();
  clearOutputs();
  for (const module of benches ? [...MODULES, BENCH_MODULE] : MODULES) {
    cargo(module, module.profile);
    bindgen(program, module, join(target, TARGET, module.profile));
    OPTIMIZERS[module.optimize](`build/${fileOf(module)}`, `${module === BENCH_MODULE ? "build" : "dist"}/${fileOf(module)}`);
  }
  copyGlue(TESTING_GLUE.source, TESTING_GLUE.name);
}

function clearOutputs() {
  rmSync("build", { recursive: true, force: true });
  for (const folder of ["build", "dist"]) mkdirSync(folder, { recursive: true });
  for (const name of readdirSync("dist").filter((name) => name.endsWith(".wasm"))) rmSync(join("dist", name));
}

function bindgen(program, { name, built }, folder) {
  const file = join(folder, `${built}.wasm`);
  run(program, ["--target", "web", "--omit-default-module-path", "--out-name", name, "--out-dir", "build", file]);
}

function cargo({ package: name, features }, profile) {
  const words = ["rustc", "--package", name, "--lib", "--crate-type", "cdylib", "--target", TARGET];
  run("cargo", [...words, "--features", features, "--profile", profile], { env: { ...process.env, ...rustFlags() } });
}

/**
 * Removes paths of the building machine from panic messages, and denies warnings, because no other step compiles these
 * combinations of features. rustc adds paths of its own sources if `rust-src` is installed.
 */
function rustFlags() {
  const crates = join(process.env.CARGO_HOME || join(homedir(), ".cargo"), "registry", "src");
  const std = join(output("rustc", ["--print", "sysroot"]).trim(), "lib", "rustlib", "src", "rust");
  const flags = process.env.CARGO_ENCODED_RUSTFLAGS?.split("\x1f") ?? process.env.RUSTFLAGS?.split(" ") ?? [];
  const remaps = [`--remap-path-prefix=${crates}=crates`, `--remap-path-prefix=${std}=rust`];
  return { CARGO_ENCODED_RUSTFLAGS: [...flags.filter(Boolean), ...remaps, "-Dwarnings"].join("\x1f") };
}

/** The WebAssembly features that browsers of the last three years and Node 20 support. `--all-features` would emit
 * unsupported ones. */
const FEATURES = [
  "bulk-memory",
  "bulk-memory-opt",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
].map((feature) => `--enable-${feature}`);

const STRIP = ["--strip-debug", "--strip-producers"];

/** Makes programs up to a quarter faster. Inlining and `-Oz` are off, because they make similar functions differ,
 * which compresses worse. */
const FAST = ["-O2", "--skip-pass=inlining-optimizing"];

/** Keeps zeros in the data. gzip writes them in fewer bytes than the headers of the 1,300 segments that the pass makes
 * instead. */
const ZEROS = ["--skip-pass=memory-packing"];

function optimizeForSize(from, to) {
  wasmOpt(...FAST, ...ZEROS, from, "-o", to);
  writeFileSync(to, nameFunctionsByRank(readFileSync(to)));
  wasmOpt("--reorder-functions-by-name", ...ZEROS, ...STRIP, to, "-o", to);
}

function optimizeForSpeed(from, to) {
  wasmOpt(...FAST, ...STRIP, from, "-o", to);
}

const OPTIMIZERS = { size: optimizeForSize, speed: optimizeForSpeed };

function wasmOpt(...words) {
  run("node_modules/.bin/wasm-opt", [...FEATURES, ...words]);
}

/** The wasm-bindgen program that xtask installed. Its version must equal that of the crate in the lock file. */
function wasmBindgen() {
  if (process.env.RUNSTATE_WASM_BINDGEN) return process.env.RUNSTATE_WASM_BINDGEN;
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const version = output("cargo", ["pkgid", "wasm-bindgen"]).trim().split(/[@#]/).at(-1);
  const program = join(cache, "runstate-tools", `wasm-bindgen-${version}-opt-1`, "bin", "wasm-bindgen");
  if (existsSync(program)) return program;
  throw new Error(`wasm-bindgen ${version} is not installed: run \`cargo xtask setup\`, or set RUNSTATE_WASM_BINDGEN to its path`);
}
