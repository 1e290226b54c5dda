// `runstate/slim` in Node: you bring the WebAssembly for Node (`runstate/node.wasm`), and `files` of `runstate/node` where there shall be `file:` stores.

import type { OpenOptions } from "./open.js";
import type { Runstate } from "./runstate.js";
import type { WasmSource } from "./instance.js";
import { runtime } from "./runtime-node.js";
import { type Provided, Slim } from "./slimmed.js";

export * from "./index.js";
export type { Compile } from "./engine.js";
export type { WasmSource } from "./instance.js";
export type { NewFile, NodeFiles, OpenFile } from "./node/files.js";
export type { Provided } from "./slimmed.js";
export { version } from "./version.js";

const slim = new Slim(runtime);

/** Begins the WebAssembly (`runstate/runstate.wasm`): its address, a response, its bytes or its module. The first call counts. */
export function init(source: WasmSource, provide?: Provided): Promise<void> {
  return slim.init(source, provide);
}

/** As {@link init}, from bytes or a module that are there. */
export function initWith(module: BufferSource | WebAssembly.Module, provide?: Provided): Promise<void> {
  return slim.initWith(module, provide);
}

/** As `open` of `runstate`. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return slim.open(url, options);
}
