// Applies updates to a list of executions.

import type { ExecutionSummary } from "runstate";

/** Replaces or adds the executions in `found` and removes those in `gone`. Added executions are inserted by their start time. */
export function applyUpdates(list: ExecutionSummary[], found: Map<string, ExecutionSummary>, gone: Set<string>): ExecutionSummary[] {
  const kept = list.filter(({ id }) => !gone.has(id)).map((old) => found.get(old.id) ?? old);
  const there = new Set(kept.map(({ id }) => id));
  const added = [...found.values()].filter(({ id }) => !there.has(id) && !gone.has(id));
  if (added.length === 0) return kept;
  return [...added, ...kept].sort((a, b) => b.started - a.started || (a.id < b.id ? 1 : -1));
}
