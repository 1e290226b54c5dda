// `runstate/slim`: you bring the WebAssembly, the compiler and the files yourself, for hosts and bundlers that do it in their own way.
//
// import wasm from "runstate/runstate.wasm?url";
// import { init, open } from "runstate/slim";
// await init(fetch(wasm));

import type { Compile } from "./engine.js";
import { usage } from "./errors.js";
import type { Glue, WasmSource } from "./instance.js";
import type { NodeFiles } from "./node/files.js";
import { type OpenOptions, openOn } from "./open.js";
import { runtime } from "./runtime.js";
import type { Runstate } from "./runstate.js";

export * from "./index.js";
export type { Compile } from "./engine.js";
export type { WasmSource } from "./instance.js";
export type { NewFile, NodeFiles, OpenFile } from "./node/files.js";
export { version } from "./version.js";

/** What a host brings beside the WebAssembly. */
export interface Provided {
  /** Compiles sources for `cvm.load`, as `compile` of `runstate/compiler` does. */
  compile?: Compile;
  /** Keeps `file:` stores, as `files` of `runstate/node` does. */
  files?: NodeFiles;
}

let provided: Provided = {};

/** Begins the WebAssembly (`runstate/runstate.wasm`): its address, a response, its bytes or its module. The first call counts. */
export async function init(source: WasmSource, provide: Provided = {}): Promise<void> {
  await begin((glue) => glue.default({ module_or_path: source }), provide);
}

/** As {@link init}, from bytes or a module that are there. */
export async function initWith(module: BufferSource | WebAssembly.Module, provide: Provided = {}): Promise<void> {
  await begin((glue) => glue.initSync({ module }), provide);
}

async function begin(start: (glue: Glue) => unknown, provide: Provided): Promise<void> {
  const glue = await runtime.begin(start);
  provided = { ...provided, ...provide };
  if (provide.files !== undefined) glue.provideFiles?.(provide.files);
}

/** As `open` of `runstate`. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  const begun = runtime.begun;
  if (begun === undefined) return Promise.reject(usage("`runstate/slim` was not begun; `await init(…)` with its WebAssembly first"));
  return openOn({ instance: runtime, begin: () => begun, compile: provided.compile }, url, options);
}
