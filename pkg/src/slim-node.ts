// `runstate/slim` in Node, over the WebAssembly for Node (`runstate/node.wasm`); documented in slim.ts. With `files`
// of `runstate/node` it opens `file:` stores.

import { compileWasmOrFile } from "./node/wasm.js";
import { runtime } from "./runtime-node.js";
import { SlimRuntime } from "./slim-runtime.js";

export * from "./index.js";
export { version } from "./version.js";

export const { init, initWith, open } = new SlimRuntime(runtime, compileWasmOrFile);
