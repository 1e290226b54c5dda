// The proof after a kill: every acknowledged answer is in the store, and none was applied twice.

import type { CallView } from "runstate/full";

import { formatCount } from "../format";

/** The record of a burst of answers during which the engine is killed. It is kept outside of the store. */
export interface Ledger {
  store: string;
  execution: string;
  /** The questions whose answers were sent, by number from 1. */
  sent: number[];
  /** The questions whose answers the store has acknowledged. */
  acknowledged: number[];
}

/** The stored state of a burst's execution. */
export interface StoredState {
  calls: Pick<CallView, "key" | "response">[];
  output: string[];
}

export interface Proof {
  /** The number of answers that were acknowledged before the kill. */
  acknowledged: number;
  /** Acknowledged answers that are missing or different in the store. There must be none. */
  lost: number[];
  /** Answers that the program got more than once. There must be none. */
  twice: string[];
  /** The number of answers that were sent but not acknowledged. */
  underWay: number;
  /** The number of these that are stored. */
  kept: number;
}

export const keyOf = (question: number) => `q-${question}`;

/** The answer to a question. It is unique, so that a duplicate can be found in the output. */
export const answerTo = (question: number) => `answer ${question}`;

/** Compares the record of a burst with the store. */
export function prove({ sent, acknowledged }: Ledger, { calls, output }: StoredState): Proof {
  const isStored = (question: number) => {
    const found = calls.filter(({ key }) => key === keyOf(question));
    return found.length === 1 && found[0]?.response?.result === answerTo(question);
  };
  const underWay = sent.filter((question) => !acknowledged.includes(question));
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged.filter((question) => !isStored(question)),
    twice: [...new Set(output.filter((line, index) => output.indexOf(line) !== index))],
    underWay: underWay.length,
    kept: underWay.filter(isStored).length,
  };
}

export function isSound({ lost, twice }: Proof): boolean {
  return lost.length === 0 && twice.length === 0;
}

export function verdict({ acknowledged, lost, twice }: Proof): string {
  const saved = formatCount(acknowledged, "saved answer");
  if (lost.length > 0) return `Killed: ${lost.length} of ${saved} ${lost.length === 1 ? "is" : "are"} lost`;
  if (twice.length > 0) return `Killed: the program got ${formatCount(twice.length, "answer")} twice`;
  if (acknowledged === 0) return "Killed before the first answer was saved";
  return acknowledged === 1 ? "Killed: the saved answer is stored" : `Killed: all ${saved} are stored`;
}
