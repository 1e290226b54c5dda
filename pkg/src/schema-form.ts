// The one reading of an answer's JSON Schema for forms: of the demo page and of the extension for VS Code. Only the
// engine validates answers. A form needs to know what to show.

import type { Json } from "./json.js";

/** The keywords of a schema. */
export interface FormSchema {
  /** Whether null is valid besides the other values. */
  nullable?: true;
  [keyword: string]: Json | undefined;
}

/** Most schemas of a form. References may repeat a schema many times. */
const MAX_SCHEMAS = 1000;

const COMBINATIONS = ["$ref", "allOf", "anyOf", "oneOf"];
const ANNOTATIONS = ["title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly", "writeOnly"];

/**
 * Returns the schema without references and combinations, as far as a form can show it:
 *
 * - a `$ref` is the schema to which it refers;
 * - the schemas of an `allOf` are one;
 * - an `anyOf` or `oneOf` of values (`const`, `enum`) is one `enum`;
 * - with null as the only other branch or type it is the schema `nullable`.
 *
 * Any other schema has only its annotations: its form is a field for JSON.
 */
export function simplifySchema(schema: Json | undefined): FormSchema {
  const state = { root: keywordsOf(schema), remaining: MAX_SCHEMAS };
  const simple = simplify(schema, state, []);
  return state.remaining < 0 ? annotationsOf(keywordsOf(schema)) : simple;
}

interface State {
  root: FormSchema;
  remaining: number;
}

/** `open` has the references around the schema: one of them within itself has no form. */
function simplify(schema: Json | undefined, state: State, open: readonly string[]): FormSchema {
  if (--state.remaining < 0) return {};
  const keywords = keywordsOf(schema);
  const { $defs: _, ...own } = keywords;
  const rest = omit(own, COMBINATIONS);
  const reference = keywords["$ref"];
  const opened = typeof reference === "string" ? [...open, reference] : open;
  const parts: (FormSchema | undefined)[] = [withoutNullType(rest, state, open)];
  if (reference !== undefined) parts.push(open.includes(String(reference)) ? undefined : simplifyReference(reference, state, opened));
  for (const part of listOf(keywords["allOf"])) parts.push(simplify(part, state, opened));
  for (const keyword of ["anyOf", "oneOf"]) {
    if (keywords[keyword] !== undefined) parts.push(simplifyBranches(listOf(keywords[keyword]), state, opened));
  }
  return merge(parts) ?? annotationsOf(keywords);
}

/** `type: [T, "null"]` is a nullable T. */
function withoutNullType(schema: FormSchema, state: State, open: readonly string[]): FormSchema {
  const simple = { ...schema };
  if (Array.isArray(schema["type"])) {
    const types = schema["type"].filter((type) => type !== "null");
    if (types.length === 1 && types.length < schema["type"].length) Object.assign(simple, { type: types[0], nullable: true });
    else if (schema["type"].length === 1) simple["type"] = schema["type"][0];
  }
  if (schema["properties"] !== undefined) {
    const members = Object.entries(keywordsOf(schema["properties"]));
    simple["properties"] = Object.fromEntries(members.map(([name, member]) => [name, simplify(member, state, open) as Json]));
  }
  if (schema["items"] !== undefined) simple["items"] = simplify(schema["items"], state, open) as Json;
  return simple;
}

function simplifyReference(reference: Json, state: State, open: readonly string[]): FormSchema | undefined {
  if (reference === "#") return simplify(state.root as Json, state, open);
  const name = /^#\/\$defs\/([^/]*)$/.exec(String(reference))?.[1];
  if (name === undefined) return undefined;
  // The engine refuses a name that cannot be decoded.
  const decoded = name.replace(/(%[0-9a-f]{2})+/gi, (bytes) => new TextDecoder().decode(Uint8Array.from(bytes.match(/[0-9a-f]{2}/gi) ?? [], (byte) => parseInt(byte, 16))));
  const definition = keywordsOf(state.root["$defs"])[decoded.replaceAll("~1", "/").replaceAll("~0", "~")];
  return definition === undefined ? undefined : simplify(definition, state, open);
}

function simplifyBranches(branches: readonly Json[], state: State, open: readonly string[]): FormSchema | undefined {
  const all = branches.map((branch) => simplify(branch, state, open));
  const shown = all.filter((branch) => !isNull(branch));
  const nullable = shown.length < all.length || shown.some((branch) => branch.nullable) ? { nullable: true as const } : {};
  if (shown.length === 0) return { type: "null" };
  if (shown.length === 1) return { ...shown[0], ...nullable };
  const values = shown.map(valuesOf);
  if (values.some((list) => list === undefined)) return undefined;
  const unique = new Map(values.flatMap((list) => list ?? []).map((value) => [JSON.stringify(value), value]));
  return { enum: [...unique.values()], ...nullable };
}

/** The schema of all parts; undefined if they are not known, or say different things about the same keyword. */
function merge(parts: readonly (FormSchema | undefined)[]): FormSchema | undefined {
  // Null must be valid by each part that says something.
  const restricting = parts.filter((part) => part === undefined || Object.keys(omit(part, ANNOTATIONS)).length > 0);
  const nullable = restricting.length > 0 && restricting.every((part) => part?.nullable);
  const merged: FormSchema = {};
  for (const part of parts) {
    if (part === undefined) return undefined;
    for (const [keyword, value] of Object.entries(omit(part, ["nullable"]))) {
      const before = merged[keyword];
      if (before === undefined) merged[keyword] = value;
      else if (keyword === "properties" && !Object.keys(keywordsOf(before)).some((name) => name in keywordsOf(value))) {
        merged[keyword] = { ...keywordsOf(before), ...keywordsOf(value) } as Json;
      } else if (keyword === "required") merged[keyword] = [...new Set([...listOf(before), ...listOf(value)])];
      // The annotations of the schema itself come first.
      else if (!ANNOTATIONS.includes(keyword) && JSON.stringify(before) !== JSON.stringify(value)) return undefined;
    }
  }
  return nullable ? { ...merged, nullable: true } : merged;
}

/** The values that a simple schema lists. */
function valuesOf(schema: FormSchema): readonly Json[] | undefined {
  if (schema["const"] !== undefined) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

/** Whether null is the only value of a simple schema. */
export function isNull(schema: FormSchema): boolean {
  return schema["type"] === "null" || schema["const"] === null;
}

function annotationsOf(schema: FormSchema): FormSchema {
  return omit(schema, Object.keys(schema).filter((keyword) => !ANNOTATIONS.includes(keyword)));
}

function omit(schema: FormSchema, names: readonly string[]): FormSchema {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !names.includes(name)));
}

function keywordsOf(schema: Json | undefined): FormSchema {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema) ? schema : {};
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}
