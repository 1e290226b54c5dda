// The type of the answers that a JSON schema takes, as far as types can say it.

import type { Json } from "./json.js";

/** The JSON Schema that questions may use. */
export interface JsonSchema {
  readonly type?: TypeName | readonly TypeName[];
  readonly properties?: { readonly [name: string]: JsonSchema };
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly [keyword: string]: unknown;
}

type TypeName = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";

/**
 * What fits the schema `S`.
 *
 * @example
 * type Person = FromSchema<{ type: "object"; required: ["name"]; properties: { name: { type: "string" }; age: { type: "integer" } } }>;
 * // { name: string; age?: number }
 */
export type FromSchema<S> = S extends { readonly const: infer C }
  ? Mutable<C>
  : S extends { readonly enum: readonly (infer E)[] }
    ? Mutable<E>
    : S extends { readonly type: readonly (infer T)[] }
      ? T extends TypeName
        ? OfType<T, S>
        : Json
      : S extends { readonly type: infer T extends TypeName }
        ? OfType<T, S>
        : S extends { readonly properties: object }
          ? OfObject<S>
          : Json;

type OfType<T extends TypeName, S> = T extends "object"
  ? OfObject<S>
  : T extends "array"
    ? S extends { readonly items: infer I }
      ? FromSchema<I>[]
      : Json[]
    : T extends "string"
      ? string
      : T extends "number" | "integer"
        ? number
        : T extends "boolean"
          ? boolean
          : null;

type OfObject<S> = S extends { readonly properties: infer P }
  ? Flat<
      { [K in keyof P & Required<S>]: FromSchema<P[K]> } & { [K in Exclude<keyof P, Required<S>>]?: FromSchema<P[K]> }
    >
  : S extends { readonly additionalProperties: infer A extends object }
    ? { [key: string]: FromSchema<A> }
    : { [key: string]: Json };

type Required<S> = S extends { readonly required: readonly (infer R)[] } ? R : never;

/** One object type instead of an intersection: for people who read it. */
type Flat<T> = { [K in keyof T]: T[K] };

/** What `const` made read-only in the schema is an ordinary value as an answer. */
type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
