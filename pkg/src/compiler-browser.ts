// `runstate/compiler` in pages and workers. Its WebAssembly is fetched from beside this file; bundlers turn it into an
// asset.

import { Compiler } from "./compiler-instance.js";
import { COMPILER_WASM, compileWasm, locate } from "./wasm.js";

export { RunstateError } from "./errors.js";

const compiler = new Compiler(async () =>
  compileWasm(COMPILER_WASM, locate(COMPILER_WASM, () => new URL("./runstate_compiler_bg.wasm", import.meta.url))),
);

export const { compile, init, load } = compiler;
