// `runstate/testing` in pages and workers.

import * as glue from "../build/runstate_testing.js";
import { type TestingGlue, worlds } from "./testing.js";

export * from "./testing.js";
export { version } from "./version.js";

function init(begun: TestingGlue): Promise<unknown> {
  return begun.default({ module_or_path: new URL("./runstate_testing_bg.wasm", import.meta.url) });
}

async function compile(name: string, source: string) {
  return (await import("./compiler-browser.js")).compile(name, source);
}

export const simulated = worlds(glue as unknown as TestingGlue, init, compile);
