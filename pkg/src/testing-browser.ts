// `runstate/testing` in pages and workers.

import { worlds } from "./testing.js";
import { NODE, compileWasm, locate } from "./wasm.js";

export * from "./testing.js";
export { version } from "./version.js";

async function compile(name: string, source: string) {
  return (await import("./compiler-browser.js")).compile(name, source);
}

export const simulated = worlds(
  async () => compileWasm(NODE, locate(NODE, () => new URL("./runstate_node_bg.wasm", import.meta.url))),
  compile,
);
