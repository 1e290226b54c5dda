// A list of executions with what was heard of some of them put in its place.

import type { Summary } from "runstate";

/** The list with what was found put in its place, and without what is gone. */
export function update(list: Summary[], found: Map<string, Summary>, gone: Set<string>): Summary[] {
  const kept = list.filter(({ id }) => !gone.has(id)).map((old) => found.get(old.id) ?? old);
  const there = new Set(kept.map(({ id }) => id));
  const added = [...found.values()].filter(({ id }) => !there.has(id) && !gone.has(id));
  if (added.length === 0) return kept;
  return [...added, ...kept].sort((a, b) => b.started - a.started || (a.id < b.id ? 1 : -1));
}
