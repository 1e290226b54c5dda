// `runstate/compiler` in pages and workers: its WebAssembly is fetched from beside this file; bundlers make an asset of it.

import { Compiler } from "./compiling.js";
import { COMPILER, compileWasm, locate } from "./wasm.js";

export { RunstateError } from "./errors.js";

const compiler = new Compiler(async () =>
  compileWasm(COMPILER, locate(COMPILER, () => new URL("./runstate_compiler_bg.wasm", import.meta.url))),
);

export const { compile, init, load } = compiler;
