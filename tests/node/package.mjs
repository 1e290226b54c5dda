// The built package in the folder of the first argument, and a separate instance of its WebAssembly with the test exports.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const packageUrl = pathToFileURL(`${resolve(process.argv[2])}/`);

/** The package as users import it. */
export const runstate = await import(new URL("dist/node.js", packageUrl));

/** The files over node:fs. */
export const { files } = runstate;

/** The glue of the WebAssembly. */
export const wasm = await import(new URL("build/runstate_testing.js", packageUrl));

wasm.initSync({ module: readFileSync(new URL("dist/runstate_node_bg.wasm", packageUrl)) });
wasm.provideFiles(files);

/** Removes options that are null: Rust serializes an absent option as null, and the package expects it to be omitted. */
export function withoutNulls(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
}
