// `runstate/slim` in Node: as slim.ts, where it is documented, over the WebAssembly for Node (`runstate/node.wasm`). With `files` of `runstate/node`
// there are `file:` stores.

import { runtime } from "./runtime-node.js";
import { Slim } from "./slimmed.js";

export * from "./index.js";
export { version } from "./version.js";

export const { init, initWith, open } = new Slim(runtime);
