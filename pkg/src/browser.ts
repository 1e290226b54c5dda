// `runstate` in pages, workers and web extensions: the WebAssembly is fetched from beside this file; bundlers make an asset of it.

import { type OpenOptions, openOn } from "./open.js";
import { runtime } from "./runtime.js";
import type { Runstate } from "./runstate.js";
import { PAGE, compileWasm, locate } from "./wasm.js";
import type { CompiledSource } from "./wire.js";

export * from "./index.js";
export { version } from "./version.js";

const host = {
  instance: runtime,
  begin: () => runtime.begin(async () => compileWasm(PAGE, locate(PAGE, () => new URL("./runstate_bg.wasm", import.meta.url)))),
  async compile(name: string, source: string): Promise<CompiledSource> {
    const { compile } = await import("./compiler-browser.js");
    return compile(name, source);
  },
};

/** As `open` of `runstate`. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return openOn(host, url, options);
}
