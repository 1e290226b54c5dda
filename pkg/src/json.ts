// Plain values: what programs take in and give out, and all that crosses into the WebAssembly.

export type { Json } from "./generated.js";

/**
 * What is accepted where a `Json` is wanted: read-only lists and objects too, and members that are `undefined`, which are left out as
 * `JSON.stringify` does. At most 64 levels deep; integers within ±(2^53 - 1).
 */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain | undefined };
