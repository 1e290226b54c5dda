// The types of the values that are passed to and from the WebAssembly. generated.ts is generated from the Rust sources; this file adds the names that
// only the package uses.

import type { Calls } from "./generated.js";

export type * from "./generated.js";

/** The name of an operation. */
export type OperationName = keyof Calls;
