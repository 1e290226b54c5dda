// The answers that were acknowledged before an engine was killed, written down outside of the store and compared with it later. Each
// line is there when `acknowledged` returns; a death of the tab loses none.

import { signal } from "@preact/signals";

import { inBrowser } from "../state/kept";

/** One burst at a time, in whichever tab; a tab that is dead holds the lock no more. */
export const LOCK = "runstate-www:burst";

/** A burst of answers in whose middle the engine is killed. */
export interface Attempt {
  /** The store that it wrote to. */
  store: string;
  execution: string;
  /** When it began, in milliseconds since 1970. */
  begun: number;
  /** When the engine was killed; null: the whole tab died, or is alive. */
  killed: number | null;
  /** The execution that was looked at meanwhile, and its state hash: it must not have changed. */
  watched: { id: string; hash: string } | null;
}

/** An answer that was sent, or acknowledged. */
export interface Line {
  key: string;
  answer: string;
}

export interface Ledger {
  attempt: Attempt;
  sent: Line[];
  acknowledged: Line[];
}

const KEYS = ["kill.attempt", "kill.sent", "kill.acknowledged", "kill.proof"];

/** Deaths that are remembered for the lifelines. */
const REMEMBERED = 50;

/** When engines were killed, the newest last. */
export const deaths = signal<number[]>(keptDeaths());

export function begin(attempt: Attempt): void {
  clear();
  inBrowser.set("kill.sent", "");
  inBrowser.set("kill.acknowledged", "");
  inBrowser.set("kill.attempt", JSON.stringify(attempt));
}

export function sent(line: Line): void {
  append("kill.sent", line);
}

export function acknowledged(line: Line): void {
  append("kill.acknowledged", line);
}

/** Writes down that the engine was killed. */
export function killed(attempt: Attempt, at: number): void {
  inBrowser.set("kill.attempt", JSON.stringify({ ...attempt, killed: at }));
  deaths.value = [...deaths.value, at].slice(-REMEMBERED);
  inBrowser.set("deaths", JSON.stringify(deaths.value));
}

/** What a former life of this or another tab left; null: nothing. */
export function left(): Ledger | null {
  const attempt = inBrowser.json("kill.attempt") as Attempt | null;
  if (attempt === null || typeof attempt.execution !== "string") return null;
  return { attempt, sent: lines("kill.sent"), acknowledged: lines("kill.acknowledged") };
}

export function clear(): void {
  for (const key of KEYS) inBrowser.remove(key);
}

function append(key: string, { key: name, answer }: Line): void {
  inBrowser.set(key, `${inBrowser.get(key) ?? ""}${name}\t${answer}\n`);
}

function lines(key: string): Line[] {
  const text = inBrowser.get(key) ?? "";
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", answer = ""] = line.split("\t");
      return { key: name, answer };
    });
}

function keptDeaths(): number[] {
  const kept = inBrowser.json("deaths");
  return Array.isArray(kept) ? kept.filter((at) => typeof at === "number") : [];
}
