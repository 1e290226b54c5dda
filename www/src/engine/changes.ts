// Distributes committed changes of all tabs to the parts of the page. One feed serves all parts. Changes are batched, so that a burst of a thousand
// commits causes only a few repaints.

import { RunstateError, type CvmChange, type Runstate } from "runstate/slim";

/** The changes of one batch. */
export interface ChangeSet {
  /** The ids of executions that changed, or whose calls or output changed. */
  executions: Set<string>;
  /** The ids of deleted executions. */
  deleted: Set<string>;
  /** Whether changes may be missing, so that listeners must read everything again. */
  all: boolean;
}

type ChangeListener = (changes: ChangeSet) => void;

/** How long changes are collected, in milliseconds; users do not notice such a delay. */
const BATCH_MS = 60;

/** The pause before the feed is opened again after a failure, in milliseconds. */
const RETRY_MS = 1_000;

const listeners = new Set<ChangeListener>();
let pending: ChangeSet = emptyChangeSet();
let deliveryTimer: ReturnType<typeof setTimeout> | undefined;

/** Calls the listener with every batch of changes until the returned function is called. */
export function onChanges(listener: ChangeListener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follows the change feed while the page is open. */
export async function followChanges(rs: Runstate): Promise<void> {
  for (;;) {
    try {
      for await (const change of rs.cvm.changes()) collect(change);
      return;
    } catch (error) {
      if (error instanceof RunstateError && (error.code === "closed" || error.code === "internal")) return;
      // Usually `position_expired`, after a long sleep of the tab. Changes may be missing, so everything is read again.
      pending.all = true;
      scheduleDelivery();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function collect(change: CvmChange): void {
  const execution = change.thing === "execution" ? change.id : change.executionId;
  if (execution === undefined) return;
  const isDeleted = change.thing === "execution" && change.deleted;
  (isDeleted ? pending.deleted : pending.executions).add(execution);
  if (!isDeleted) pending.deleted.delete(execution);
  scheduleDelivery();
}

function scheduleDelivery(): void {
  deliveryTimer ??= setTimeout(() => {
    const changes = pending;
    pending = emptyChangeSet();
    deliveryTimer = undefined;
    for (const listener of listeners) listener(changes);
  }, BATCH_MS);
}

function emptyChangeSet(): ChangeSet {
  return { executions: new Set(), deleted: new Set(), all: false };
}
