// Filters the list of executions by status, by program, and by typed words, all of which must match.

import type { Status, ExecutionSummary } from "runstate";

export interface ExecutionFilter {
  status: Status | "";
  program: string;
  words: string;
}

export const NO_FILTER: ExecutionFilter = { status: "", program: "", words: "" };

/** The executions that match the filter, in their order. */
export function filterExecutions(list: ExecutionSummary[], filter: ExecutionFilter): ExecutionSummary[] {
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

/** The names of the programs of these executions, sorted. */
export function programNames(list: ExecutionSummary[]): string[] {
  return [...new Set(list.map(({ programName }) => programName))].sort();
}
