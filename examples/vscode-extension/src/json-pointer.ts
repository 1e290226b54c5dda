// Where a value is in the text of an answer. The engine names the value by its JSON Pointer (RFC 6901): `at /name: …`.

import type { Problem } from "./editor.ts";

/** A text of JSON, a mark, or another value. */
const TOKEN = /"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Longer texts are not searched: a token could be too long for the regular expression. */
const SEARCHED_LENGTH = 1_000_000;

/** The offset of the value at a pointer, in a valid JSON text. Returns 0 if there is no such value, or the text is
 * very long. */
export function locate(text: string, pointer: string): number {
  if (text.length > SEARCHED_LENGTH) return 0;
  // The containers around the current value, each with the key of the value in it.
  const around: { key: string | number; expectsKey: boolean }[] = [];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const container = around.at(-1);
    if (token === ":") continue;
    if (token === "}" || token === "]") {
      around.pop();
    } else if (token === ",") {
      if (typeof container?.key === "number") container.key++;
      else if (container !== undefined) container.expectsKey = true;
    } else if (container?.expectsKey === true) {
      Object.assign(container, { key: JSON.parse(token), expectsKey: false });
    } else {
      if (around.map(({ key }) => `/${escape(key)}`).join("") === pointer) return index;
      if (token === "{") around.push({ key: "", expectsKey: true });
      if (token === "[") around.push({ key: 0, expectsKey: false });
    }
  }
  return 0;
}

function escape(key: string | number): string {
  return String(key).replaceAll("~", "~0").replaceAll("/", "~1");
}

/** A problem that the engine has found in an answer, at its place in the text. */
export function problemIn(text: string, found: string): Problem {
  const [, pointer, rest] = /^at (\/.*?): (.*)$/s.exec(found) ?? [];
  const before = text.slice(0, pointer === undefined ? 0 : locate(text, pointer)).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, message: rest ?? found };
}
