// Loads and starts the program in the editor. The page shows the execution at once, before it waits for the first time.

import type { Json, Runstate } from "runstate";

import { randomWord } from "../engine/session";
import { notifyError } from "../state/notices";
import { showExecution } from "../state/route";
import type { ProgramDraft } from "./draft";

/** Compiles, loads and starts the program. Rejects if it does not compile or if its input is not valid JSON. */
export async function startDraft(rs: Runstate, { name, source, input }: ProgramDraft): Promise<string> {
  const parsedInput = parseInput(input);
  await rs.cvm.load({ name, source });
  const id = `${name}-${randomWord(5)}`;
  // The start is not awaited: the program may run for a long time, or forever, before it waits.
  rs.cvm.start(name, { id, ...(parsedInput === undefined ? {} : { input: parsedInput }) }).catch(notifyError);
  showExecution(id);
  return id;
}

/** Parses the typed input; undefined if there is none. */
export function parseInput(text: string): Json | undefined {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`the input is not valid JSON: ${(error as Error).message}. Correct it, or leave it empty`);
  }
}
