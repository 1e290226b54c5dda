// Converts a JSON Schema to a form field. Only the engine validates answers. A schema that a form cannot show becomes a field for JSON.

import type { Json } from "runstate";

import { formatCount, joinTexts } from "../ui/format";

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
  const type = schema["type"] ?? ("properties" in schema ? "object" : "items" in schema ? "array" : "");
  switch (type) {
    case "string":
      return { kind: "text", long: numberOr(schema["maxLength"], 0) >= LONG_TEXT, hint: textHint(schema) };
    case "number":
    case "integer":
      return { kind: "number", integer: type === "integer", hint: numberHint(schema) };
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
  const { properties, required = [] } = schema;
  // A form has no input for a required member that `properties` does not describe.
  const isDescribed = isSchema(properties) && Array.isArray(required) && required.every((name) => String(name) in properties);
  if (!isDescribed) return { kind: "json", hint: "an object" };
  const members = Object.entries(properties).map(([name, property]) => ({
    name,
    field: fieldOf(property, depth + 1),
    required: required.includes(name),
    description: isSchema(property) ? String(property["description"] ?? "") : "",
  }));
  return { kind: "object", members };
}

function listField(schema: SchemaObject, depth: number): FormField {
  const { items, minItems, maxItems } = schema;
  if (!isSchema(items)) return { kind: "json", hint: "a list" };
  const min = numberOr(minItems, 0);
  const hint = describeRange(min > 0 ? min : undefined, maxItems, (n) => formatCount(n, "item"));
  return { kind: "list", item: fieldOf(items, depth + 1), min, max: numberOr(maxItems, Infinity), hint };
}

function textHint({ minLength, maxLength, pattern }: SchemaObject): string {
  const length = describeRange(minLength === 1 ? undefined : minLength, maxLength, (n) => formatCount(n, "character"));
  return joinTexts(", ", length, pattern === undefined ? "" : `matching ${String(pattern)}`);
}

function numberHint({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }: SchemaObject): string {
  const describe = (name: string, bound: Json | undefined) => (bound === undefined ? "" : `${name} ${String(bound)}`);
  return joinTexts(
    ", ",
    describeRange(minimum, maximum, String),
    describe("above", exclusiveMinimum),
    describe("below", exclusiveMaximum),
    describe("a multiple of", multipleOf),
  );
}

function describeRange(min: Json | undefined, max: Json | undefined, format: (n: number) => string): string {
  if (typeof min !== "number") return typeof max === "number" ? `at most ${format(max)}` : "";
  if (typeof max !== "number") return `at least ${format(min)}`;
  return min === max ? `exactly ${format(min)}` : `${min} to ${format(max)}`;
}

function numberOr(value: Json | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function isSchema(value: Json | undefined): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
