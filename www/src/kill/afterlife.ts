// The new life of a tab that was killed: looks for what its former life left, and proves what the store made of it. It is proved once, at the
// first look: later anybody may go on with those executions, or delete them.

import { signal } from "@preact/signals";
import { RunstateError, type ExecutionView, type Runstate } from "runstate";

import { inBrowser } from "../state/kept";
import { tellError } from "../state/notices";
import { LOCK } from "./burst";
import { clear, left, type Ledger } from "./ledger";
import { prove, type Found, type Proof } from "./proof";

/** How long a burst of another tab is waited for, in milliseconds. */
const PATIENCE_MS = 4_000;

const PROOF = "kill.proof";

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
    await navigator.locks.request(LOCK, { signal: AbortSignal.timeout(PATIENCE_MS) }, () => lookAlone(rs));
  } catch (error) {
    // Another tab is in the middle of it: that one proves it.
    if (error instanceof DOMException && error.name === "TimeoutError") return;
    tellError(error);
  }
}

export function dismiss(): void {
  clear();
  afterlife.value = null;
}

async function lookAlone(rs: Runstate): Promise<void> {
  const ledger = left();
  if (ledger === null || ledger.attempt.store !== rs.url) return;
  const known = inBrowser.json(PROOF) as Proof | null;
  const proof = known ?? prove(ledger, await found(rs, ledger));
  inBrowser.set(PROOF, JSON.stringify(proof));
  afterlife.value = { ledger, proof };
}

async function found(rs: Runstate, { attempt }: Ledger): Promise<Found> {
  const [execution, calls, watched] = await Promise.all([
    shown(rs, attempt.execution),
    rs.cvm.calls({ execution: attempt.execution, limit: 1_000 }),
    attempt.watched === null ? null : shown(rs, attempt.watched.id),
  ]);
  return {
    calls: calls.rows,
    output: execution?.output ?? [],
    watched: watched === null ? null : { hash: watched.stateHash ?? "", lastModified: watched.lastModified },
  };
}

/** An execution; null: it is not there. */
async function shown(rs: Runstate, id: string): Promise<ExecutionView | null> {
  try {
    return await (await rs.cvm.run(id)).show();
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return null;
    throw error;
  }
}
