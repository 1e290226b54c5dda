// `runstate/slim` on pages and in workers: you bring the WebAssembly.
//
// import wasm from "runstate/runstate.wasm?url";
// import { init, open } from "runstate/slim";
// await init(fetch(wasm));
//
// With the bytes of both, for hosts that fetch nothing: await init(runtime, { compilerWasm: compiler });

import type { OpenOptions } from "./open.js";
import type { Runstate } from "./runstate.js";
import type { WasmBytes, WasmModule, WasmSource } from "./instance.js";
import { runtime } from "./runtime.js";
import { type Provided, Slim } from "./slimmed.js";

export * from "./index.js";
export type { Compile } from "./engine.js";
export type { Fetched, WasmBytes, WasmModule, WasmSource } from "./instance.js";
export type { NodeFiles, OpenFile } from "./node/files.js";
export type { Provided } from "./slimmed.js";
export { version } from "./version.js";

const slim = new Slim(runtime);

/** Begins the WebAssembly (`runstate/runstate.wasm`): its address, a response, its bytes or its module. The first call counts. */
export function init(source: WasmSource, provide?: Provided): Promise<void> {
  return slim.init(source, provide);
}

/** As {@link init}, from bytes or a module that are there. */
export function initWith(module: WasmBytes | WasmModule, provide?: Provided): Promise<void> {
  return slim.initWith(module, provide);
}

/** As `open` of `runstate`. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return slim.open(url, options);
}
