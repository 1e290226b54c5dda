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
  readonly format?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  /** `#`, or `#/$defs/NAME`. */
  readonly $ref?: string;
  readonly $defs?: { readonly [name: string]: JsonSchema };
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
export type FromSchema<S, Root = S> = S extends { readonly const: infer C }
  ? Mutable<C>
  : S extends { readonly enum: readonly (infer E)[] }
    ? Mutable<E>
    : S extends { readonly $ref: infer R }
      ? Referred<R, Root>
      : S extends { readonly anyOf: readonly (infer B)[] } | { readonly oneOf: readonly (infer B)[] }
        ? EachOf<B, Root>
        : S extends { readonly allOf: infer A extends readonly unknown[] }
          ? AllOf<A, Root>
          : S extends { readonly type: readonly (infer T)[] }
            ? T extends TypeName
              ? TypedValue<T, S, Root>
              : Json
            : S extends { readonly type: infer T extends TypeName }
              ? TypedValue<T, S, Root>
              : S extends { readonly properties: object }
                ? ObjectValue<S, Root>
                : Json;

type Referred<R, Root> = R extends "#"
  ? FromSchema<Root, Root>
  : R extends `#/$defs/${infer Name}`
    ? Root extends { readonly $defs: { readonly [N in Name]: infer D } }
      ? FromSchema<D, Root>
      : Json
    : Json;

type EachOf<B, Root> = B extends unknown ? FromSchema<B, Root> : never;

type AllOf<A extends readonly unknown[], Root> = A extends readonly [infer First, ...infer Rest]
  ? Rest extends readonly []
    ? FromSchema<First, Root>
    : FromSchema<First, Root> & AllOf<Rest, Root>
  : Json;

type TypedValue<T extends TypeName, S, Root> = T extends "object"
  ? ObjectValue<S, Root>
  : T extends "array"
    ? S extends { readonly items: infer I }
      ? FromSchema<I, Root>[]
      : Json[]
    : T extends "string"
      ? string
      : T extends "number" | "integer"
        ? number
        : T extends "boolean"
          ? boolean
          : null;

type ObjectValue<S, Root> = S extends { readonly properties: infer P }
  ? FlatObject<
      { [K in keyof P & RequiredNames<S>]: FromSchema<P[K], Root> } & {
        [K in Exclude<keyof P, RequiredNames<S>>]?: FromSchema<P[K], Root>;
      }
    >
  : S extends { readonly additionalProperties: infer A extends object }
    ? { [key: string]: FromSchema<A, Root> }
    : { [key: string]: Json };

type RequiredNames<S> = S extends { readonly required: readonly (infer R)[] } ? R : never;

/** Flattens an intersection to one object type, which editors show more readably. */
type FlatObject<T> = { [K in keyof T]: T[K] };

/** Removes the `readonly` that `as const` adds to a schema: answers are ordinary values. */
type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
