// `runstate` in pages, workers and web extensions. The WebAssembly is fetched from beside this file; bundlers turn it
// into an asset.

import type { SourceOptions } from "./engine.js";
import { type OpenOptions, openStore } from "./open.js";
import { runtime } from "./runtime.js";
import type { Runstate } from "./runstate.js";
import { BROWSER_WASM, compileWasm, importCompiler, locate } from "./wasm.js";
import type { CompiledSource } from "./wire.js";

export * from "./index.js";
export { version } from "./version.js";

const host = {
  instance: runtime,
  instantiate: () => runtime.instantiate(async () => compileWasm(BROWSER_WASM, locate(BROWSER_WASM, () => new URL("./runstate_bg.wasm", import.meta.url)))),
  async compile(name: string, source: string, options?: SourceOptions): Promise<CompiledSource> {
    const { compile } = await importCompiler("compiler-browser.js", () => import("./compiler-browser.js"));
    return compile(name, source, options);
  },
};

/** Implements `open` of `runstate`; documented in index.ts. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return openStore(host, url, options);
}
