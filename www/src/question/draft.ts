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

/** The draft if it has the shape of the field, otherwise an empty one. */
export function fitDraft(field: FormField, draft: FormDraft | null | undefined): FormDraft {
  const shape = (value: unknown) => (Array.isArray(value) ? "list" : typeof value);
  const empty = emptyDraft(field);
  return draft !== null && shape(draft) === shape(empty) ? (draft as FormDraft) : empty;
}

function isEmpty(draft: FormDraft): boolean {
  return typeof draft === "string" ? draft === "" : Object.values(draft).every(isEmpty);
}

/** Converts a draft to its value. `at` is the id of its input; `name` is its name in messages. */
export function parseDraft(field: FormField, draft: FormDraft, at: string, name: string): ParsedDraft {
  const typed = fitDraft(field, draft);
  if (field.kind === "object") return parseObject(field.members, typed as { [name: string]: FormDraft }, at);
  if (field.kind === "list") return parseList(field.item, typed as FormDraft[], at, name);
  const text = typed as string;
  const needs = (noun: string, input = at) => ({ wrong: `${name} needs ${noun}`, at: input });
  switch (field.kind) {
    case "fixed":
      return { value: field.value };
    case "text":
      return { value: text };
    case "number": {
      const number = Number(text.trim().replace(",", "."));
      return text.trim() !== "" && Number.isFinite(number) ? { value: number } : needs("a number");
    }
    case "yesno":
      return text === "" ? needs("a yes or a no", `${at}-yes`) : { value: text === "yes" };
    case "choice":
      return text === "" ? needs("a choice") : { value: field.values[Number(text)] ?? null };
    case "json":
      try {
        return { value: JSON.parse(text) as Json };
      } catch (error) {
        return needs(`JSON: ${(error as Error).message}`);
      }
  }
}

function parseObject(members: Extract<FormField, { kind: "object" }>["members"], typed: { [name: string]: FormDraft }, at: string): ParsedDraft {
  const value: { [name: string]: Json } = {};
  for (const { name, field, required } of members) {
    const part = typed[name] ?? emptyDraft(field);
    // An empty optional member is omitted.
    if (!required && isEmpty(part)) continue;
    const parsed = parseDraft(field, part, `${at}.${name}`, name);
    if ("wrong" in parsed) return parsed;
    value[name] = parsed.value;
  }
  return { value };
}

function parseList(item: FormField, typed: FormDraft[], at: string, name: string): ParsedDraft {
  const value: Json[] = [];
  for (const [index, part] of typed.entries()) {
    // An empty row is not an item.
    if (isEmpty(part)) continue;
    const parsed = parseDraft(item, part, `${at}.${index}`, `${name} ${index + 1}`);
    if ("wrong" in parsed) return parsed;
    value.push(parsed.value);
  }
  return { value };
}
