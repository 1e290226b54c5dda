// What JavaScript has and JSON has not is refused before it crosses into the WebAssembly, by the path at which it stands:
// `JSON.stringify` would leave it out, turn it into null, or into something else.

import { RunstateError } from "./errors.js";
import { isHalved } from "./halves.js";
import type { Json } from "./json.js";

/** How deep a plain value may be; as in `src/limits.rs`. */
const DEPTH = 64;

/** `value` itself, where JSON can say it; `what` names it in the error. */
export function plain(value: unknown, what: string, code: "invalid" | "invalid_answer" = "invalid"): Json {
  const wrong = misfit(value, what, new Set(), 0);
  if (wrong !== null) {
    throw new RunstateError({ code, message: `${wrong}; a plain value is what JSON can say` });
  }
  return value as Json;
}

/** What of `value` JSON cannot say, in words. */
function misfit(value: unknown, path: string, above: Set<object>, depth: number): string | null {
  switch (typeof value) {
    case "boolean":
      return null;
    case "string":
      return isHalved(value) ? `${path} holds half of a surrogate pair` : null;
    case "number":
      return Number.isFinite(value) ? null : `${path} is ${value}`;
    case "undefined":
      return `${path} is undefined`;
    case "object":
      return value === null ? null : inside(value, path, above, depth);
    default:
      return `${path} is a ${typeof value}`;
  }
}

function inside(value: object, path: string, above: Set<object>, depth: number): string | null {
  if (above.has(value)) return `${path} holds itself`;
  if (depth === DEPTH) return `${path} is deeper than ${DEPTH} levels`;
  above.add(value);
  const wrong = Array.isArray(value) ? items(value, path, above, depth) : members(value, path, above, depth);
  above.delete(value);
  return wrong;
}

function items(list: unknown[], path: string, above: Set<object>, depth: number): string | null {
  for (let index = 0; index < list.length; index += 1) {
    if (!(index in list)) return `${path}[${index}] is a hole in a list`;
    const wrong = misfit(list[index], `${path}[${index}]`, above, depth + 1);
    if (wrong !== null) return wrong;
  }
  return null;
}

function members(value: object, path: string, above: Set<object>, depth: number): string | null {
  const kind = classOf(value);
  if (kind !== null) return `${path} is a ${kind}`;
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const at = /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
    const wrong = isHalved(key)
      ? `the key ${at} holds half of a surrogate pair`
      : misfit(member, at, above, depth + 1);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** The class of which `value` is an instance; null: a plain object, from this realm or another. */
function classOf(value: object): string | null {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty"))) {
    return null;
  }
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "class instance";
}
