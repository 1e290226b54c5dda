// What was typed into a form, as it was typed (a number that is half written is no number yet), and the value that it means.

import type { Json } from "runstate";

import type { Field } from "./field";

/** What was typed: texts for all that is written or picked, lists and objects of them. */
export type Draft = string | Draft[] | { [name: string]: Draft };

/** What a draft means, or what is wrong with it and where (the id of the input). */
export type Meaning = { value: Json } | { wrong: string; at: string };

/** Nothing typed yet. */
export function emptyOf(field: Field): Draft {
  switch (field.kind) {
    case "object":
      return Object.fromEntries(field.members.map(({ name, field: of }) => [name, emptyOf(of)]));
    case "list":
      return Array.from({ length: Math.max(1, Math.min(field.least, 20)) }, () => emptyOf(field.item));
    default:
      return "";
  }
}

/** Whether nothing was typed into any part of it. */
export function isEmpty(draft: Draft): boolean {
  if (typeof draft === "string") return draft === "";
  return Object.values(draft).every(isEmpty);
}

/** The value that a draft means. `at` is the id of its input, `name` what messages call it. */
export function meaning(field: Field, draft: Draft, at: string, name: string): Meaning {
  switch (field.kind) {
    case "fixed":
      return { value: field.value };
    case "object":
      return object(field, draft, at);
    case "list":
      return list(field, draft, at, name);
    default:
      return typeof draft === "string" ? single(field, draft, at, name) : { wrong: `${name} is missing`, at };
  }
}

type Single = Exclude<Field, { kind: "fixed" | "object" | "list" }>;

function single(field: Single, typed: string, at: string, name: string): Meaning {
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
      return json(typed, at, name);
  }
}

function json(typed: string, at: string, name: string): Meaning {
  try {
    return { value: JSON.parse(typed) as Json };
  } catch (error) {
    return { wrong: `${name} needs JSON: ${(error as Error).message}`, at };
  }
}

function object(field: Extract<Field, { kind: "object" }>, draft: Draft, at: string): Meaning {
  const typed = typeof draft === "object" && !Array.isArray(draft) ? draft : {};
  const value: { [name: string]: Json } = {};
  for (const { name, field: of, required } of field.members) {
    const part = typed[name] ?? emptyOf(of);
    // What may be left out, and was.
    if (!required && isEmpty(part)) continue;
    const meant = meaning(of, part, `${at}.${name}`, name);
    if ("wrong" in meant) return meant;
    value[name] = meant.value;
  }
  return { value };
}

function list(field: Extract<Field, { kind: "list" }>, draft: Draft, at: string, name: string): Meaning {
  const typed = Array.isArray(draft) ? draft : [];
  const value: Json[] = [];
  for (const [index, part] of typed.entries()) {
    // An empty row at hand is no item.
    if (isEmpty(part)) continue;
    const meant = meaning(field.item, part, `${at}.${index}`, `${name} ${index + 1}`);
    if ("wrong" in meant) return meant;
    value.push(meant.value);
  }
  return { value };
}
