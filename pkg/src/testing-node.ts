// `runstate/testing` in Node, Deno and Bun.

import { files } from "./node/files.js";
import { readWasm } from "./node/wasm.js";
import { createWorldFactory } from "./testing.js";
import { NODE_WASM } from "./wasm.js";

export * from "./testing.js";
export { files } from "./node/files.js";
export { version } from "./version.js";

async function compile(name: string, source: string) {
  return (await import("./compiler-node.js")).compile(name, source);
}

export const simulated = createWorldFactory(
  () => readWasm(NODE_WASM, () => new URL("./runstate_node_bg.wasm", import.meta.url)),
  compile,
  (glue) => glue.provideFiles?.(files),
);
