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

function formatDeadline({ deadline, default: defaultAnswer }: OpenCall): string {
  if (deadline === null) return "";
  const then = defaultAnswer === undefined ? "the program gets a TimeoutError" : JSON.stringify(defaultAnswer);
  return `  until ${formatTime(deadline)}, then ${then}\n`;
}

/** Parses a typed answer. `wrong` says why it is invalid and what to type instead. */
export function parseAnswer(call: OpenCall, typed: string): { answer: Json } | { wrong: string } {
  if (call.choices === null) return { answer: typed };
  return matchChoice(call.choices, typed.trim());
}

function matchChoice(choices: readonly Json[], typed: string): { answer: Json } | { wrong: string } {
  const texts = choices.map((value) => formatValue(value).trim());
  const digits = /^(\d+)\)?$/.exec(typed);
  const at = digits === null ? -1 : Number(digits[1]) - 1;
  const exact = texts.indexOf(typed);
  if (exact >= 0 && at in choices && exact !== at) {
    const numbered = (choice: number): string => `\`${choice + 1})\` for ${texts[choice]}`;
    return { wrong: `\`${typed}\` is ambiguous: it is one choice and the number of another; type ${numbered(exact)} or ${numbered(at)}` };
  }
  const prefixed = typed === "" ? [] : indices(texts, (text) => text.toLowerCase().startsWith(typed.toLowerCase()));
  const folded = indices(texts, (text) => text.toLowerCase() === typed.toLowerCase());
  const found = exact >= 0 ? exact : at in choices ? at : folded.length === 1 ? folded[0] : prefixed.length === 1 ? prefixed[0] : undefined;
  if (found !== undefined) return { answer: choices[found] as Json };
  if (prefixed.length > 1) {
    return { wrong: `\`${typed}\` is ambiguous: it could be ${prefixed.map((n) => texts[n]).join(" or ")}; type more of it or its number` };
  }
  const why = typed === "" ? "no choice was made" : `\`${typed}\` is not one of the choices`;
  return { wrong: `${why}; type a number from 1 to ${choices.length}, or ${texts.join(", ")}` };
}

function indices(texts: readonly string[], matches: (text: string) => boolean): number[] {
  return texts.flatMap((text, at) => (matches(text) ? [at] : []));
}

/** Asks until the answer is valid. Resolves to null if the terminal is closed, and to `late` if the deadline has passed. */
export async function ask(call: OpenCall, out: OutputWriter): Promise<{ answer: Json } | "late" | null> {
  const signal = call.deadline === null ? undefined : AbortSignal.timeout(Math.max(0, call.deadline - Date.now()));
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new AbortController();
  terminal.once("close", () => closed.abort());
  // readline intercepts ctrl-c, so the signal is sent to this process again.
  terminal.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    for (;;) {
      const typed = await terminal.question("> ", { signal: signal ? AbortSignal.any([signal, closed.signal]) : closed.signal });
      const parsed = parseAnswer(call, typed);
      if ("answer" in parsed) return parsed;
      out.writePrompt(`${parsed.wrong}\n`);
    }
  } catch (error) {
    if (signal?.aborted) return "late";
    if (closed.signal.aborted) return null;
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
  /** A read whose line no question has received. It outlives the question, because the line that it reads may come after the deadline. */
  #pending: Promise<{ typed: string } | null> | undefined;
  #hasRead = false;

  /** Reads the next answer. Resolves to null if there is none, and to `late` if the deadline has passed. */
  async next({ deadline }: OpenCall): Promise<{ typed: string } | "late" | null> {
    this.#reader ??= createInterface({ input: process.stdin, crlfDelay: Infinity });
    this.#lines ??= this.#reader[Symbol.asyncIterator]();
    this.#pending ??= this.#lines.next().then(({ done, value }) => (done === true ? null : { typed: value }));
    const settled = new AbortController();
    const after = (ms: number, outcome: "late" | null) => pause(Math.max(0, ms), outcome, { signal: settled.signal }).catch(() => outcome);
    const waits: Promise<{ typed: string } | "late" | null>[] = [this.#pending];
    if (!this.#hasRead) waits.push(after(FIRST_LINE_MS, null));
    if (deadline !== null) waits.push(after(deadline - Date.now(), "late"));
    const line = await Promise.race(waits);
    settled.abort();
    if (line === null || line === "late") return line;
    this.#pending = undefined;
    this.#hasRead = true;
    return line;
  }

  /** Closes standard input, which would keep the process alive. */
  close(): void {
    this.#reader?.close();
  }
}
