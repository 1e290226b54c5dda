// `runstate` in Node, Deno and Bun, and `runstate/node`: the WebAssembly is read beside this file, `file:` stores are kept over node:fs.
// Nothing is awaited while this module loads, so that `require("runstate")` works.

import { files } from "./node/files.js";
import { atHome } from "./node/home.js";
import { readWasm } from "./node/wasm.js";
import { type OpenOptions, openOn } from "./open.js";
import { text } from "./options.js";
import { runtime } from "./runtime-node.js";
import type { Runstate } from "./runstate.js";
import { NODE } from "./wasm.js";
import type { CompiledSource, VerifyReport } from "./wire.js";

export * from "./index.js";
export { type NodeFiles, type OpenFile, files } from "./node/files.js";
export { version } from "./version.js";

const host = {
  instance: runtime,
  async begin() {
    const glue = await runtime.begin(() => readWasm(NODE, () => new URL("./runstate_node_bg.wasm", import.meta.url)));
    glue.provideFiles?.(files);
    return glue;
  },
  async compile(name: string, source: string): Promise<CompiledSource> {
    const { compile } = await import("./compiler-node.js");
    return compile(name, source);
  },
};

/** As `open` of `runstate`. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return openOn(host, typeof url === "string" ? atHome(url) : url, options);
}

/**
 * Reads every file of a `file:` store and checks it, then what the store holds, as {@link Runstate.verify} does; without changing anything. A damaged
 * store, which may not open, is checked too.
 */
export async function verifyFiles(url: string): Promise<VerifyReport> {
  const named = atHome(text(url, "the URL of a store"));
  const glue = await host.begin();
  return JSON.parse(await runtime.run(() => glue.verifyFiles(named))) as VerifyReport;
}
