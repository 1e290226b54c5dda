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

/** Throws `invalid` if a string, or a string in a list, has a lone surrogate. `what` names the value in the error. */
export function rejectLoneSurrogates(what: string, value: unknown): void {
  if (hasLoneSurrogate(value) || (Array.isArray(value) && value.some(hasLoneSurrogate))) throw loneSurrogateError(what);
}

/** Encodes parameters as JSON text for the WebAssembly. `of` names the operation in the error. */
export function encodeParams(of: string, params: object): string {
  const text = JSON.stringify(params);
  if (!ESCAPED_SURROGATE.test(text)) return text;
  for (const [name, value] of Object.entries(params)) {
    const at = findLoneSurrogate(value, name);
    if (at !== null) throw loneSurrogateError(`${of}: \`${at}\``);
  }
  return text;
}

/** Replaces lone surrogates by U+FFFD, as `String.prototype.toWellFormed` does. */
export function toWellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, "\ufffd");
}

/** The path of the first string with a lone surrogate; null if there is none. */
function findLoneSurrogate(value: unknown, at: string): string | null {
  if (typeof value === "string") return hasLoneSurrogate(value) ? at : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    const found = hasLoneSurrogate(key) ? at : findLoneSurrogate(member, Array.isArray(value) ? `${at}[${key}]` : `${at}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

function loneSurrogateError(what: string): RunstateError {
  return new RunstateError({ code: "invalid", message: `${what} contains a lone surrogate, which UTF-8 cannot encode; remove or replace it` });
}
