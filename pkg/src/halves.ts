// Halves of pairs of UTF-16, which JavaScript allows in texts and UTF-8 cannot say: on their way something else would become of them.

import { RunstateError } from "./errors.js";

const HALF = /\p{Surrogate}/u;
const HALVES = /\p{Surrogate}/gu;

/** Half of a pair as `JSON.stringify` writes it; what begins so may also be a backslash and letters. */
const WRITTEN = /\\ud[89a-f]/;

/** Whether it is a text with half of a pair in it. */
export function isHalved(value: unknown): boolean {
  return typeof value === "string" && HALF.test(value);
}

/** Refuses a text, or a list of texts, that holds half of a pair; `what` names it. */
export function refuseHalves(what: string, value: unknown): void {
  if (isHalved(value) || (Array.isArray(value) && value.some(isHalved))) throw halved(what);
}

/** `params` as the JSON text that crosses into the WebAssembly; `of` names what they are for. */
export function crossing(of: string, params: object): string {
  const text = JSON.stringify(params);
  if (!WRITTEN.test(text)) return text;
  for (const [name, value] of Object.entries(params)) {
    const at = halfIn(value, name);
    if (at !== null) throw halved(`${of}: \`${at}\``);
  }
  return text;
}

/** A text in which U+FFFD stands for halves of pairs. */
export function wellFormed(said: string): string {
  return said.replace(HALVES, "\ufffd");
}

/** Where a text, or a text within, has half of a pair; null: nowhere. */
function halfIn(value: unknown, at: string): string | null {
  if (typeof value === "string") return isHalved(value) ? at : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    const found = isHalved(key) ? at : halfIn(member, Array.isArray(value) ? `${at}[${key}]` : `${at}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

function halved(what: string): RunstateError {
  return new RunstateError({ code: "invalid", message: `${what} holds half of a surrogate pair, which is no text` });
}
