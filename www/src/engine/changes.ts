// Distributes committed changes of all tabs to the parts of the page. One feed serves all parts. Changes are batched, so that a burst of a thousand
// commits causes only a few repaints.

import type { CvmChange, Runstate } from "runstate";

import { hasCode } from "./errors";

/** The ids of executions that changed or were deleted, or whose calls or output changed; null if any execution may have changed. */
export type ChangedIds = Set<string> | null;

/** How long changes are collected, in milliseconds; users do not notice such a delay. */
const BATCH_MS = 60;

/** The pause before the feed is opened again after a failure, in milliseconds. */
const RETRY_MS = 1_000;

const listeners = new Set<(changed: ChangedIds) => void>();
let pending: ChangedIds = new Set();
let deliveryTimer: ReturnType<typeof setTimeout> | undefined;

/** Calls the listener with every batch of changes while the page is open. */
export function onChanges(listener: (changed: ChangedIds) => void): void {
  listeners.add(listener);
}

/** Follows the change feed while the page is open. */
export async function followChanges(rs: Runstate): Promise<void> {
  for (;;) {
    try {
      for await (const change of rs.cvm.changes()) collect(change);
      return;
    } catch (error) {
      if (hasCode(error, "closed", "internal")) return;
      // Usually `position_expired`, after a long sleep of the tab. Changes may be missing, so everything is read again.
      pending = null;
      scheduleDelivery();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function collect(change: CvmChange): void {
  const execution = change.thing === "execution" ? change.id : change.executionId;
  if (execution === undefined) return;
  pending?.add(execution);
  scheduleDelivery();
}

function scheduleDelivery(): void {
  deliveryTimer ??= setTimeout(() => {
    const changed = pending;
    pending = new Set();
    deliveryTimer = undefined;
    for (const listener of listeners) listener(changed);
  }, BATCH_MS);
}
