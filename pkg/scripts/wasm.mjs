// Builds the WebAssembly modules of the package: cargo → wasm-bindgen → wasm-opt. The glue goes to build/, the modules go to dist/.

import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { nameFunctionsByRank } from "./function-order.mjs";
import { output, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";

/** The glue of `runstate/testing`: a copy of Node's glue, because it needs its own instance of the same WebAssembly. */
const TESTING = { name: "runstate_testing", source: "runstate_node" };

/** The modules. Entries load only those that they need. Modules for pages are optimized for size; `profile` is a profile of Cargo.toml. */
const MODULES = [
  { name: "runstate", features: "wasm,indexeddb", profile: "dist", optimize: optimizeForSize },
  { name: "runstate_node", features: "wasm,file,indexeddb,simulation,fleet,encryption", profile: "dist-fast", optimize: optimizeForSpeed },
  { name: "runstate_compiler", features: "wasm-compiler", profile: "dist", optimize: optimizeForSize },
];

/** The module of the benches. It is not part of the package and stays in build/. */
const BENCH = { name: "runstate_bench", features: "wasm,testing", profile: "dist", optimize: optimizeForSize };

/** Prepares the package for tests: one module with all features, built before, serves as each module. */
export function copyTestModule(built) {
  clearOutputs();
  const [{ name: first }, ...others] = MODULES;
  bindgen(wasmBindgen(), first, built);
  copyFileSync(`build/${first}_bg.wasm`, `dist/${first}_bg.wasm`);
  for (const { name } of others) {
    copyGlue(first, name);
    copyFileSync(`build/${first}_bg.wasm`, `dist/${name}_bg.wasm`);
  }
  copyGlue(first, TESTING.name);
}

function copyGlue(from, to) {
  for (const end of [".js", ".d.ts"]) copyFileSync(`build/${from}${end}`, `build/${to}${end}`);
}

/** Builds all modules of the package; with `benches` also the module of the benches, with `small` Node's module with the profile of pages. */
export function buildModules({ benches = false, small = false } = {}) {
  const { packages, target_directory: target } = JSON.parse(
    output("cargo", ["metadata", "--format-version", "1", "--no-deps"], { maxBuffer: 1 << 26 }),
  );
  const declared = packages.find(({ name }) => name === "runstate").features;
  const program = wasmBindgen();
  clearOutputs();
  for (const { name, features, profile: shipped, optimize } of benches ? [...MODULES, BENCH] : MODULES) {
    const profile = small ? "dist" : shipped;
    cargo(features.split(",").filter((feature) => feature in declared), profile);
    bindgen(program, name, join(target, TARGET, profile, "runstate.wasm"));
    optimize(`build/${name}_bg.wasm`, name === BENCH.name ? `build/${name}_bg.wasm` : `dist/${name}_bg.wasm`);
  }
  copyGlue(TESTING.source, TESTING.name);
}

function clearOutputs() {
  rmSync("build", { recursive: true, force: true });
  for (const folder of ["build", "dist"]) mkdirSync(folder, { recursive: true });
  for (const name of readdirSync("dist").filter((name) => name.endsWith(".wasm"))) rmSync(join("dist", name));
}

function bindgen(program, name, built) {
  run(program, ["--target", "web", "--omit-default-module-path", "--out-name", name, "--out-dir", "build", built]);
}

function cargo(features, profile) {
  const words = ["build", "--package", "runstate", "--lib", "--no-default-features", "--target", TARGET];
  run("cargo", [...words, "--features", features.join(","), "--profile", profile], { env: { ...process.env, ...rustFlags() } });
}

/**
 * Removes paths of the building machine from panic messages, and denies warnings, because no other step compiles these combinations of features. rustc
 * adds paths of its own sources if `rust-src` is installed.
 */
function rustFlags() {
  const crates = join(process.env.CARGO_HOME || join(homedir(), ".cargo"), "registry", "src");
  const std = join(output("rustc", ["--print", "sysroot"]).trim(), "lib", "rustlib", "src", "rust");
  const flags = process.env.CARGO_ENCODED_RUSTFLAGS?.split("\x1f") ?? process.env.RUSTFLAGS?.split(" ") ?? [];
  const remaps = [`--remap-path-prefix=${crates}=crates`, `--remap-path-prefix=${std}=rust`];
  return { CARGO_ENCODED_RUSTFLAGS: [...flags.filter(Boolean), ...remaps, "-Dwarnings"].join("\x1f") };
}

/** The WebAssembly features that browsers of the last three years and Node 20 support. `--all-features` would emit unsupported ones. */
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

/** Makes programs up to a quarter faster. Inlining and `-Oz` are off, because they make similar functions differ, which compresses worse. */
const FAST = ["-O2", "--skip-pass=inlining-optimizing"];

/** Keeps zeros in the data. gzip writes them in fewer bytes than the headers of the 1,300 segments that the pass makes instead. */
const ZEROS = ["--skip-pass=memory-packing"];

function optimizeForSize(from, to) {
  wasmOpt(...FAST, ...ZEROS, from, "-o", to);
  writeFileSync(to, nameFunctionsByRank(readFileSync(to)));
  wasmOpt("--reorder-functions-by-name", ...ZEROS, ...STRIP, to, "-o", to);
}

function optimizeForSpeed(from, to) {
  wasmOpt(...FAST, ...STRIP, from, "-o", to);
}

function wasmOpt(...words) {
  run("node_modules/.bin/wasm-opt", [...FEATURES, ...words]);
}

/** The wasm-bindgen program that xtask installed. Its version must equal that of the crate in the lock file. */
function wasmBindgen() {
  if (process.env.RUNSTATE_WASM_BINDGEN) return process.env.RUNSTATE_WASM_BINDGEN;
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const version = output("cargo", ["pkgid", "wasm-bindgen"]).trim().split(/[@#]/).at(-1);
  const program = join(cache, "runstate-tools", `wasm-bindgen-${version}`, "bin", "wasm-bindgen");
  if (existsSync(program)) return program;
  throw new Error(`wasm-bindgen ${version} is not installed: run \`cargo xtask setup\`, or set RUNSTATE_WASM_BINDGEN to its path`);
}
