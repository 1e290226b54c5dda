// The program in the editor. Every key stroke is saved in local storage, so it survives the tab.

import { signal } from "@preact/signals";
import type { Json } from "runstate";

import { engine, randomWord } from "../engine/session";
import { notifyError } from "../state/notices";
import { showExecution } from "../state/route";
import { browserStorage } from "../state/web-storage";
import { EXAMPLES } from "./examples";

export interface ProgramDraft {
  name: string;
  source: string;
  /** The input of the program as JSON; empty for none. */
  input: string;
}

export const draft = signal<ProgramDraft>({ ...EXAMPLES[0], input: "", ...(browserStorage.json("program") as Partial<ProgramDraft> | null) });

/** Changes and saves a part of the draft. */
export function updateDraft(part: Partial<ProgramDraft>): void {
  draft.value = { ...draft.value, ...part };
  browserStorage.set("program", JSON.stringify(draft.value));
}

/** Compiles, loads and starts the program. The page shows the execution at once, before it waits for the first time. */
export async function startDraft(): Promise<void> {
  const { name, source, input } = draft.value;
  const options = input.trim() === "" ? {} : { input: parseInput(input) };
  const { cvm } = engine();
  await cvm.load({ name, source });
  const id = `${name}-${randomWord(5)}`;
  // The start is not awaited: the program may run for a long time, or forever, before it waits.
  cvm.start(name, { id, ...options }).catch(notifyError);
  showExecution(id);
}

function parseInput(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`the input is not valid JSON: ${(error as Error).message}. Correct it, or leave it empty`);
  }
}
