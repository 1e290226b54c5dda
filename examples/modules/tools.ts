// The functions of the program. `count` is live: an import reads its current value.

import prompts from "./prompts.json" with { type: "json" };
import type { Kind, Ticket } from "./types.ts";

export let count = 0;

export function classify(text: string): Ticket {
  const kind = CC(`${prompts.question}\n${text}`, { choices: prompts.kinds }) as Kind;
  count++;
  return { text, kind };
}

export const report = (tickets: Ticket[]) => tickets.map(({ kind, text }) => `${kind.padEnd(8)} ${text}`).join("\n");
