// Loading and starting the program that was written. The page goes to the execution at once and does not wait for its first stop.

import type { Json, Runstate } from "runstate";

import { randomWord } from "../engine/session";
import { tellError } from "../state/notices";
import { show } from "../state/route";
import type { ProgramDraft } from "./draft";

/** Compiles and loads the program; then starts it. Rejects where it does not compile, or its input is no JSON. */
export async function start(rs: Runstate, { name, source, input }: ProgramDraft): Promise<string> {
  const given = inputOf(input);
  await rs.cvm.load({ name, source });
  const id = `${name}-${randomWord(5)}`;
  // Where it first stops may be long from here, or nowhere.
  rs.cvm.start(name, { id, ...(given === undefined ? {} : { input: given }) }).catch(tellError);
  show(id);
  return id;
}

/** What was typed as input; undefined: nothing was. */
export function inputOf(text: string): Json | undefined {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`the input is no JSON: ${(error as Error).message}`);
  }
}
