// Encodes values as JSON text in one pass, and rejects values that JSON cannot represent: `JSON.stringify` would
// silently omit such values or replace them. The error names the path of the value. Lone surrogates are halves of UTF-16
// pairs, which JavaScript strings may contain and UTF-8 cannot encode.

import { RunstateError } from "./errors.js";

/** The maximum depth of a JSON value, as in `crates/core/src/limits.rs`. */
const MAX_DEPTH = 64;

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;
const LONE = "contains a lone surrogate, which UTF-8 cannot encode";

/** Encodes parameters for the WebAssembly. Parameters that are undefined are omitted. `name` names the operation in
 * the error. */
export function encodeParams(name: string, params: object): string {
  return encode(params, `${name}: `, "", MAX_DEPTH + 1);
}

/** Encodes the answer of a handler. */
export function encodeAnswer(answer: unknown): string {
  return encode(answer, "", "answer", MAX_DEPTH);
}

/** Throws `invalid` if a value is a string with a lone surrogate. `label` names the value in the error. */
export function rejectLoneSurrogates(label: string, value: unknown): void {
  if (typeof value !== "string" || !LONE_SURROGATE.test(value)) return;
  throw new RunstateError({ code: "invalid", message: `${label} ${LONE}; remove or replace it` });
}

/** Replaces lone surrogates by U+FFFD, as `String.prototype.toWellFormed` does. */
export function toWellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, "\ufffd");
}

/** Encodes `root`. `prefix` is the beginning of an error, and `path` names `root` in it. */
function encode(root: unknown, prefix: string, path: string, maxDepth: number): string {
  /** The objects around the current value. */
  const above: object[] = [];
  return JSON.stringify(root, function (this: object, key: string): unknown {
    // Not the argument, to which `toJSON` was applied.
    const value: unknown = (this as Record<string, unknown>)[key];
    while (above.length > 0 && above[above.length - 1] !== this) above.pop();
    const problem = LONE_SURROGATE.test(key) ? `the key @ ${LONE}` : findProblem(this, key, value, above, maxDepth);
    if (problem !== null) {
      const at = locate(above, key, path);
      // A member that is undefined is omitted. An answer is a mistake then, as a forgotten `return`.
      if (value !== undefined || Array.isArray(this) || at === "answer") throw refusal(prefix, problem, at);
    }
    if (typeof value === "object" && value !== null) above.push(value);
    return value;
  });
}

/** Describes why JSON cannot represent `value` under `key` of `holder`, with `@` for its path; null if it can. */
function findProblem(holder: object, key: string, value: unknown, above: readonly object[], maxDepth: number): string | null {
  switch (typeof value) {
    case "string":
      return LONE_SURROGATE.test(value) ? `@ ${LONE}` : null;
    case "number":
      return Number.isFinite(value) ? null : `@ is ${value}`;
    case "boolean":
      return null;
    case "undefined":
      return key in holder ? "@ is undefined" : "@ is a hole in a list";
    case "object": {
      if (value === null) return null;
      if (above.includes(value)) return "@ contains itself";
      if (above.length === maxDepth) return `@ is deeper than ${MAX_DEPTH} levels`;
      const kind = Array.isArray(value) ? null : classOf(value);
      return kind === null ? null : `@ is a ${kind}`;
    }
    default:
      return `@ is a ${typeof value}`;
  }
}

function refusal(prefix: string, problem: string, path: string): RunstateError {
  const message = `${prefix}${problem.replace("@", () => `\`${path}\``)}. Pass a value that JSON can represent, at most ${MAX_DEPTH} levels deep`;
  return new RunstateError({ code: /^answer\b/.test(path) ? "invalid_answer" : "invalid", message });
}

/** The path of the value under `key`, in the root with `path`. An object that occurs twice is refused where it occurs
 * first. */
function locate(above: readonly object[], key: string, path: string): string {
  const keyOf = (value: object, holder: object) => Object.entries(holder).find(([, member]) => member === value)?.[0];
  const keys = above.map((holder, depth) => (depth + 1 < above.length ? keyOf(above[depth + 1] as object, holder) : key) as string);
  return keys.reduce((path, key, depth) => path + segment(above[depth], key, path), path);
}

function segment(holder: unknown, key: string, path: string): string {
  if (Array.isArray(holder)) return `[${key}]`;
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `[${JSON.stringify(key)}]`;
  return path === "" ? key : `.${key}`;
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
