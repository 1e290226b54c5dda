// The built package with the test exports, from the folder that tests are told.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const place = pathToFileURL(`${resolve(process.argv[2])}/`);

/** What users import. */
export const runstate = await import(new URL("node/index.js", place));

/** The WebAssembly itself. */
export const wasm = await import(new URL("runstate.js", place));

/** The files over node:fs. */
export const { files } = await import(new URL("node/fs.js", place));
