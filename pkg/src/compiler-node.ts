// `runstate/compiler` in Node: its WebAssembly is read beside this file.

import { Compiler } from "./compiling.js";
import { readWasm } from "./node/wasm.js";
import { COMPILER } from "./wasm.js";

export { RunstateError } from "./errors.js";

const compiler = new Compiler(() => readWasm(COMPILER, () => new URL("./runstate_compiler_bg.wasm", import.meta.url)));

export const { compile, init, load } = compiler;
