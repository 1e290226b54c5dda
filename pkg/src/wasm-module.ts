// The type of the imports of `runstate/runstate.wasm`, `runstate/node.wasm` and `runstate/compiler.wasm`. Bundlers give
// a URL, bytes or a module, as they are set up; `init` takes all of them.

import type { WasmSource } from "./instance.js";

declare const source: WasmSource;
export default source;
