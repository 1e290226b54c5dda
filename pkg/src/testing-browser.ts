// `runstate/testing` in pages and workers.

import { createWorldFactory } from "./testing.js";
import { NODE_WASM, compileWasm, importCompiler, locate } from "./wasm.js";

export * from "./testing.js";
export { version } from "./version.js";

async function compile(name: string, source: string) {
  return (await importCompiler("compiler-browser.js", () => import("./compiler-browser.js"))).compile(name, source);
}

export const simulated = createWorldFactory(
  async () => compileWasm(NODE_WASM, locate(NODE_WASM, () => new URL("./runstate_node_bg.wasm", import.meta.url))),
  compile,
);
