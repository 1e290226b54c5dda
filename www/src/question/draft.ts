// The draft of a form: the typed texts, which may be incomplete, and their conversion to a JSON value.

import type { Json } from "runstate";

import type { FormField } from "./field";

/** The typed texts: a string for each input, in lists and objects as in the schema. */
export type FormDraft = string | FormDraft[] | { [name: string]: FormDraft };

/** The value of a draft, or its error with the id of the input. */
export type ParsedDraft = { value: Json } | { wrong: string; at: string };

/** An empty draft for a field. */
export function emptyDraft(field: FormField): FormDraft {
  switch (field.kind) {
    case "object":
      return Object.fromEntries(field.members.map(({ name, field: member }) => [name, emptyDraft(member)]));
    case "list":
      return Array.from({ length: Math.max(1, Math.min(field.min, 20)) }, () => emptyDraft(field.item));
    default:
      return "";
  }
}

/** Whether all texts of a draft are empty. */
export function isEmpty(draft: FormDraft): boolean {
  if (typeof draft === "string") return draft === "";
  return Object.values(draft).every(isEmpty);
}

/** Converts a draft to its value. `at` is the id of its input; `name` is its name in messages. */
export function parseDraft(field: FormField, draft: FormDraft, at: string, name: string): ParsedDraft {
  switch (field.kind) {
    case "fixed":
      return { value: field.value };
    case "object":
      return parseObject(field, draft, at);
    case "list":
      return parseList(field, draft, at, name);
    default:
      return typeof draft === "string" ? parseSingle(field, draft, at, name) : { wrong: `${name} is missing`, at };
  }
}

type SingleField = Exclude<FormField, { kind: "fixed" | "object" | "list" }>;

function parseSingle(field: SingleField, typed: string, at: string, name: string): ParsedDraft {
  switch (field.kind) {
    case "text":
      return { value: typed };
    case "number": {
      const number = Number(typed.trim().replace(",", "."));
      return typed.trim() !== "" && Number.isFinite(number)
        ? { value: number }
        : { wrong: `${name} needs a number`, at };
    }
    case "yesno":
      return typed === "" ? { wrong: `${name} needs a yes or a no`, at: `${at}-yes` } : { value: typed === "yes" };
    case "choice": {
      const value = typed === "" ? undefined : field.values[Number(typed)];
      return value === undefined ? { wrong: `${name} needs a choice`, at } : { value };
    }
    case "json":
      return parseJson(typed, at, name);
  }
}

function parseJson(typed: string, at: string, name: string): ParsedDraft {
  try {
    return { value: JSON.parse(typed) as Json };
  } catch (error) {
    return { wrong: `${name} needs JSON: ${(error as Error).message}`, at };
  }
}

function parseObject(field: Extract<FormField, { kind: "object" }>, draft: FormDraft, at: string): ParsedDraft {
  const typed = typeof draft === "object" && !Array.isArray(draft) ? draft : {};
  const value: { [name: string]: Json } = {};
  for (const { name, field: member, required } of field.members) {
    const part = typed[name] ?? emptyDraft(member);
    // An empty optional member is omitted.
    if (!required && isEmpty(part)) continue;
    const parsed = parseDraft(member, part, `${at}.${name}`, name);
    if ("wrong" in parsed) return parsed;
    value[name] = parsed.value;
  }
  return { value };
}

function parseList(field: Extract<FormField, { kind: "list" }>, draft: FormDraft, at: string, name: string): ParsedDraft {
  const typed = Array.isArray(draft) ? draft : [];
  const value: Json[] = [];
  for (const [index, part] of typed.entries()) {
    // An empty row is not an item.
    if (isEmpty(part)) continue;
    const parsed = parseDraft(field.item, part, `${at}.${index}`, `${name} ${index + 1}`);
    if ("wrong" in parsed) return parsed;
    value.push(parsed.value);
  }
  return { value };
}
