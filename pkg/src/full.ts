// `runstate/full` in pages and workers: `runstate` over the WebAssembly of Node, which has apps,
// fleets, sessions, imports, verification and encryption besides. In Node it is `runstate`.

import type { SourceOptions } from "./engine.js";
import { type OpenOptions, openStore } from "./open.js";
import { runtime } from "./runtime-node.js";
import type { Runstate } from "./runstate.js";
import type { WasmSource } from "./instance.js";
import { type InitOptions, SlimRuntime } from "./slim-runtime.js";
import { NODE_WASM, compileWasm, importCompiler, locate } from "./wasm.js";
import type { CompiledSource } from "./wire.js";

export * from "./index.js";
export type { InitOptions } from "./slim-runtime.js";
export { version } from "./version.js";

const slim = new SlimRuntime(runtime);

const host = {
  instance: runtime,
  instantiate: () => runtime.instantiate(async () => compileWasm(NODE_WASM, locate(NODE_WASM, () => new URL("./runstate_node_bg.wasm", import.meta.url)))),
  async compile(name: string, source: string, options?: SourceOptions): Promise<CompiledSource> {
    const { compile } = await importCompiler("compiler-browser.js", () => import("./compiler-browser.js"));
    return compile(name, source, options);
  },
};

/**
 * Instantiates the WebAssembly (`runstate/node.wasm`), given as a URL, a response, bytes or a module. Only pages that
 * load it by themselves call this, before they open a store.
 */
export function init(source: WasmSource, options?: Omit<InitOptions, "files">): Promise<void> {
  return slim.init(source, options);
}

/** Implements `open` of `runstate`; documented in index.ts. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return openStore({ ...host, compile: slim.compile ?? host.compile }, url, options);
}
