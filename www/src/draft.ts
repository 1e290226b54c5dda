// The draft of an answer that a schema describes: the typed texts, which may be incomplete, and their conversion to a
// JSON value. Only the engine validates answers. The schemas are those of `simplifySchema`, without combinations.

import type { Json } from "runstate/full";

import { formatValue } from "./format";

export type Schema = { [keyword: string]: Json };

/** The text of each input, in objects as in the schema. An input without text has "". */
export type Draft = string | { [name: string]: Draft };

/** The value of a draft, or its error with the id of the input. */
export type ParsedDraft = { value: Json } | { wrong: string; at: string };

export type FieldKind = "object" | "lines" | "choice" | "fixed" | "number" | "text" | "json";

/** The kind of input for a schema. A list of simple items has one on each line. A schema that a form cannot show
 * becomes a field for JSON. */
export function fieldKind(schema: Json): FieldKind {
  const { type, properties, items, required = [], enum: values } = toSchema(schema);
  if ("const" in toSchema(schema) || type === "null") return "fixed";
  if (Array.isArray(values) || type === "boolean") return "choice";
  if (type === "string") return "text";
  if (type === "number" || type === "integer") return "number";
  // A form has no input for a required member that `properties` does not describe.
  const isDescribed = Array.isArray(required) && required.every((name) => String(name) in toSchema(properties));
  if (properties !== undefined && isDescribed && (type ?? "object") === "object") return "object";
  if (items !== undefined && (type ?? "array") === "array" && /^(choice|number|text)$/.test(fieldKind(items))) return "lines";
  return "json";
}

export interface Member {
  name: string;
  schema: Json;
  required: boolean;
}

export function membersOf(schema: Json): Member[] {
  const { properties = null, required = [] } = toSchema(schema);
  return Object.entries(toSchema(properties)).map(([name, member]) => ({ name, schema: member, required: (required as Json[]).includes(name) }));
}

export function memberOf(draft: Draft, name: string): Draft {
  return typeof draft === "object" ? (draft[name] ?? "") : "";
}

/** The values of a choice with their labels. */
export function choicesOf(schema: Json): [label: string, value: Json][] {
  const { enum: values } = toSchema(schema);
  return Array.isArray(values) ? values.map((value) => [formatValue(value), value]) : [["yes", true], ["no", false]];
}

const BOUNDS = /^(minimum|exclusiveM.*|maximum|multipleOf|min.*|max.*|pattern)$/;

/** Describes the bounds of a schema, and the choices of the items of a list: `min length 1, max length 5`. */
export function describeBounds(schema: Json): string {
  const { items = null, ...keywords } = toSchema(schema);
  const bounds = Object.entries(keywords).filter(([keyword]) => BOUNDS.test(keyword)).sort().reverse();
  const texts = bounds.map(([keyword, bound]) => `${keyword.replace(/[A-Z]/, (letter) => ` ${letter.toLowerCase()}`)} ${String(bound)}`);
  if (fieldKind(items) === "choice") texts.unshift(choicesOf(items).map(([label]) => label).join(" or "));
  return texts.join(", ");
}

/** Converts a draft to its value. `at` is the id of its input; `name` is its name in messages. */
export function parseDraft(schema: Json, draft: Draft, at: string, name: string): ParsedDraft {
  if (isNullable(schema) && isEmpty(draft)) return { value: null };
  const text = typeof draft === "string" ? draft : "";
  const needs = (noun: string) => ({ wrong: `${name} needs ${noun}`, at });
  switch (fieldKind(schema)) {
    case "object":
      return parseObject(schema, draft, at);
    case "lines":
      return parseLines(schema, text, at, name);
    case "fixed":
      return { value: toSchema(schema)["const"] ?? null };
    case "text":
      return { value: text };
    case "number": {
      const number = Number(text.trim().replace(",", "."));
      return text.trim() !== "" && Number.isFinite(number) ? { value: number } : needs("a number");
    }
    case "choice": {
      const choices = choicesOf(schema);
      const choice = choices.find(([label]) => label === text.trim());
      return choice === undefined ? needs(choices.map(([label]) => label).join(" or ")) : { value: choice[1] };
    }
    case "json":
      try {
        return { value: JSON.parse(text) as Json };
      } catch (error) {
        return needs(`JSON: ${(error as Error).message}`);
      }
  }
}

function parseObject(schema: Json, draft: Draft, at: string): ParsedDraft {
  const value: { [name: string]: Json } = {};
  for (const { name, schema: member, required } of membersOf(schema)) {
    const part = memberOf(draft, name);
    // An empty optional member is omitted.
    if (!required && isEmpty(part)) continue;
    const parsed = parseDraft(member, part, `${at}.${name}`, name);
    if ("wrong" in parsed) return parsed;
    value[name] = parsed.value;
  }
  return { value };
}

function parseLines(schema: Json, text: string, at: string, name: string): ParsedDraft {
  const value: Json[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const parsed = parseDraft(toSchema(schema)["items"] ?? null, line, at, `line ${index + 1} of ${name}`);
    if ("wrong" in parsed) return parsed;
    value.push(parsed.value);
  }
  return { value };
}

function isEmpty(draft: Draft): boolean {
  return typeof draft === "string" ? draft === "" : Object.values(draft).every(isEmpty);
}

/** Whether the input is left empty for null. */
export function isNullable(schema: Json): boolean {
  return toSchema(schema)["nullable"] === true;
}

/** The keywords of a schema; none if it is not an object. */
export function toSchema(schema: Json | undefined): Schema {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema) ? schema : {};
}
