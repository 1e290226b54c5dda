// How a call is answered: by choosing, in an input box, or in an editor; and how texts become answers.

import type { CallView, Json } from "runstate";

import { simplifySchema } from "../../../pkg/src/schema-form.ts";
import { toolOf } from "./agent/tool-kind.ts";
import type { Choice } from "./editor.ts";

/** A JSON Schema without combinations, as far as this file reads it. */
interface Schema {
  nullable?: true;
  type?: Json;
  enum?: Json;
  const?: Json;
  default?: Json;
  properties?: { [name: string]: Schema };
  required?: Json;
}

/** How a call is answered. */
export type AnswerForm =
  | { kind: "choices"; choices: Choice<Json>[] }
  /** One line. `parse` throws if the text is not an answer. */
  | { kind: "text"; parse: (text: string) => Json }
  | { kind: "json" };

/** The scheme of the virtual documents with the schemas of calls. */
export const SCHEMA_SCHEME = "runstate-schema";

/** Whether a person can answer the call. The windows of a workspace answer the calls of its tools. */
export function isAnswerable({ kind }: Pick<CallView, "kind">): boolean {
  return kind !== "timer" && !kind.startsWith("fs.") && toolOf(kind) === undefined;
}

export function formOf(call: Pick<CallView, "kind" | "choices" | "schema">): AnswerForm {
  const schema = simpleSchemaOf(call);
  const listed = Array.isArray(call.choices) ? call.choices : listOf(schema);
  if (listed !== undefined) return { kind: "choices", choices: listed.map(toChoice) };
  if (schema?.type === "integer" || schema?.type === "number") {
    const parse = (text: string) => (schema.nullable && text.trim() === "" ? null : parseNumber(text));
    return { kind: "text", parse };
  }
  if (schema?.type === "string" && schema.nullable) return { kind: "text", parse: (text) => (text === "" ? null : text) };
  if (schema?.type === "string" || (schema === undefined && call.kind === "cc")) return { kind: "text", parse: (text) => text };
  return { kind: "json" };
}

/** Whether answers are written as JSON in an editor, rather than as plain text. */
export function usesJsonEditor(call: Pick<CallView, "kind" | "choices" | "schema">): boolean {
  const form = formOf(call);
  return form.kind !== "text" || form.parse("1") !== "1";
}

/** The values of a schema that has few: with null for a nullable one. */
function listOf(schema: Schema | undefined): Json[] | undefined {
  const listed = Array.isArray(schema?.enum) ? schema.enum : schema?.type === "boolean" ? [true, false] : undefined;
  return listed !== undefined && schema?.nullable && !listed.includes(null) ? [...listed, null] : listed;
}

function simpleSchemaOf(call: Pick<CallView, "schema">): Schema | undefined {
  return call.schema === null ? undefined : (simplifySchema(call.schema) as Schema);
}

function schemaOf({ schema }: Pick<CallView, "schema">): Schema | undefined {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema) ? (schema as Schema) : undefined;
}

function toChoice(value: Json): Choice<Json> {
  return { label: typeof value === "string" ? value : JSON.stringify(value), value };
}

function parseNumber(text: string): number {
  const value = Number(text);
  // `Number` also reads other notations: "", "0x10", "Infinity".
  if (!/^\s*[-+.\d][.\de+-]*\s*$/i.test(text) || !Number.isFinite(value)) throw new Error(`"${text}" is not a number`);
  return value;
}

/** The text with which an editor begins: for JSON the required members of the schema. */
export function template(call: Pick<CallView, "id" | "kind" | "choices" | "schema">): string {
  if (!usesJsonEditor(call)) return "";
  const value = call.choices === null ? example(simpleSchemaOf(call) ?? {}) : null;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  // `$schema` connects the editor's own completion and validation; only objects have a place for it.
  const withSchema = isObject && call.schema !== null && !isCombined(call) ? { $schema: `${SCHEMA_SCHEME}:/${call.id}.json`, ...value } : value;
  return `${JSON.stringify(withSchema, null, 2)}\n`;
}

/** Whether other schemas apply to the answer, which may not allow the member `$schema`. The engine checks such an answer. */
function isCombined(call: Pick<CallView, "schema">): boolean {
  return ["$ref", "anyOf", "oneOf", "allOf"].some((keyword) => keyword in (schemaOf(call) ?? {}));
}

function example(schema: Schema): Json {
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0] ?? null;
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object" || schema.properties !== undefined) {
    const required = Array.isArray(schema.required) ? schema.required : [];
    const names = Object.keys(schema.properties ?? {}).filter((name) => required.includes(name));
    return Object.fromEntries(names.map((name) => [name, example(schema.properties?.[name] ?? {})]));
  }
  const empty: { [type: string]: Json } = { string: "", integer: 0, number: 0, boolean: false, array: [] };
  return empty[String(type)] ?? null;
}

/** The schema as the JSON editor needs it: it also allows the member `$schema`. */
export function editorSchema(call: Pick<CallView, "schema" | "choices">): Json {
  const schema = schemaOf(call);
  if (schema === undefined) return call.choices === null ? {} : { enum: call.choices };
  if (schema.properties === undefined) return schema as Json;
  return { ...schema, properties: { ...schema.properties, $schema: { type: "string" } } } as Json;
}

/** Whether the JSON editor checks a text by itself, because the text names the schema of its call. */
export function isConnected(call: Pick<CallView, "kind" | "choices" | "schema">, text: string): boolean {
  if (!usesJsonEditor(call)) return false;
  const value = JSON.parse(text) as Json;
  return typeof value === "object" && value !== null && "$schema" in value && isOurs(value.$schema);
}

function isOurs(schema: Json | undefined): boolean {
  return typeof schema === "string" && schema.startsWith(`${SCHEMA_SCHEME}:`);
}

/**
 * Parses the text of an editor as an answer.
 *
 * @throws SyntaxError if JSON is expected and the text is not valid JSON
 */
export function parseAnswer(call: Pick<CallView, "kind" | "choices" | "schema">, text: string): Json {
  if (!usesJsonEditor(call)) return text.replace(/\n$/, "");
  const value = JSON.parse(text) as Json;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { $schema, ...answer } = value;
  return isOurs($schema) ? answer : value;
}
