// The WebAssembly modules of the package: cargo → wasm-bindgen → wasm-opt. The glue goes to build/, the modules to dist/.

import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { ranked } from "./order.mjs";
import { output, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";

/** The glue of the worlds of `runstate/testing`: that of Node a second time, since it begins an instance of its own of the same WebAssembly. */
const TESTING = { name: "runstate_testing", of: "runstate_node" };

/** Each is a file of its own, loaded only by the entries that need it. What pages download is made small; `profile` is one of Cargo.toml. */
const MODULES = [
  { name: "runstate", features: "wasm,indexeddb", profile: "dist", optimise: optimiseForSize },
  { name: "runstate_node", features: "wasm,file,simulation", profile: "dist-fast", optimise: optimiseForSpeed },
  { name: "runstate_compiler", features: "wasm-compiler", profile: "dist", optimise: optimiseForSize },
];

/** What benches call, which is not shipped: it stays in build/. */
const BENCH = { name: "runstate_bench", features: "wasm,testing", profile: "dist", optimise: optimiseForSize };

/** For tests: one module with all features, built already, serves as each of them. */
export function shared(built) {
  start();
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

/** Builds all modules as they are shipped; `benches`: and the one that benches call. */
export function modules({ benches = false } = {}) {
  const { packages, target_directory: target } = JSON.parse(
    output("cargo", ["metadata", "--format-version", "1", "--no-deps"], { maxBuffer: 1 << 26 }),
  );
  const known = packages.find(({ name }) => name === "runstate").features;
  const program = wasmBindgen();
  start();
  for (const { name, features, profile, optimise } of benches ? [...MODULES, BENCH] : MODULES) {
    cargo(features.split(",").filter((feature) => feature in known), profile);
    bindgen(program, name, join(target, TARGET, profile, "runstate.wasm"));
    optimise(`build/${name}_bg.wasm`, name === BENCH.name ? `build/${name}_bg.wasm` : `dist/${name}_bg.wasm`);
  }
  copyGlue(TESTING.of, TESTING.name);
}

function start() {
  rmSync("build", { recursive: true, force: true });
  for (const folder of ["build", "dist"]) mkdirSync(folder, { recursive: true });
  for (const name of readdirSync("dist").filter((name) => name.endsWith(".wasm"))) rmSync(join("dist", name));
}

function bindgen(program, name, built) {
  run(program, ["--target", "web", "--omit-default-module-path", "--out-name", name, "--out-dir", "build", built]);
}

function cargo(features, profile) {
  const words = ["build", "--package", "runstate", "--lib", "--no-default-features", "--target", TARGET];
  run("cargo", [...words, "--features", features.join(","), "--profile", profile], { env: { ...process.env, ...withoutPaths() } });
}

/** Panic messages name crates instead of folders of the machine that built them. rustc names its own folder where `rust-src` is installed. */
function withoutPaths() {
  const crates = join(process.env.CARGO_HOME || join(homedir(), ".cargo"), "registry", "src");
  const std = join(output("rustc", ["--print", "sysroot"]).trim(), "lib", "rustlib", "src", "rust");
  const flags = process.env.CARGO_ENCODED_RUSTFLAGS?.split("\x1f") ?? process.env.RUSTFLAGS?.split(" ") ?? [];
  const remaps = [`--remap-path-prefix=${crates}=crates`, `--remap-path-prefix=${std}=rust`];
  return { CARGO_ENCODED_RUSTFLAGS: [...flags.filter(Boolean), ...remaps].join("\x1f") };
}

/** What browsers of the last three years and Node 20 have. `--all-features` would write what none of them reads. */
const HAVE = [
  "bulk-memory",
  "bulk-memory-opt",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
].map((feature) => `--enable-${feature}`);

const STRIP = ["--strip-debug", "--strip-producers"];

/** Programs run up to a quarter faster than without. No inlining and no `-Oz`: both make similar function bodies differ, which compresses worse. */
const FAST = ["-O2", "--skip-pass=inlining-optimizing"];

function optimiseForSize(from, to) {
  opt(...FAST, from, "-o", to);
  writeFileSync(to, ranked(readFileSync(to)));
  opt("--reorder-functions-by-name", ...STRIP, to, "-o", to);
}

function optimiseForSpeed(from, to) {
  opt(...FAST, ...STRIP, from, "-o", to);
}

function opt(...words) {
  run("node_modules/.bin/wasm-opt", [...HAVE, ...words]);
}

/** The program that xtask installed, of the version that the lock file names: it must equal the crate's. */
function wasmBindgen() {
  if (process.env.RUNSTATE_WASM_BINDGEN) return process.env.RUNSTATE_WASM_BINDGEN;
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const version = output("cargo", ["pkgid", "wasm-bindgen"]).trim().split(/[@#]/).at(-1);
  const program = join(cache, "runstate-tools", `wasm-bindgen-${version}`, "bin", "wasm-bindgen");
  if (existsSync(program)) return program;
  throw new Error(`wasm-bindgen ${version} is not installed; \`cargo xtask setup\` does it, or name it in RUNSTATE_WASM_BINDGEN`);
}
