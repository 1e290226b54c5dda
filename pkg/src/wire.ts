// The types of the values that are passed to and from the WebAssembly, without the code beside them.

export type * from "./generated.js";
