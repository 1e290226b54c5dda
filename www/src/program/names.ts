// The default names of programs. An example has its own name. A changed example gets another name, so that it does not become a version of the
// example.

import type { Example } from "./examples";

/** The new name of a source whose name was `name`. */
export function programName(source: string, name: string, examples: Pick<Example, "name" | "source">[]): string {
  const example = examples.find((one) => one.source === source);
  if (example !== undefined) return example.name;
  return examples.some((one) => one.name === name) ? renameExample(name) : name;
}

/** The name of a program that is based on the example `name`. */
export function renameExample(name: string): string {
  return `my-${name}`;
}
