// After a death, of the engine in a worker or of the whole tab: compares the answers that were acknowledged before with those in the
// store. It is proved once, at the first look: later those executions may be continued or deleted.

import { signal } from "@preact/signals";
import { RunstateError, type ExecutionView, type Runstate } from "runstate/slim";

import { callsOf } from "../run/watched";
import { inBrowser } from "../state/kept";
import { tellError } from "../state/notices";
import { clear, left, LOCK, type Ledger } from "./ledger";
import { prove, type Found, type Proof } from "./proof";

/** How long a burst of another tab is waited for, in milliseconds. */
const PATIENCE_MS = 4_000;

const PROOF = "kill.proof";

export interface Afterlife {
  ledger: Ledger;
  proof: Proof;
}

export const afterlife = signal<Afterlife | null>(null);

/** Proves the burst in whose middle a tab died. */
export async function look(rs: Runstate): Promise<void> {
  if (left() === null) return;
  try {
    // A burst that is under way holds the lock; a dead tab has let go of it.
    await navigator.locks.request(LOCK, { signal: AbortSignal.timeout(PATIENCE_MS) }, () => examine(rs));
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

/** Proves the last burst. The caller holds the lock of bursts. */
export async function examine(rs: Runstate): Promise<void> {
  const ledger = left();
  if (ledger === null || ledger.attempt.store !== rs.url) return;
  const known = inBrowser.json(PROOF) as Proof | null;
  const proof = known ?? prove(ledger, await found(rs, ledger));
  inBrowser.set(PROOF, JSON.stringify(proof));
  afterlife.value = { ledger, proof };
}

async function found(rs: Runstate, { attempt }: Ledger): Promise<Found> {
  const [calls, output, watched] = await Promise.all([
    callsOf(rs, attempt.execution),
    outputOf(rs, attempt.execution),
    attempt.watched === null ? null : shown(rs, attempt.watched.id),
  ]);
  return {
    calls,
    output,
    watched: watched === null ? null : { hash: watched.stateHash ?? "", lastModified: watched.lastModified },
  };
}

/** An execution; null: it is not there. */
function shown(rs: Runstate, id: string): Promise<ExecutionView | null> {
  return unlessGone(async () => (await rs.cvm.run(id)).show(), null);
}

function outputOf(rs: Runstate, id: string): Promise<string[]> {
  return unlessGone(async () => (await rs.cvm.run(id)).output(), []);
}

async function unlessGone<T>(read: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return otherwise;
    throw error;
  }
}
