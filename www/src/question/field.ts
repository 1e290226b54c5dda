// Converts a JSON Schema to a form field. Only the engine validates answers. A schema that a form cannot show becomes a field for JSON.

import type { Json } from "runstate";

type SchemaObject = { [key: string]: Json };

export type FormField =
  | { kind: "text"; long: boolean; hint: string }
  | { kind: "number"; integer: boolean; hint: string }
  | { kind: "yesno" }
  | { kind: "choice"; values: Json[] }
  | { kind: "fixed"; value: Json }
  | { kind: "object"; members: FormMember[] }
  | { kind: "list"; item: FormField; min: number; max: number; hint: string }
  | { kind: "json"; hint: string };

export interface FormMember {
  name: string;
  field: FormField;
  required: boolean;
  /** The `description` of the schema; empty if it has none. */
  description: string;
}

/** A text field whose `maxLength` is at least this gets several lines. */
const LONG_TEXT = 120;

/** Schemas that are nested deeper than this are entered as JSON. */
const MAX_DEPTH = 6;

/** The field for a schema. */
export function fieldOf(schema: Json, depth = 0): FormField {
  if (!isSchema(schema) || depth > MAX_DEPTH) return { kind: "json", hint: "" };
  if ("const" in schema) return { kind: "fixed", value: schema["const"] ?? null };
  if (Array.isArray(schema["enum"])) return { kind: "choice", values: schema["enum"] };
  switch (typeOf(schema)) {
    case "string":
      return { kind: "text", long: numberOr(schema["maxLength"], 0) >= LONG_TEXT, hint: textHint(schema) };
    case "number":
      return { kind: "number", integer: false, hint: numberHint(schema) };
    case "integer":
      return { kind: "number", integer: true, hint: numberHint(schema) };
    case "boolean":
      return { kind: "yesno" };
    case "null":
      return { kind: "fixed", value: null };
    case "object":
      return objectField(schema, depth);
    case "array":
      return listField(schema, depth);
    default:
      return { kind: "json", hint: "" };
  }
}

function objectField(schema: SchemaObject, depth: number): FormField {
  const properties = schema["properties"];
  if (!isSchema(properties)) return { kind: "json", hint: "an object" };
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const members = Object.entries(properties).map(([name, property]) => ({
    name,
    field: fieldOf(property, depth + 1),
    required: required.includes(name),
    description: isSchema(property) && typeof property["description"] === "string" ? property["description"] : "",
  }));
  // A form has no input for a required member that `properties` does not describe.
  const described = required.every((name) => typeof name === "string" && name in properties);
  return described ? { kind: "object", members } : { kind: "json", hint: "an object" };
}

function listField(schema: SchemaObject, depth: number): FormField {
  const items = schema["items"];
  if (!isSchema(items)) return { kind: "json", hint: "a list" };
  const min = numberOr(schema["minItems"], 0);
  const max = numberOr(schema["maxItems"], Infinity);
  const hint = describeRange(
    min > 0 ? min : null,
    max === Infinity ? null : max,
    (n) => `${n} ${n === 1 ? "item" : "items"}`,
  );
  return { kind: "list", item: fieldOf(items, depth + 1), min, max, hint };
}

function typeOf(schema: SchemaObject): Json {
  if (schema["type"] !== undefined) return schema["type"];
  if ("properties" in schema) return "object";
  return "items" in schema ? "array" : null;
}

function textHint(schema: SchemaObject): string {
  const length = describeRange(
    numberOrNull(schema["minLength"]),
    numberOrNull(schema["maxLength"]),
    (n) => `${n} character${n === 1 ? "" : "s"}`,
  );
  const pattern = typeof schema["pattern"] === "string" ? `matching ${schema["pattern"]}` : "";
  return [length === "at least 1 character" ? "" : length, pattern].filter((part) => part !== "").join(", ");
}

function numberHint(schema: SchemaObject): string {
  const bounds = describeRange(numberOrNull(schema["minimum"]), numberOrNull(schema["maximum"]), String);
  const above = schema["exclusiveMinimum"] === undefined ? "" : `above ${String(schema["exclusiveMinimum"])}`;
  const below = schema["exclusiveMaximum"] === undefined ? "" : `below ${String(schema["exclusiveMaximum"])}`;
  const step = schema["multipleOf"] === undefined ? "" : `a multiple of ${String(schema["multipleOf"])}`;
  return [bounds, above, below, step].filter((part) => part !== "").join(", ");
}

function describeRange(min: number | null, max: number | null, format: (n: number) => string): string {
  if (min !== null && max !== null) return min === max ? `exactly ${format(min)}` : `${min} to ${format(max)}`;
  if (min !== null) return `at least ${format(min)}`;
  return max === null ? "" : `at most ${format(max)}`;
}

function numberOrNull(value: Json | undefined): number | null {
  return typeof value === "number" ? value : null;
}

function numberOr(value: Json | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function isSchema(value: Json | undefined): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
