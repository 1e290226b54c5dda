// `runstate/compiler` in Node: its WebAssembly is read beside this file.

import { readFileSync } from "node:fs";

import * as glue from "../build/runstate_compiler.js";
import { Compiler } from "./compiling.js";

export { RunstateError } from "./errors.js";

const compiler = new Compiler(glue, () => {
  glue.initSync({ module: readFileSync(new URL("./runstate_compiler_bg.wasm", import.meta.url)) });
});

export const { compile, load } = compiler;
