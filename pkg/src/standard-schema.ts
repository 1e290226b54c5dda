// Schemas of values: those of libraries that implement Standard Schema, and JSON Schemas.

import type { Engine } from "./engine.js";
import { RunstateError } from "./errors.js";
import { encodeAnswer, encodeParams } from "./json-encoding.js";
import type { FromSchema, JsonSchema } from "./schema.js";

/** A schema of any library that implements Standard Schema 1 (https://standardschema.dev), such as Zod or Valibot. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a Standard Schema says about a value. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** Why a Standard Schema refuses a value. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A schema of a library, or a JSON Schema. */
export type ValueSchema = StandardSchema | JsonSchema;

/** The type of the values that a schema gives. */
export type ValueOf<S> = S extends StandardSchema<infer _, infer Output> ? Output : FromSchema<S>;

/** The type of the values that a schema takes. */
export type InputOf<S> = S extends StandardSchema<infer Input, infer _> ? Input : FromSchema<S>;

/** The place of a value in the store, for its error. */
interface ValuePlace {
  readonly collection?: string;
  readonly key?: string;
}

/** Checks values against one schema. */
export class SchemaCheck {
  readonly #engine: Engine;
  readonly #schema: ValueSchema | undefined;
  /** The JSON Schema as text. */
  readonly #text: string | undefined;

  /** Throws `usage` if the schema cannot be used; `label` names it. */
  constructor(engine: Engine, label: string, schema: ValueSchema | undefined) {
    this.#engine = engine;
    this.#schema = schema;
    if (schema === undefined || isStandard(schema)) return;
    this.#text = encodeParams(label, schema);
    engine.check(label, this.#text);
  }

  /** Returns the value as the schema returns it. Throws `invalid` if the schema refuses it; `label` names the value. */
  async check(label: string, value: unknown, place: ValuePlace = {}): Promise<unknown> {
    if (this.#schema === undefined) return value;
    if (!isStandard(this.#schema)) {
      this.#engine.check(label, this.#text as string, encodeAnswer(value));
      return value;
    }
    const result = await this.#schema["~standard"].validate(value);
    if (result.issues === undefined) return result.value;
    const issues = result.issues.map(({ message, path = [] }) => ({ message, path: path.map(keyOf) }));
    const reasons = issues.map(({ message, path }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`));
    const message = `${label} does not match its schema: ${reasons.join("; ")}`;
    throw new RunstateError({ code: "invalid", message, ...place, details: { issues } });
  }
}

export function isStandard(schema: ValueSchema): schema is StandardSchema {
  return "~standard" in schema;
}

function keyOf(part: PropertyKey | { readonly key: PropertyKey }): string {
  return String(typeof part === "object" ? part.key : part);
}
