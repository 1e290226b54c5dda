// A JSON Schema as the field of a form: what is asked for, in which shape. The engine alone judges whether an answer fits; what a form
// cannot show becomes a field for JSON.

import type { Json } from "runstate";

type Schema = { [key: string]: Json };

export type Field =
  | { kind: "text"; long: boolean; hint: string }
  | { kind: "number"; whole: boolean; hint: string }
  | { kind: "yesno" }
  | { kind: "choice"; values: Json[] }
  | { kind: "fixed"; value: Json }
  | { kind: "object"; members: Member[] }
  | { kind: "list"; item: Field; least: number; most: number; hint: string }
  | { kind: "json"; hint: string };

export interface Member {
  name: string;
  field: Field;
  required: boolean;
  /** What the schema says of it in words. */
  description: string;
}

/** Texts that may be at least so long get more than one line. */
const LONG = 120;

/** Forms deeper than this are filled in as JSON. */
const DEEPEST = 6;

/** The field for a schema. */
export function fieldOf(schema: Json, depth = 0): Field {
  if (!isSchema(schema) || depth > DEEPEST) return { kind: "json", hint: "" };
  if ("const" in schema) return { kind: "fixed", value: schema["const"] ?? null };
  if (Array.isArray(schema["enum"])) return { kind: "choice", values: schema["enum"] };
  switch (typeOf(schema)) {
    case "string":
      return { kind: "text", long: number(schema["maxLength"], 0) >= LONG, hint: textHint(schema) };
    case "number":
      return { kind: "number", whole: false, hint: numberHint(schema) };
    case "integer":
      return { kind: "number", whole: true, hint: numberHint(schema) };
    case "boolean":
      return { kind: "yesno" };
    case "null":
      return { kind: "fixed", value: null };
    case "object":
      return object(schema, depth);
    case "array":
      return list(schema, depth);
    default:
      return { kind: "json", hint: "" };
  }
}

function object(schema: Schema, depth: number): Field {
  const properties = schema["properties"];
  if (!isSchema(properties)) return { kind: "json", hint: "an object" };
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const members = Object.entries(properties).map(([name, of]) => ({
    name,
    field: fieldOf(of, depth + 1),
    required: required.includes(name),
    description: isSchema(of) && typeof of["description"] === "string" ? of["description"] : "",
  }));
  // A form cannot ask for what is required and not described.
  const described = required.every((name) => typeof name === "string" && name in properties);
  return described ? { kind: "object", members } : { kind: "json", hint: "an object" };
}

function list(schema: Schema, depth: number): Field {
  const items = schema["items"];
  if (!isSchema(items)) return { kind: "json", hint: "a list" };
  const least = number(schema["minItems"], 0);
  const most = number(schema["maxItems"], Infinity);
  const hint = range(
    least > 0 ? least : null,
    most === Infinity ? null : most,
    (n) => `${n} ${n === 1 ? "item" : "items"}`,
  );
  return { kind: "list", item: fieldOf(items, depth + 1), least, most, hint };
}

function typeOf(schema: Schema): Json {
  if (schema["type"] !== undefined) return schema["type"];
  if ("properties" in schema) return "object";
  return "items" in schema ? "array" : null;
}

function textHint(schema: Schema): string {
  const length = range(
    optional(schema["minLength"]),
    optional(schema["maxLength"]),
    (n) => `${n} character${n === 1 ? "" : "s"}`,
  );
  const pattern = typeof schema["pattern"] === "string" ? `matching ${schema["pattern"]}` : "";
  return [length === "at least 1 character" ? "" : length, pattern].filter((part) => part !== "").join(", ");
}

function numberHint(schema: Schema): string {
  const bounds = range(optional(schema["minimum"]), optional(schema["maximum"]), String);
  const above = schema["exclusiveMinimum"] === undefined ? "" : `above ${String(schema["exclusiveMinimum"])}`;
  const below = schema["exclusiveMaximum"] === undefined ? "" : `below ${String(schema["exclusiveMaximum"])}`;
  const step = schema["multipleOf"] === undefined ? "" : `a multiple of ${String(schema["multipleOf"])}`;
  return [bounds, above, below, step].filter((part) => part !== "").join(", ");
}

function range(least: number | null, most: number | null, say: (n: number) => string): string {
  if (least !== null && most !== null) return least === most ? `exactly ${say(least)}` : `${least} to ${say(most)}`;
  if (least !== null) return `at least ${say(least)}`;
  return most === null ? "" : `at most ${say(most)}`;
}

function optional(value: Json | undefined): number | null {
  return typeof value === "number" ? value : null;
}

function number(value: Json | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function isSchema(value: Json | undefined): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
