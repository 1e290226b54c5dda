// The names of programs, until the visitor types one. An example has its own name. A changed example has another one: it never becomes
// a version of the example.

import type { Example } from "./examples";

/** The name of a source that was named `name` so far. */
export function nameOf(source: string, name: string, examples: Pick<Example, "name" | "source">[]): string {
  const example = examples.find((one) => one.source === source);
  if (example !== undefined) return example.name;
  return examples.some((one) => one.name === name) ? ownName(name) : name;
}

/** The name of a program that was made from the example `name`. */
export function ownName(name: string): string {
  return `my-${name}`;
}
