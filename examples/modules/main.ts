// A program of several files: it triages the messages of `prompts.json` with the functions of `tools.ts`.
//
//   runstate run examples/modules
//   runstate run examples/modules --answers examples/modules/answers.json
//
// A saved execution depends on no file: `runstate load` stores the entry with all files that it imports.

import prompts from "./prompts.json" with { type: "json" };
import { classify, count, report } from "./tools.ts";
import type { Ticket } from "./types.ts";

export default function main(): Record<string, number> {
  const tickets: Ticket[] = prompts.messages.map((text: string) => classify(text));
  console.log(report(tickets));
  console.log(`${count} messages classified`);
  const counts: Record<string, number> = {};
  for (const { kind } of tickets) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
