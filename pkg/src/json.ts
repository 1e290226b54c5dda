// The types of JSON values: the inputs, answers and results of programs, and all parameters and results of the
// WebAssembly.

export type { Json } from "./generated.js";

/**
 * A value that is accepted as JSON. Lists and objects may be read-only. Members that are `undefined` are omitted, as
 * `JSON.stringify` does. Values are at most 64 levels deep. Numbers are doubles, also those beyond 2^53.
 */
export type JsonInput = null | boolean | number | string | readonly JsonInput[] | { readonly [key: string]: JsonInput | undefined };

/**
 * `T` if JSON can represent all of it, for the types of parameters. TypeScript does not accept an interface as
 * {@link JsonInput}, because other declarations may add members to it; this type checks the members instead.
 * Functions, and so instances of classes with methods, become `never`.
 */
export type JsonInputOf<T> = T extends JsonInput
  ? T
  : T extends (...args: never[]) => unknown
    ? never
    : T extends object
      ? { readonly [K in keyof T]: JsonInputOf<Exclude<T[K], undefined>> | Extract<T[K], undefined> }
      : never;
