// The new life of a tab that was killed: looks for what its former life left, and proves what the store made of it.

import { signal } from "@preact/signals";
import { RunstateError, type Runstate } from "runstate";

import { tellError } from "../state/notices";
import { LOCK } from "./burst";
import { clear, left, type Ledger } from "./ledger";
import { prove, type Proof } from "./proof";

/** How long a burst of another tab is waited for, in milliseconds. */
const PATIENCE_MS = 4_000;

export interface Afterlife {
  ledger: Ledger;
  proof: Proof;
}

export const afterlife = signal<Afterlife | null>(null);

/** Proves what there is to be proved. */
export async function look(rs: Runstate): Promise<void> {
  if (left() === null) return;
  try {
    // Whoever is still writing holds the lock; a dead tab has let go of it.
    await navigator.locks.request(LOCK, { signal: AbortSignal.timeout(PATIENCE_MS) }, async () => {
      const ledger = left();
      if (ledger === null || ledger.attempt.store !== rs.url) return;
      afterlife.value = { ledger, proof: prove(ledger, await found(rs, ledger)) };
    });
  } catch (error) {
    // Another tab is in the middle of it: that one proves it.
    if (error instanceof DOMException && error.name === "TimeoutError") return;
    if (error instanceof RunstateError && error.code === "not_found") clear();
    else tellError(error);
  }
}

export function dismiss(): void {
  clear();
  afterlife.value = null;
}

async function found(rs: Runstate, { attempt }: Ledger) {
  const run = await rs.cvm.run(attempt.execution);
  const [calls, { output }] = await Promise.all([
    rs.cvm.calls({ execution: attempt.execution, limit: 1_000 }),
    run.show(),
  ]);
  return {
    calls: calls.rows,
    output,
    watchedHash: attempt.watched === null ? null : await hashOf(rs, attempt.watched.id),
  };
}

async function hashOf(rs: Runstate, id: string): Promise<string | null> {
  try {
    return (await (await rs.cvm.run(id)).show()).stateHash;
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return null;
    throw error;
  }
}
