// Prompts for answers at a terminal or through a pipe. A choice can be given by its number, its text or the beginning of its text.

import { type Interface, createInterface } from "node:readline/promises";
import { setTimeout as pause } from "node:timers/promises";

import type { Json } from "../json.js";
import type { OpenCall } from "../wire.js";
import { type OutputWriter, formatTime, formatValue } from "./output.js";

/** Formats a question with its numbered choices, its schema and its deadline. */
export function formatQuestion(call: OpenCall): string {
  const choices = (call.choices ?? []).map((choice, at) => `  ${at + 1}) ${formatValue(choice)}\n`);
  const expected = call.schema === null || call.choices !== null ? "" : `  expected: ${JSON.stringify(call.schema)}\n`;
  return `? ${call.prompt}\n${choices.join("")}${expected}${formatDeadline(call)}`;
}

function formatDeadline({ deadline, default: instead }: OpenCall): string {
  if (deadline === null) return "";
  const then = instead === undefined ? "the program gets a TimeoutError" : JSON.stringify(instead);
  return `  until ${formatTime(deadline)}, then ${then}\n`;
}

/** Parses a typed answer. `wrong` says why it is invalid and what to type instead. */
export function parseAnswer(call: OpenCall, typed: string): { answer: Json } | { wrong: string } {
  if (call.choices === null) return { answer: typed };
  return matchChoice(call.choices, typed.trim());
}

function matchChoice(choices: readonly Json[], typed: string): { answer: Json } | { wrong: string } {
  const texts = choices.map((value) => formatValue(value).trim());
  const numbered = /^(\d+)\)?$/.exec(typed);
  const at = numbered === null ? -1 : Number(numbered[1]) - 1;
  const exact = texts.indexOf(typed);
  if (exact >= 0 && at in choices && exact !== at) {
    return { wrong: `\`${typed}\` is ambiguous: it is one choice and the number of another; type \`${exact + 1})\` or \`${at + 1})\`` };
  }
  const begun = typed === "" ? [] : indices(texts, (text) => text.toLowerCase().startsWith(typed.toLowerCase()));
  const folded = indices(texts, (text) => text.toLowerCase() === typed.toLowerCase());
  const found = exact >= 0 ? exact : at in choices ? at : folded.length === 1 ? folded[0] : begun.length === 1 ? begun[0] : undefined;
  if (found !== undefined) return { answer: choices[found] as Json };
  if (begun.length > 1) {
    return { wrong: `\`${typed}\` is ambiguous: it could be ${begun.map((n) => texts[n]).join(" or ")}; type more of it or its number` };
  }
  const why = typed === "" ? "the answer is empty" : `\`${typed}\` is none of the choices`;
  return { wrong: `${why}; type a number from 1 to ${choices.length}, or ${texts.join(", ")}` };
}

function indices(texts: readonly string[], fits: (text: string) => boolean): number[] {
  return texts.flatMap((text, at) => (fits(text) ? [at] : []));
}

/** Asks until the answer is valid. Resolves to null if the terminal is closed, and to `late` if the deadline has passed. */
export async function ask(call: OpenCall, out: OutputWriter): Promise<{ answer: Json } | "late" | null> {
  const signal = call.deadline === null ? undefined : AbortSignal.timeout(Math.max(0, call.deadline - Date.now()));
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const gone = new AbortController();
  terminal.once("close", () => gone.abort());
  // readline intercepts ctrl-c, so the signal is sent to this process again.
  terminal.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    for (;;) {
      const typed = await terminal.question("> ", { signal: signal ? AbortSignal.any([signal, gone.signal]) : gone.signal });
      const parsed = parseAnswer(call, typed);
      if ("answer" in parsed) return parsed;
      out.writePrompt(`${parsed.wrong}\n`);
    }
  } catch (error) {
    if (signal?.aborted) return "late";
    if (gone.signal.aborted) return null;
    throw error;
  } finally {
    terminal.close();
  }
}

/** How long to wait for the first line of a pipe, in milliseconds. Some programs start others with a pipe and never write to it. */
const FIRST_LINE_MS = 5000;

/** Answers from a pipe, one per line. Nothing is read before the first question. */
export class PipedAnswers {
  #reader: Interface | undefined;
  #lines: AsyncIterator<string> | undefined;
  #hasRead = false;

  /** Reads the next answer. Resolves to null if there is none, and to `late` if the deadline has passed. */
  async next({ deadline }: OpenCall): Promise<{ typed: string } | "late" | null> {
    this.#reader ??= createInterface({ input: process.stdin, crlfDelay: Infinity });
    this.#lines ??= this.#reader[Symbol.asyncIterator]();
    const over = new AbortController();
    const after = (ms: number, outcome: "late" | null) => pause(Math.max(0, ms), outcome, { signal: over.signal }).catch(() => outcome);
    const waits: Promise<{ typed: string } | "late" | null>[] = [
      this.#lines.next().then(({ done, value }) => (done === true ? null : { typed: value })),
    ];
    if (!this.#hasRead) waits.push(after(FIRST_LINE_MS, null));
    if (deadline !== null) waits.push(after(deadline - Date.now(), "late"));
    const line = await Promise.race(waits);
    over.abort();
    this.#hasRead ||= line !== null && line !== "late";
    return line;
  }

  /** Closes standard input, which would keep the process alive. */
  close(): void {
    this.#reader?.close();
  }
}
