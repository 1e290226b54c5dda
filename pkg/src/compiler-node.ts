// `runstate/compiler` in Node. Its WebAssembly is read from beside this file.

import { Compiler } from "./compiler-instance.js";
import { compileWasmOrFile, readWasm } from "./node/wasm.js";
import { COMPILER_WASM } from "./wasm.js";

export { RunstateError } from "./errors.js";

const compiler = new Compiler(() => readWasm(COMPILER_WASM, () => new URL("./runstate_compiler_bg.wasm", import.meta.url)), compileWasmOrFile);

export const { compile, init, load } = compiler;
