// The built package in the folder that tests are told, and its WebAssembly with the test exports, begun on its own.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const place = pathToFileURL(`${resolve(process.argv[2])}/`);

/** What users import. */
export const runstate = await import(new URL("dist/node.js", place));

/** The files over node:fs. */
export const { files } = runstate;

/** The WebAssembly itself. */
export const wasm = await import(new URL("build/runstate_testing.js", place));

wasm.initSync({ module: readFileSync(new URL("dist/runstate_node_bg.wasm", place)) });
wasm.provideFiles(files);

/** What Rust writes as null is not given in JavaScript. */
export function given(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
}
