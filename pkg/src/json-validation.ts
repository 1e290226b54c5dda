// Rejects values that JSON cannot represent before they are passed to the WebAssembly. The error names the path of the value.
// `JSON.stringify` would silently omit such values or replace them.

import { RunstateError } from "./errors.js";
import { hasLoneSurrogate } from "./surrogates.js";
import type { Json } from "./json.js";

/** The maximum depth of a JSON value, as in `src/limits.rs`. */
const MAX_DEPTH = 64;

/** Returns `value` if JSON can represent it. `label` names the value in the error. */
export function validateJson(value: unknown, label: string, code: "invalid" | "invalid_answer" = "invalid"): Json {
  const problem = findNonJson(value, label, new Set(), 0);
  if (problem !== null) {
    throw new RunstateError({ code, message: `${problem}. Pass a value that JSON can represent, at most ${MAX_DEPTH} levels deep` });
  }
  return value as Json;
}

/** Describes the first part of `value` that JSON cannot represent; null if there is none. `above` holds the enclosing objects. */
function findNonJson(value: unknown, path: string, above: Set<object>, depth: number): string | null {
  switch (typeof value) {
    case "boolean":
      return null;
    case "string":
      return hasLoneSurrogate(value) ? `${path} contains a lone surrogate` : null;
    case "number":
      return Number.isFinite(value) ? null : `${path} is ${value}`;
    case "undefined":
      return `${path} is undefined`;
    case "object":
      return value === null ? null : findInObject(value, path, above, depth);
    default:
      return `${path} is a ${typeof value}`;
  }
}

function findInObject(value: object, path: string, above: Set<object>, depth: number): string | null {
  if (above.has(value)) return `${path} contains itself`;
  if (depth === MAX_DEPTH) return `${path} is deeper than ${MAX_DEPTH} levels`;
  above.add(value);
  const problem = Array.isArray(value) ? findInItems(value, path, above, depth) : findInMembers(value, path, above, depth);
  above.delete(value);
  return problem;
}

function findInItems(list: unknown[], path: string, above: Set<object>, depth: number): string | null {
  for (let index = 0; index < list.length; index += 1) {
    if (!(index in list)) return `${path}[${index}] is a hole in a list`;
    const problem = findNonJson(list[index], `${path}[${index}]`, above, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

function findInMembers(value: object, path: string, above: Set<object>, depth: number): string | null {
  const kind = classOf(value);
  if (kind !== null) return `${path} is a ${kind}`;
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const at = /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
    const problem = hasLoneSurrogate(key)
      ? `the key ${at} contains a lone surrogate`
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
