// Applies updates to a list of executions.

import type { ExecutionSummary } from "runstate";

/** Replaces or adds the executions in `updated` and removes those in `deleted`. Added executions are inserted by their start time. */
export function applyUpdates(list: ExecutionSummary[], updated: Map<string, ExecutionSummary>, deleted: Set<string>): ExecutionSummary[] {
  const remaining = list.filter(({ id }) => !deleted.has(id)).map((row) => updated.get(row.id) ?? row);
  const listed = new Set(remaining.map(({ id }) => id));
  const added = [...updated.values()].filter(({ id }) => !listed.has(id) && !deleted.has(id));
  if (added.length === 0) return remaining;
  return [...added, ...remaining].sort((a, b) => b.started - a.started || (a.id < b.id ? 1 : -1));
}
