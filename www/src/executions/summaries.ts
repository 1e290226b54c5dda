// All executions, newest first, updated with the changes of every tab. `rows.ts` decides which of them are shown.

import { signal } from "@preact/signals";
import type { ExecutionSummary, Runstate, RunstateError } from "runstate";

import { onChanges, type ChangedIds } from "../engine/changes";
import { hasCode } from "../engine/errors";
import { readPages } from "../engine/pages";
import { notifyError } from "../state/notices";
import { STATUSES } from "../ui/format";
import { applyUpdates } from "./rows";

/** The number of executions that are read first, so that the page shows a list quickly. */
const INITIAL_LIMIT = 200;

/** The maximum number of listed executions. */
const MAX_LISTED = 20_000;

/** The maximum number of changed executions that are read one by one. After more changes the whole list is read. */
const MAX_SINGLE_READS = 24;

/** The shortest pause between two refreshes, in milliseconds. */
const MIN_PAUSE_MS = 120;

/** The pause after a refresh as a multiple of its duration: a longer list is read less often. */
const PAUSE_FACTOR = 3;

export const executions = signal<ExecutionSummary[]>([]);

/** Whether the whole list was read. */
export const complete = signal(false);

/** Why the list is incomplete; null if it is complete. */
export const damage = signal<RunstateError | null>(null);

/** Reads the list and follows its changes while the page is open. */
export async function followExecutions(rs: Runstate): Promise<void> {
  let pending: ChangedIds = null;
  let reading = false;

  async function refresh(): Promise<void> {
    if (reading) return;
    reading = true;
    while (pending === null || pending.size > 0) {
      const changed: ChangedIds = pending;
      pending = new Set();
      const started = performance.now();
      await (changed === null || changed.size > MAX_SINGLE_READS ? readAll(rs) : readChanged(rs, changed)).catch(notifyError);
      const pause = Math.max(MIN_PAUSE_MS, PAUSE_FACTOR * (performance.now() - started));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    reading = false;
  }

  onChanges((changed) => {
    pending = changed === null || pending === null ? null : new Set([...pending, ...changed]);
    void refresh();
  });
  await refresh();
}

async function readAll(rs: Runstate): Promise<void> {
  damage.value = null;
  if (!complete.value) executions.value = await listExecutions(rs, INITIAL_LIMIT);
  if (complete.value || executions.value.length === INITIAL_LIMIT) executions.value = await listExecutions(rs, MAX_LISTED);
  complete.value = true;
}

async function readChanged(rs: Runstate, changed: Set<string>): Promise<void> {
  const newest = await listExecutions(rs, MAX_SINGLE_READS);
  const updated = new Map(newest.map((summary) => [summary.id, summary]));
  const deleted = new Set<string>();
  for (const row of executions.value.filter(({ id }) => changed.has(id) && !updated.has(id))) {
    try {
      updated.set(row.id, await rs.cvm.summary(row.id));
    } catch (error) {
      if (hasCode(error, "not_found")) deleted.add(row.id);
      // A damaged execution keeps its last known row. Its error is shown when it is opened.
      else if (!hasCode(error, "corrupt")) throw error;
    }
  }
  executions.value = applyUpdates(executions.value, updated, deleted);
}

/**
 * The newest readable executions, at most `limit`. A query that reads a damaged row fails as a whole. Queries by one status or one program fail only if the
 * row matches them. An execution is missing only if it has the status and the program of a damaged row.
 */
async function listExecutions(rs: Runstate, limit: number): Promise<ExecutionSummary[]> {
  try {
    return await readPages((options) => rs.cvm.list(options), limit);
  } catch (error) {
    if (!hasCode(error, "corrupt")) throw error;
    damage.value = error;
  }
  const programs = (await rs.cvm.programs({ limit: 1_000 })).items;
  const parts = await Promise.allSettled([
    ...STATUSES.map((status) => rs.cvm.list({ status, limit })),
    ...programs.map(({ name }) => rs.cvm.history(name, { limit })),
  ]);
  const summaries = parts.flatMap((part) => (part.status === "fulfilled" ? part.value.items : []));
  const byId = new Map(summaries.map((summary) => [summary.id, summary]));
  return applyUpdates([], byId, new Set()).slice(0, limit);
}
