// The proof after a kill: every acknowledged answer is in the store, and none was applied twice.

import type { CallRow } from "runstate";

import { formatCount } from "../ui/format";

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

/** The record of a burst, which is kept outside of the store. */
export interface Ledger {
  attempt: Attempt;
  sent: BurstAnswer[];
  acknowledged: BurstAnswer[];
}

/** The stored state of a burst's execution. */
export interface StoredState {
  calls: Pick<CallRow, "key" | "result" | "outcome">[];
  output: string[];
  /** The execution that was shown; null if none was, or if it was deleted. */
  watched: { hash: string; lastModified: number } | null;
}

export interface Proof {
  /** The number of answers that were acknowledged before the kill. */
  acknowledged: number;
  /** Acknowledged answers that are missing or different in the store. There must be none. */
  lost: BurstAnswer[];
  /** Answers that the program got more than once. There must be none. */
  twice: string[];
  /** The number of answers that were sent but not acknowledged. */
  underWay: number;
  /** The number of these that are stored. */
  kept: number;
  /** The shown execution: unchanged, continued elsewhere, or changed otherwise; null if none was shown. The value is stored. */
  watched: "same" | "went on" | "lost" | null;
}

/** Compares the record of a burst with the store. */
export function prove({ attempt, sent, acknowledged }: Ledger, stored: StoredState): Proof {
  const isStored = ({ key, answer }: BurstAnswer) => {
    const calls = stored.calls.filter((call) => call.key === key);
    return calls.length === 1 && calls[0]?.result === answer;
  };
  const acknowledgedKeys = new Set(acknowledged.map(({ key }) => key));
  const underWay = sent.filter(({ key }) => !acknowledgedKeys.has(key));
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged.filter((line) => !isStored(line)),
    // Every answer has a unique text.
    twice: [...new Set(stored.output.filter((line, index) => stored.output.indexOf(line) !== index))],
    underWay: underWay.length,
    kept: underWay.filter(isStored).length,
    watched: compareWatched(attempt, stored.watched),
  };
}

/** Whether nothing was lost and nothing was applied twice. */
export function isSound({ lost, twice, watched }: Proof): boolean {
  return lost.length === 0 && twice.length === 0 && watched !== "lost";
}

/** The outcome as one line of text. */
export function verdict({ acknowledged, lost, twice, watched }: Proof): string {
  const saved = formatCount(acknowledged, "saved answer");
  if (lost.length > 0) return `Killed: ${lost.length} of ${saved} ${lost.length === 1 ? "is" : "are"} lost`;
  if (twice.length > 0) return `Killed: the program got ${formatCount(twice.length, "answer")} twice`;
  if (watched === "lost") return "Killed: the execution that was shown has changed";
  if (acknowledged === 0) return "Killed before the first answer was saved";
  return acknowledged === 1 ? "Killed: the saved answer is stored" : `Killed: all ${saved} are stored`;
}

function compareWatched({ watched, begun }: Attempt, current: StoredState["watched"]): Proof["watched"] {
  if (watched === null) return null;
  if (current?.hash === watched.hash) return "same";
  // Another tab or a deadline may have answered it in the meantime.
  return current !== null && current.lastModified >= begun ? "went on" : "lost";
}
