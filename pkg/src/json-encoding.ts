// Encodes values as JSON text in one pass, and rejects values that JSON cannot represent: `JSON.stringify` would
// silently omit such values or replace them. The error names the path of the value. Lone surrogates are halves of UTF-16
// pairs, which JavaScript strings may contain and UTF-8 cannot encode.

import { RunstateError } from "./errors.js";

/** The maximum depths of a value and of a document, as in `crates/value/src/limits.rs`. */
const VALUE_DEPTH = 64;
const DOCUMENT_DEPTH = 100;

/** How much of a path an error shows. */
const PATH_LENGTH = 100;

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;
const LONE = "contains a lone surrogate, which UTF-8 cannot encode";

/** Encodes parameters for the WebAssembly. Parameters that are undefined are omitted. `name` names the operation in
 * the error. */
export function encodeParams(name: string, params: object): string {
  // The parameters are one level around a value, and `writes[0]` are two more around a document.
  const [depth, around] = name.startsWith("documents.") ? [DOCUMENT_DEPTH, 3] : [VALUE_DEPTH, 1];
  return encode(params, `${name}: `, "", depth, around);
}

/** Encodes the answer of a handler. */
export function encodeAnswer(answer: unknown): string {
  return encode(answer, "", "answer", VALUE_DEPTH, 0);
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

/** Encodes `root`. `prefix` is the beginning of an error, and `path` names `root` in it. `around`: levels that do not
 * count. */
function encode(root: unknown, prefix: string, path: string, depth: number, around: number): string {
  /** The objects around the current value. */
  const above: object[] = [];
  return JSON.stringify(root, function (this: object, key: string): unknown {
    // Not the argument, to which `toJSON` was applied.
    const value: unknown = (this as Record<string, unknown>)[key];
    while (above.length > 0 && above[above.length - 1] !== this) above.pop();
    const problem = LONE_SURROGATE.test(key) ? `the key @ ${LONE}` : findProblem(this, key, value, above);
    const tooDeep = typeof value === "object" && value !== null && above.length === depth + around;
    if (problem !== null || tooDeep) {
      const at = locate(above, key, path);
      // A member that is undefined is omitted. An answer is a mistake then, as a forgotten `return`.
      if (value !== undefined || Array.isArray(this) || at === "answer") throw refusal(prefix, problem ?? `@ is deeper than ${depth} levels`, at, depth);
    }
    if (typeof value === "object" && value !== null) above.push(value);
    return value;
  });
}

/** Describes why JSON cannot represent `value` under `key` of `holder`, with `@` for its path; null if it can. */
function findProblem(holder: object, key: string, value: unknown, above: readonly object[]): string | null {
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
      const kind = Array.isArray(value) ? null : classOf(value);
      return kind === null ? null : `@ is a ${kind}`;
    }
    default:
      return `@ is a ${typeof value}`;
  }
}

function refusal(prefix: string, problem: string, path: string, depth: number): RunstateError {
  const shown = path.length > PATH_LENGTH ? `${path.slice(0, PATH_LENGTH)}…` : path;
  const message = `${prefix}${problem.replace("@", () => `\`${shown}\``)}. Pass a value that JSON can represent, at most ${depth} levels deep`;
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
export function classOf(value: object): string | null {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty"))) {
    return null;
  }
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "class instance";
}
