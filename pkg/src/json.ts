// Plain values: what programs take in and give out, and all that crosses into the WebAssembly.

/** A plain value: what JSON can say. At most 64 levels deep; integers within ±(2^53 - 1). */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What is accepted where a {@link Json} is wanted: members that are `undefined` are left out, as `JSON.stringify` does. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain | undefined };
