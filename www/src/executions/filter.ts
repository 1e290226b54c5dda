// Which executions a list shows: those of a status, of a program, and with all the words that were typed.

import type { Status, Summary } from "runstate";

export interface Filter {
  status: Status | "";
  program: string;
  words: string;
}

export const EVERYTHING: Filter = { status: "", program: "", words: "" };

/** Those that the filter lets through, in their order. */
export function filtered(list: Summary[], filter: Filter): Summary[] {
  const words = filter.words
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return list.filter((summary) => {
    if (filter.status !== "" && summary.status !== filter.status) return false;
    if (filter.program !== "" && summary.programName !== filter.program) return false;
    if (words.length === 0) return true;
    const text = `${summary.id} ${summary.programName} ${summary.prompt ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The names of all programs that are run, in alphabetical order. */
export function programsOf(list: Summary[]): string[] {
  return [...new Set(list.map(({ programName }) => programName))].sort();
}
