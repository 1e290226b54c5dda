// All executions, newest first, updated with the changes of every tab. `filter.ts` decides which of them are shown.

import { signal } from "@preact/signals";
import { RunstateError, type Runstate, type ExecutionSummary } from "runstate/slim";

import { onChanges, type ChangeSet } from "../engine/changes";
import { notifyError } from "../state/notices";
import { listExecutions } from "./list-query";
import { applyUpdates } from "./update";

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
  let pending: ChangeSet | null = null;
  let reading = true;

  async function refresh(): Promise<void> {
    while (pending !== null) {
      const changes: ChangeSet = pending;
      pending = null;
      const started = performance.now();
      await applyChanges(rs, changes).catch(notifyError);
      const pause = Math.max(MIN_PAUSE_MS, PAUSE_FACTOR * (performance.now() - started));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    reading = false;
  }

  onChanges((changes) => {
    pending = pending === null ? changes : mergeChangeSets(pending, changes);
    if (reading) return;
    reading = true;
    void refresh();
  });
  try {
    await read(rs, INITIAL_LIMIT);
    if (executions.value.length === INITIAL_LIMIT) await read(rs, MAX_LISTED);
    complete.value = true;
  } catch (error) {
    notifyError(error);
  }
  await refresh();
}

async function read(rs: Runstate, limit: number): Promise<void> {
  const { list, damage: listDamage } = await listExecutions(rs, limit);
  executions.value = list;
  damage.value = listDamage;
}

async function applyChanges(rs: Runstate, changes: ChangeSet): Promise<void> {
  const changed = [...changes.executions];
  if (changes.all || changed.length > MAX_SINGLE_READS) {
    await read(rs, MAX_LISTED);
    return;
  }
  const { list: newest } = await listExecutions(rs, MAX_SINGLE_READS);
  const updated = new Map(newest.map((summary) => [summary.id, summary]));
  const before = new Map(executions.value.map((summary) => [summary.id, summary]));
  const deleted = new Set(changes.deleted);
  for (const id of changed) {
    if (updated.has(id) || deleted.has(id)) continue;
    const previous = before.get(id);
    const summary = previous === undefined ? null : await readSummary(rs, previous);
    if (summary === null) deleted.add(id);
    else updated.set(id, summary);
  }
  executions.value = applyUpdates(executions.value, updated, deleted);
}

/** Reads the current status of an older execution; null if it was deleted. */
async function readSummary(rs: Runstate, previous: ExecutionSummary): Promise<ExecutionSummary | null> {
  try {
    return await rs.cvm.summary(previous.id);
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return null;
    // A damaged execution keeps its last known row. Its error is shown when it is opened.
    if (error instanceof RunstateError && error.code === "corrupt") return previous;
    throw error;
  }
}

function mergeChangeSets(a: ChangeSet, b: ChangeSet): ChangeSet {
  return {
    executions: new Set([...a.executions, ...b.executions]),
    deleted: new Set([...a.deleted, ...b.deleted]),
    all: a.all || b.all,
  };
}
