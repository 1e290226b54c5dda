// The WebAssembly modules of the package, declared once: their crates, features and sizes. Entries load only those
// that they need.

/**
 * A module. `package` and `features` are those of cargo, and `built` is the file that it writes, without `.wasm`.
 * `profile` is a profile of Cargo.toml, and `optimize` what `wasm-opt` is for. The module is `dist/NAME_bg.wasm`, with
 * its glue in `build/NAME.js`. `budget` is its largest size after gzip, in units of 1,000 bytes.
 *
 * The module of Node is optimized for speed; pages download it by `runstate/full` only.
 */
export const MODULES = [
  {
    name: "runstate", budget: 893, profile: "dist", optimize: "size",
    package: "runstate-wasm", built: "runstate_wasm", features: "indexeddb",
  },
  {
    name: "runstate_node", budget: 2430, profile: "dist-fast", optimize: "speed",
    package: "runstate-wasm", built: "runstate_wasm", features: "apps,encryption,file,fleet,import,indexeddb,orchestration,simulation,verify",
  },
  {
    name: "runstate_compiler", budget: 350, profile: "dist", optimize: "size",
    package: "runstate-wasm-compiler", built: "runstate_wasm_compiler", features: "",
  },
];

/** The module of the benches. It is not part of the package and stays in build/. */
export const BENCH_MODULE = {
  name: "runstate_bench", profile: "dist", optimize: "size",
  package: "runstate-wasm", built: "runstate_wasm", features: "testing",
};

/** The glue of `runstate/testing`: a copy of Node's glue, because it needs its own instance of the same WebAssembly. */
export const TESTING_GLUE = { name: "runstate_testing", source: "runstate_node" };

/** The file of a module in `dist`. */
export const fileOf = ({ name }) => `${name}_bg.wasm`;
