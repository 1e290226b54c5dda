// Encodes parameters as JSON text, and rejects values that JSON cannot represent: `JSON.stringify` would silently omit
// such values or replace them. The error names the path of the value. Lone surrogates are halves of UTF-16 pairs,
// which JavaScript strings may contain and UTF-8 cannot encode.

import { RunstateError } from "./errors.js";
import type { Json } from "./json.js";

/** The maximum depth of a JSON value, as in `src/limits.rs`. */
const MAX_DEPTH = 64;

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** Encodes parameters for the WebAssembly. Parameters that are undefined are omitted. `name` names the operation in
 * the error. */
export function encodeParams(name: string, params: object): string {
  for (const [parameter, value] of Object.entries(params)) {
    // An answer that is undefined is a mistake, as a forgotten `return`; null is a valid answer.
    if (value !== undefined || parameter === "answer") validateJson(value, `${name}: `, parameter);
  }
  return JSON.stringify(params);
}

/** Returns `value` if JSON can represent it. `prefix` is the beginning of the error, and `path` names the
 * value in it. */
export function validateJson(value: unknown, prefix: string, path: string): Json {
  const problem = findNonJson(value, path, new Set(), 0);
  if (problem !== null) {
    const message = `${prefix}${problem}. Pass a value that JSON can represent, at most ${MAX_DEPTH} levels deep`;
    throw new RunstateError({ code: path === "answer" ? "invalid_answer" : "invalid", message });
  }
  return value as Json;
}

/** Throws `invalid` if a value is a string with a lone surrogate. `label` names the value in the error. */
export function rejectLoneSurrogates(label: string, value: unknown): void {
  if (!hasLoneSurrogate(value)) return;
  throw new RunstateError({ code: "invalid", message: `${label} contains a lone surrogate, which UTF-8 cannot encode; remove or replace it` });
}

/** Replaces lone surrogates by U+FFFD, as `String.prototype.toWellFormed` does. */
export function toWellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, "\ufffd");
}

function hasLoneSurrogate(value: unknown): boolean {
  return typeof value === "string" && LONE_SURROGATE.test(value);
}

/** Describes the first part of `value` that JSON cannot represent; null if there is none. `above` holds the enclosing
 * objects. */
function findNonJson(value: unknown, path: string, above: Set<object>, depth: number): string | null {
  switch (typeof value) {
    case "boolean":
      return null;
    case "string":
      return hasLoneSurrogate(value) ? `\`${path}\` contains a lone surrogate, which UTF-8 cannot encode` : null;
    case "number":
      return Number.isFinite(value) ? null : `\`${path}\` is ${value}`;
    case "undefined":
      return `\`${path}\` is undefined`;
    case "object":
      return value === null ? null : findInObject(value, path, above, depth);
    default:
      return `\`${path}\` is a ${typeof value}`;
  }
}

function findInObject(value: object, path: string, above: Set<object>, depth: number): string | null {
  if (above.has(value)) return `\`${path}\` contains itself`;
  if (depth === MAX_DEPTH) return `\`${path}\` is deeper than ${MAX_DEPTH} levels`;
  above.add(value);
  const problem = Array.isArray(value) ? findInItems(value, path, above, depth) : findInMembers(value, path, above, depth);
  above.delete(value);
  return problem;
}

function findInItems(list: unknown[], path: string, above: Set<object>, depth: number): string | null {
  for (let index = 0; index < list.length; index += 1) {
    if (!(index in list)) return `\`${path}[${index}]\` is a hole in a list`;
    const problem = findNonJson(list[index], `${path}[${index}]`, above, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

function findInMembers(value: object, path: string, above: Set<object>, depth: number): string | null {
  const kind = classOf(value);
  if (kind !== null) return `\`${path}\` is a ${kind}`;
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const at = /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
    const problem = hasLoneSurrogate(key)
      ? `the key \`${at}\` contains a lone surrogate, which UTF-8 cannot encode`
      : findNonJson(member, at, above, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

/** The class of `value`; null for a plain object, from this realm or another. */
function classOf(value: object): string | null {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty"))) {
    return null;
  }
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "class instance";
}
