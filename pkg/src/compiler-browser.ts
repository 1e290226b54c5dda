// `runstate/compiler` in pages and workers: its WebAssembly is fetched from beside this file; bundlers make an asset of it.

import init, * as glue from "../build/runstate_compiler.js";
import { Compiler } from "./compiling.js";

export { RunstateError } from "./errors.js";

const compiler = new Compiler(glue, () => init({ module_or_path: new URL("./runstate_compiler_bg.wasm", import.meta.url) }));

export const { compile, load } = compiler;
