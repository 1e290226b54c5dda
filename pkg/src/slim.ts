// `runstate/slim` on pages and in workers. The caller supplies the WebAssembly.
//
// import wasm from "runstate/runstate.wasm?url";
// import { init, open } from "runstate/slim";
// await init(fetch(wasm));
//
// On hosts without `fetch`, with the bytes of both modules: await init(runtime, { compilerWasm: compiler });

import type { OpenOptions } from "./open.js";
import type { Runstate } from "./runstate.js";
import type { WasmBytes, WasmModule, WasmSource } from "./instance.js";
import { runtime } from "./runtime.js";
import { type InitOptions, SlimRuntime } from "./slim-runtime.js";

export * from "./index.js";
export type { CompileFunction } from "./engine.js";
export type { WasmResponse, WasmBytes, WasmModule, WasmSource } from "./instance.js";
export type { NodeFiles, OpenFile } from "./node/files.js";
export type { InitOptions } from "./slim-runtime.js";
export { version } from "./version.js";

const slim = new SlimRuntime(runtime);

/** Instantiates the WebAssembly (`runstate/runstate.wasm`), given as a URL, a response, bytes or a module. Only the
 * first call loads it. */
export function init(source: WasmSource, options?: InitOptions): Promise<void> {
  return slim.init(source, options);
}

/** Like {@link init}, from bytes or a module. */
export function initWith(module: WasmBytes | WasmModule, provide?: InitOptions): Promise<void> {
  return slim.initWith(module, provide);
}

/** Opens a store, as `open` of `runstate` does. Call {@link init} first. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return slim.open(url, options);
}
