// Plain values: what programs take in and give out, and all that crosses into the WebAssembly.

export type { Json } from "./generated.js";

/**
 * What is accepted where a `Json` is wanted: read-only lists and objects too, and members that are `undefined`, which are left out as
 * `JSON.stringify` does. At most 64 levels deep; integers within ±(2^53 - 1).
 */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain | undefined };

/**
 * `T` where all of it is plain, for parameters: an interface is no {@link Plain} to TypeScript, since others may add members to it, but what it
 * says of its members can be looked at. Functions, and so instances of classes with methods, are `never`.
 */
export type PlainOf<T> = T extends Plain
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { readonly [K in keyof T]: PlainOf<Exclude<T[K], undefined>> | Extract<T[K], undefined> }
      : never;
