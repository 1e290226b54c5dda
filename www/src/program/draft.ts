// The program that is being written. It is kept at every key stroke, for longer than the tab: killing it loses nothing here either.

import { signal } from "@preact/signals";

import { inBrowser } from "../state/kept";
import { EXAMPLES } from "./examples";
import { nameOf } from "./names";

export interface ProgramDraft {
  name: string;
  source: string;
  /** What the program is given, as JSON; empty: nothing. */
  input: string;
}

const KEY = "program";

export const draft = signal<ProgramDraft>(kept());

/** Changes a part of it. */
export function write(part: Partial<ProgramDraft>): void {
  draft.value = { ...draft.value, ...part };
  inBrowser.set(KEY, JSON.stringify(draft.value));
}

/** Changes the source. A changed example gets a name of its own. */
export function writeSource(source: string): void {
  write({ source, name: nameOf(source, draft.value.name, EXAMPLES) });
}

/** Whether it is something that nobody could get back by picking an example. */
export function isOwnWork({ source }: ProgramDraft): boolean {
  return source.trim() !== "" && !EXAMPLES.some((example) => example.source === source);
}

function kept(): ProgramDraft {
  const value = inBrowser.json(KEY) as Partial<ProgramDraft> | null;
  const first = EXAMPLES[0] ?? { name: "program", source: "" };
  if (typeof value?.name !== "string" || typeof value.source !== "string")
    return { name: first.name, source: first.source, input: "" };
  return { name: value.name, source: value.source, input: typeof value.input === "string" ? value.input : "" };
}
