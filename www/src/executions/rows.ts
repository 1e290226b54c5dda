// The rows of the list of executions: filters and updates.

import type { ExecutionSummary, Status } from "runstate";

export interface ExecutionFilter {
  status: Status | "";
  program: string;
  /** The typed words, all of which must match. */
  words: string;
}

export const NO_FILTER: ExecutionFilter = { status: "", program: "", words: "" };

/** The executions that match the filter, in their order. */
export function filterExecutions(list: ExecutionSummary[], filter: ExecutionFilter): ExecutionSummary[] {
  const words = filter.words.toLowerCase().split(/\s+/);
  return list.filter(({ id, status, programName, prompt }) => {
    if (filter.status !== "" && status !== filter.status) return false;
    if (filter.program !== "" && programName !== filter.program) return false;
    const text = `${id} ${programName} ${prompt ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The names of the programs of these executions, sorted. */
export function programNames(list: ExecutionSummary[]): string[] {
  return [...new Set(list.map(({ programName }) => programName))].sort();
}

/** Replaces or adds the executions in `updated` and removes those in `deleted`. Added executions are inserted by their start time. */
export function applyUpdates(list: ExecutionSummary[], updated: Map<string, ExecutionSummary>, deleted: Set<string>): ExecutionSummary[] {
  const rows = new Map([...list.map((row) => [row.id, row] as const), ...updated]);
  for (const id of deleted) rows.delete(id);
  return [...rows.values()].sort((a, b) => b.started - a.started || (a.id < b.id ? 1 : -1));
}
