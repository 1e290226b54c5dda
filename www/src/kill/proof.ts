// After the death: whether all is in the store that was acknowledged before, and nothing twice.

import type { CallRow } from "runstate";

import { count } from "../ui/words";
import type { Attempt, Ledger, Line } from "./ledger";

/** What the store has of an execution. */
export interface Found {
  calls: Pick<CallRow, "key" | "result" | "outcome">[];
  output: string[];
  /** The execution that was looked at; null: none was, or it is gone. */
  watched: { hash: string; lastModified: number } | null;
}

export interface Proof {
  /** Answers that were acknowledged before the death. */
  acknowledged: number;
  /** Of these, those that the store has lost or has otherwise. It must be none. */
  lost: Line[];
  /** Answers that the program got more than once. It must be none. */
  twice: string[];
  /** Answers that were under way: nobody was told that they are kept. */
  underWay: number;
  /** Of these, those that were kept all the same. */
  kept: number;
  /** What became of the execution that was looked at: it is the same, somebody went on with it, it is lost; null: none was. */
  watched: "same" | "went on" | "lost" | null;
}

/** Holds the store to what was written down. */
export function prove(ledger: Ledger, found: Found): Proof {
  const rows = new Map<string, Found["calls"]>();
  for (const call of found.calls) if (call.key !== undefined) rows.set(call.key, [...(rows.get(call.key) ?? []), call]);
  const isKept = ({ key, answer }: Line) => {
    const same = rows.get(key) ?? [];
    return same.length === 1 && same[0]?.result === answer;
  };
  const told = new Set(ledger.acknowledged.map(({ key }) => key));
  const underWay = ledger.sent.filter(({ key }) => !told.has(key));
  return {
    acknowledged: ledger.acknowledged.length,
    lost: ledger.acknowledged.filter((line) => !isKept(line)),
    twice: repeated(found.output),
    underWay: underWay.length,
    kept: underWay.filter(isKept).length,
    watched: fateOf(ledger.attempt, found.watched),
  };
}

/** Whether the promise was kept. */
export function holds({ lost, twice, watched }: Proof): boolean {
  return lost.length === 0 && twice.length === 0 && watched !== "lost";
}

/** The outcome in one line. */
export function verdict(proof: Proof): string {
  const { acknowledged, lost, twice, watched } = proof;
  const saved = count(acknowledged, "saved answer");
  if (lost.length > 0) return `Killed: ${lost.length} of ${saved} ${lost.length === 1 ? "is" : "are"} lost`;
  if (twice.length > 0) return `Killed: the program got ${count(twice.length, "answer")} twice`;
  if (watched === "lost") return "Killed: the execution that was shown has changed";
  if (acknowledged === 0) return "Killed before the first answer was saved";
  return acknowledged === 1 ? "Killed: the saved answer is there" : `Killed: all ${saved} are there`;
}

function fateOf({ watched, begun }: Attempt, found: Found["watched"]): Proof["watched"] {
  if (watched === null) return null;
  if (found?.hash === watched.hash) return "same";
  // Another tab, or the clock, may have answered it meanwhile.
  return found !== null && found.lastModified >= begun ? "went on" : "lost";
}

/** Lines that are there more than once: every answer is another text. */
function repeated(lines: string[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const line of lines) (seen.has(line) ? twice : seen).add(line);
  return [...twice];
}
