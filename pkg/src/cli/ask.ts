// Asking a person at the terminal, or whoever writes to a pipe: the question, its choices by number, text or beginning, and until when.

import { type Interface, createInterface } from "node:readline/promises";
import { setTimeout as pause } from "node:timers/promises";

import type { Json } from "../json.js";
import type { OpenCall } from "../wire.js";
import { type Out, moment, shown } from "./out.js";

/** The question and its numbered choices, what is expected, and until when. */
export function question(call: OpenCall): string {
  const choices = (call.choices ?? []).map((choice, at) => `  ${at + 1}) ${shown(choice)}\n`);
  const expected = call.schema === null || call.choices !== null ? "" : `  expected: ${JSON.stringify(call.schema)}\n`;
  return `? ${call.prompt}\n${choices.join("")}${expected}${ends(call)}`;
}

function ends({ deadline, default: instead }: OpenCall): string {
  if (deadline === null) return "";
  const then = instead === undefined ? "the program is told that nobody answered" : JSON.stringify(instead);
  return `  until ${moment(deadline)}, then ${then}\n`;
}

/** What was meant by what was typed; `wrong`: what may be typed instead. */
export function meant(call: OpenCall, typed: string): { answer: Json } | { wrong: string } {
  if (call.choices === null) return { answer: typed };
  return choice(call.choices, typed.trim());
}

function choice(choices: readonly Json[], typed: string): { answer: Json } | { wrong: string } {
  const texts = choices.map((value) => shown(value).trim());
  const numbered = /^(\d+)\)?$/.exec(typed);
  const at = numbered === null ? -1 : Number(numbered[1]) - 1;
  const exact = texts.indexOf(typed);
  if (exact >= 0 && at in choices && exact !== at) {
    return { wrong: `\`${typed}\` is one choice and the number of another; type \`${exact + 1})\` or \`${at + 1})\`` };
  }
  const begun = typed === "" ? [] : indices(texts, (text) => text.toLowerCase().startsWith(typed.toLowerCase()));
  const folded = indices(texts, (text) => text.toLowerCase() === typed.toLowerCase());
  const found = exact >= 0 ? exact : at in choices ? at : folded.length === 1 ? folded[0] : begun.length === 1 ? begun[0] : undefined;
  if (found !== undefined) return { answer: choices[found] as Json };
  if (begun.length > 1) {
    return { wrong: `\`${typed}\` could be ${begun.map((n) => texts[n]).join(" or ")}; type more of it or its number` };
  }
  const what = typed === "" ? "no choice was made" : `\`${typed}\` is none of the choices`;
  return { wrong: `${what}; type a number from 1 to ${choices.length}, or ${texts.join(", ")}` };
}

function indices(texts: readonly string[], fits: (text: string) => boolean): number[] {
  return texts.flatMap((text, at) => (fits(text) ? [at] : []));
}

/** Asks until the answer is one; null: nobody answers; `late`: the time for it is over. */
export async function ask(call: OpenCall, out: Out): Promise<{ answer: Json } | "late" | null> {
  const signal = call.deadline === null ? undefined : AbortSignal.timeout(Math.max(0, call.deadline - Date.now()));
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const gone = new AbortController();
  terminal.once("close", () => gone.abort());
  // What readline takes for itself, to let the process be stopped.
  terminal.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    for (;;) {
      const typed = await terminal.question("> ", { signal: signal ? AbortSignal.any([signal, gone.signal]) : gone.signal });
      const said = meant(call, typed);
      if ("answer" in said) return said;
      out.converse(`${said.wrong}\n`);
    }
  } catch (error) {
    if (signal?.aborted) return "late";
    if (gone.signal.aborted) return null;
    throw error;
  } finally {
    terminal.close();
  }
}

/** How long a pipe may stay silent before its first line, in milliseconds: some programs start others with a pipe that they never write to. */
const FIRST_LINE_MS = 5000;

/** Answers that are piped in, a line each. Nothing is read before the first one is asked for. */
export class Pipe {
  #reader: Interface | undefined;
  #lines: AsyncIterator<string> | undefined;
  #heard = false;

  /** The next answer as it was typed; null: there is none; `late`: the time for it is over. */
  async next({ deadline }: OpenCall): Promise<{ typed: string } | "late" | null> {
    this.#reader ??= createInterface({ input: process.stdin, crlfDelay: Infinity });
    this.#lines ??= this.#reader[Symbol.asyncIterator]();
    const over = new AbortController();
    const after = (ms: number, what: "late" | null) => pause(Math.max(0, ms), what, { signal: over.signal }).catch(() => what);
    const waits: Promise<{ typed: string } | "late" | null>[] = [
      this.#lines.next().then(({ done, value }) => (done === true ? null : { typed: value })),
    ];
    if (!this.#heard) waits.push(after(FIRST_LINE_MS, null));
    if (deadline !== null) waits.push(after(deadline - Date.now(), "late"));
    const line = await Promise.race(waits);
    over.abort();
    this.#heard ||= line !== null && line !== "late";
    return line;
  }

  /** Lets the process end. */
  close(): void {
    this.#reader?.close();
  }
}
