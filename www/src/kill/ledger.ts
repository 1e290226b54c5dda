// A record of the acknowledged answers of a burst, kept outside of the store and compared with it after the kill. Each line is written when
// `recordAcknowledged` returns, so a killed tab loses none.

import { signal } from "@preact/signals";

import { browserStorage } from "../state/web-storage";

/** The Web Lock that allows one burst at a time in all tabs. The browser releases the lock of a dead tab. */
export const LOCK = "runstate-www:burst";

/** A burst of answers during which the engine is killed. */
export interface Attempt {
  /** The URL of its store. */
  store: string;
  execution: string;
  /** Its start, in milliseconds since 1970. */
  begun: number;
  /** The time of the kill, in milliseconds since 1970; null if the whole tab was killed or the burst still runs. */
  killed: number | null;
  /** The execution that was shown during the burst, with its state hash, which must not change. */
  watched: { id: string; hash: string } | null;
}

/** An answer that was sent, or acknowledged. */
export interface BurstAnswer {
  key: string;
  answer: string;
}

export interface Ledger {
  attempt: Attempt;
  sent: BurstAnswer[];
  acknowledged: BurstAnswer[];
}

const KEYS = ["kill.attempt", "kill.sent", "kill.acknowledged", "kill.proof"];

/** The maximum number of recorded kills, which call strips show. */
const MAX_KILLS = 50;

/** The times at which engines were killed, the newest last. */
export const killTimes = signal<number[]>(storedKillTimes());

export function beginLedger(attempt: Attempt): void {
  clearLedger();
  browserStorage.set("kill.sent", "");
  browserStorage.set("kill.acknowledged", "");
  browserStorage.set("kill.attempt", JSON.stringify(attempt));
}

export function recordSent(line: BurstAnswer): void {
  append("kill.sent", line);
}

export function recordAcknowledged(line: BurstAnswer): void {
  append("kill.acknowledged", line);
}

/** Records that the engine was killed. */
export function recordKill(attempt: Attempt, at: number): void {
  browserStorage.set("kill.attempt", JSON.stringify({ ...attempt, killed: at }));
  killTimes.value = [...killTimes.value, at].slice(-MAX_KILLS);
  browserStorage.set("deaths", JSON.stringify(killTimes.value));
}

/** The record of the last burst of any tab; null if there is none. */
export function readLedger(): Ledger | null {
  const attempt = browserStorage.json("kill.attempt") as Attempt | null;
  if (attempt === null || typeof attempt.execution !== "string") return null;
  return { attempt, sent: readAnswers("kill.sent"), acknowledged: readAnswers("kill.acknowledged") };
}

export function clearLedger(): void {
  for (const key of KEYS) browserStorage.remove(key);
}

function append(key: string, { key: name, answer }: BurstAnswer): void {
  browserStorage.set(key, `${browserStorage.get(key) ?? ""}${name}\t${answer}\n`);
}

function readAnswers(key: string): BurstAnswer[] {
  const text = browserStorage.get(key) ?? "";
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", answer = ""] = line.split("\t");
      return { key: name, answer };
    });
}

function storedKillTimes(): number[] {
  const stored = browserStorage.json("deaths");
  return Array.isArray(stored) ? stored.filter((at) => typeof at === "number") : [];
}
