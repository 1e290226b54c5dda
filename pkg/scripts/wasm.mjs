// The WebAssembly modules of the package: cargo → wasm-bindgen → wasm-opt. The glue goes to build/, the modules to dist/.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { ranked } from "./order.mjs";
import { output, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";

/** Each is a file of its own, loaded only by the entries that need it. */
const MODULES = [
  { name: "runstate", features: "wasm,indexeddb" },
  { name: "runstate_node", features: "wasm,file" },
  { name: "runstate_compiler", features: "wasm-compiler" },
  { name: "runstate_testing", features: "wasm,file,indexeddb,testing" },
];

/** For tests: one module with all features, built already, serves as each of them. */
export function shared(built) {
  start();
  const [{ name: first }, ...others] = MODULES;
  bindgen(wasmBindgen(), first, built);
  copyFileSync(`build/${first}_bg.wasm`, `dist/${first}_bg.wasm`);
  for (const { name } of others) {
    for (const end of [".js", ".d.ts", "_bg.wasm.d.ts"]) copyFileSync(`build/${first}${end}`, `build/${name}${end}`);
    copyFileSync(`build/${first}_bg.wasm`, `dist/${name}_bg.wasm`);
  }
}

/** Builds all modules as they are shipped. */
export function modules() {
  const { packages, target_directory: target } = JSON.parse(
    output("cargo", ["metadata", "--format-version", "1", "--no-deps"], { maxBuffer: 1 << 26 }),
  );
  const known = packages.find(({ name }) => name === "runstate").features;
  const program = wasmBindgen();
  start();
  for (const { name, features } of MODULES) {
    cargo(features.split(",").filter((feature) => feature in known));
    bindgen(program, name, join(target, TARGET, "dist", "runstate.wasm"));
    optimise(`build/${name}_bg.wasm`, `dist/${name}_bg.wasm`);
  }
}

function start() {
  rmSync("build", { recursive: true, force: true });
  for (const folder of ["build", "dist"]) mkdirSync(folder, { recursive: true });
}

function bindgen(program, name, built) {
  run(program, ["--target", "web", "--omit-default-module-path", "--out-name", name, "--out-dir", "build", built]);
}

function cargo(features) {
  const words = ["build", "--package", "runstate", "--lib", "--no-default-features", "--target", TARGET];
  run("cargo", [...words, "--features", features.join(","), "--profile", "dist"], { env: { ...process.env, ...withoutPaths() } });
}

/** Where panics come from is told by the names of crates: the folders of whoever built it are nobody's business. */
function withoutPaths() {
  const sources = join(process.env.CARGO_HOME || join(homedir(), ".cargo"), "registry", "src");
  const flags = process.env.CARGO_ENCODED_RUSTFLAGS?.split("\x1f") ?? process.env.RUSTFLAGS?.split(" ") ?? [];
  return { CARGO_ENCODED_RUSTFLAGS: [...flags.filter(Boolean), `--remap-path-prefix=${sources}=crates`].join("\x1f") };
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

/** Small when packed, which is not small as it lies there: inlining and `-Oz` make bodies that are alike differ, and like bodies cost little. */
function optimise(from, to) {
  const opt = (...words) => run("node_modules/.bin/wasm-opt", [...HAVE, ...words]);
  opt("-O2", "--skip-pass=inlining-optimizing", from, "-o", to);
  writeFileSync(to, ranked(readFileSync(to)));
  opt("--reorder-functions-by-name", "--strip-debug", "--strip-producers", to, "-o", to);
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
