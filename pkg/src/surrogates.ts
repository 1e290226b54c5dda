// Lone surrogates: halves of UTF-16 pairs, which JavaScript strings may contain and UTF-8 cannot encode. Unchecked, they would be replaced silently.

import { RunstateError } from "./errors.js";

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** A lone surrogate as `JSON.stringify` escapes it. The match may also be a literal backslash followed by letters. */
const ESCAPED_SURROGATE = /\\ud[89a-f]/;

/** Whether a value is a string with a lone surrogate. */
export function hasLoneSurrogate(value: unknown): boolean {
  return typeof value === "string" && LONE_SURROGATE.test(value);
}

/** Throws `invalid` if a string, or a string in a list, has a lone surrogate. `label` names the value in the error. */
export function rejectLoneSurrogates(label: string, value: unknown): void {
  if (hasLoneSurrogate(value) || (Array.isArray(value) && value.some(hasLoneSurrogate))) throw loneSurrogateError(label);
}

/** Encodes parameters as JSON text for the WebAssembly. `method` names the operation in the error. */
export function encodeParams(method: string, params: object): string {
  const text = JSON.stringify(params);
  if (!ESCAPED_SURROGATE.test(text)) return text;
  for (const [name, value] of Object.entries(params)) {
    const path = findLoneSurrogate(value, name);
    if (path !== null) throw loneSurrogateError(`${method}: \`${path}\``);
  }
  return text;
}

/** Replaces lone surrogates by U+FFFD, as `String.prototype.toWellFormed` does. */
export function toWellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, "\ufffd");
}

/** The path of the first string with a lone surrogate; null if there is none. */
function findLoneSurrogate(value: unknown, path: string): string | null {
  if (typeof value === "string") return hasLoneSurrogate(value) ? path : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    const found = hasLoneSurrogate(key) ? path : findLoneSurrogate(member, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

function loneSurrogateError(label: string): RunstateError {
  return new RunstateError({ code: "invalid", message: `${label} contains a lone surrogate, which UTF-8 cannot encode; remove or replace it` });
}
