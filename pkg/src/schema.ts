// The TypeScript type of the values that a JSON Schema accepts, as far as types can express it.

import type { Json } from "./json.js";

/** The JSON Schema of an answer. */
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
 * The type of the values that the schema `S` accepts.
 *
 * @example
 * type Person = FromSchema<{ type: "object"; required: ["name"]; properties: { name: { type: "string" } } }>;
 * // { name: string }
 */
export type FromSchema<S> = S extends { readonly const: infer C }
  ? Mutable<C>
  : S extends { readonly enum: readonly (infer E)[] }
    ? Mutable<E>
    : S extends { readonly type: readonly (infer T)[] }
      ? T extends TypeName
        ? TypedValue<T, S>
        : Json
      : S extends { readonly type: infer T extends TypeName }
        ? TypedValue<T, S>
        : S extends { readonly properties: object }
          ? ObjectValue<S>
          : Json;

type TypedValue<T extends TypeName, S> = T extends "object"
  ? ObjectValue<S>
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

type ObjectValue<S> = S extends { readonly properties: infer P }
  ? FlatObject<
      { [K in keyof P & RequiredNames<S>]: FromSchema<P[K]> } & { [K in Exclude<keyof P, RequiredNames<S>>]?: FromSchema<P[K]> }
    >
  : S extends { readonly additionalProperties: infer A extends object }
    ? { [key: string]: FromSchema<A> }
    : { [key: string]: Json };

type RequiredNames<S> = S extends { readonly required: readonly (infer R)[] } ? R : never;

/** Flattens an intersection to one object type, which editors show more readably. */
type FlatObject<T> = { [K in keyof T]: T[K] };

/** Removes the `readonly` that `as const` adds to a schema: answers are ordinary values. */
type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
