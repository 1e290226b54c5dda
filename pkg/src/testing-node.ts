// `runstate/testing` in Node, Deno and Bun.

import { readFileSync } from "node:fs";

import * as glue from "../build/runstate_testing.js";
import { files } from "./node/files.js";
import { type TestingGlue, worlds } from "./testing.js";

export * from "./testing.js";
export { files } from "./node/files.js";
export { version } from "./version.js";

function init(begun: TestingGlue): void {
  begun.initSync({ module: readFileSync(new URL("./runstate_testing_bg.wasm", import.meta.url)) });
  begun.provideFiles?.(files);
}

async function compile(name: string, source: string) {
  return (await import("./compiler-node.js")).compile(name, source);
}

export const simulated = worlds(glue as unknown as TestingGlue, init, compile);
