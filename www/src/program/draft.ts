// The program in the editor. Every key stroke is saved in local storage, so it survives the tab.

import { signal } from "@preact/signals";

import { browserStorage } from "../state/web-storage";
import { EXAMPLES } from "./examples";
import { programName } from "./names";

export interface ProgramDraft {
  name: string;
  source: string;
  /** The input of the program as JSON; empty for none. */
  input: string;
}

const KEY = "program";

export const draft = signal<ProgramDraft>(storedDraft());

/** Changes and saves a part of the draft. */
export function updateDraft(part: Partial<ProgramDraft>): void {
  draft.value = { ...draft.value, ...part };
  browserStorage.set(KEY, JSON.stringify(draft.value));
}

/** Changes the source. A changed example is renamed. */
export function updateSource(source: string): void {
  updateDraft({ source, name: programName(source, draft.value.name, EXAMPLES) });
}

/** Whether the source is not empty and not that of an example, so that it cannot be restored by picking one. */
export function isOwnWork({ source }: ProgramDraft): boolean {
  return source.trim() !== "" && !EXAMPLES.some((example) => example.source === source);
}

function storedDraft(): ProgramDraft {
  const value = browserStorage.json(KEY) as Partial<ProgramDraft> | null;
  const first = EXAMPLES[0] ?? { name: "program", source: "" };
  if (typeof value?.name !== "string" || typeof value.source !== "string")
    return { name: first.name, source: first.source, input: "" };
  return { name: value.name, source: value.source, input: typeof value.input === "string" ? value.input : "" };
}
