// `runstate` in Node, Deno and Bun, and `runstate/node`. The WebAssembly is read from beside this file; `file:` stores
// use node:fs. The module has no top-level await, so that `require("runstate")` works.

import { files } from "./node/files.js";
import { expandHome } from "./node/home.js";
import { readWasm } from "./node/wasm.js";
import type { TypeDiagnostic } from "./code-states.js";
import type { SourceOptions } from "./engine.js";
import { type OpenOptions, openStore } from "./open.js";
import { requireText } from "./options.js";
import { runtime } from "./runtime-node.js";
import type { Runstate } from "./runstate.js";
import { NODE_WASM } from "./wasm.js";
import type { CompiledSource, VerifyReport } from "./wire.js";

export * from "./index.js";
export { type NodeFiles, type OpenFile, files } from "./node/files.js";
export { version } from "./version.js";

const host = {
  instance: runtime,
  async instantiate() {
    const glue = await runtime.instantiate(() => readWasm(NODE_WASM, () => new URL("./runstate_node_bg.wasm", import.meta.url)));
    glue.provideFiles?.(files);
    return glue;
  },
  async compile(name: string, source: string, options?: SourceOptions): Promise<CompiledSource> {
    const { compile } = await import("./compiler-node.js");
    return compile(name, source, options);
  },
  async checkTypes(script: string, declarations: string): Promise<TypeDiagnostic[]> {
    const { checkScriptTypes } = await import("./node/script-types.js");
    return checkScriptTypes(script, declarations);
  },
};

/** Implements `open` of `runstate`; documented in index.ts. */
export function open(url: string, options?: OpenOptions): Promise<Runstate> {
  return openStore(host, typeof url === "string" ? expandHome(url) : url, options);
}

/**
 * Checks every file of a `file:` store, then its documents as {@link Runstate.verify} does. It changes nothing, and it
 * also checks a damaged store that does not open.
 */
export async function verifyFiles(url: string): Promise<VerifyReport> {
  const expanded = expandHome(requireText(url, "the URL of a store"));
  const glue = await host.instantiate();
  return runtime.run(() => glue.verifyFiles(expanded));
}
