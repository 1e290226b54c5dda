// The report after a kill of the engine in a worker or of the whole tab: compares the acknowledged answers with those in the store. The proof is made
// once and stored, because the executions may be continued or deleted later.

import { signal } from "@preact/signals";
import { RunstateError, type Execution, type Runstate } from "runstate/slim";

import { listCalls } from "../run/current-execution";
import { browserStorage } from "../state/web-storage";
import { notifyError } from "../state/notices";
import { clearLedger, readLedger, LOCK, type Ledger } from "./ledger";
import { prove, type StoredState, type Proof } from "./proof";

/** How long to wait for a burst of another tab, in milliseconds. */
const LOCK_TIMEOUT_MS = 4_000;

const PROOF_KEY = "kill.proof";

export interface KillReport {
  ledger: Ledger;
  proof: Proof;
}

export const killReport = signal<KillReport | null>(null);

/** Proves a burst whose tab was killed. */
export async function verifyInterruptedBurst(rs: Runstate): Promise<void> {
  if (readLedger() === null) return;
  try {
    // A running burst holds the lock; the browser has released the lock of a killed tab.
    await navigator.locks.request(LOCK, { signal: AbortSignal.timeout(LOCK_TIMEOUT_MS) }, () => verifyLastBurst(rs));
  } catch (error) {
    // Another tab is running the burst and will prove it.
    if (error instanceof DOMException && error.name === "TimeoutError") return;
    notifyError(error);
  }
}

export function dismissReport(): void {
  clearLedger();
  killReport.value = null;
}

/** Proves the last burst. The caller must hold the lock of bursts. */
export async function verifyLastBurst(rs: Runstate): Promise<void> {
  const ledger = readLedger();
  if (ledger === null || ledger.attempt.store !== rs.url) return;
  const stored = browserStorage.json(PROOF_KEY) as Proof | null;
  const proof = stored ?? prove(ledger, await readStoredState(rs, ledger));
  browserStorage.set(PROOF_KEY, JSON.stringify(proof));
  killReport.value = { ledger, proof };
}

async function readStoredState(rs: Runstate, { attempt }: Ledger): Promise<StoredState> {
  const [calls, output, watched] = await Promise.all([
    listCalls(rs, attempt.execution),
    readOutput(rs, attempt.execution),
    attempt.watched === null ? null : readExecution(rs, attempt.watched.id),
  ]);
  return {
    calls,
    output,
    watched: watched === null ? null : { hash: watched.stateHash ?? "", lastModified: watched.lastModified },
  };
}

/** Reads an execution; null if it does not exist. */
function readExecution(rs: Runstate, id: string): Promise<Execution | null> {
  return readUnlessDeleted(async () => (await rs.cvm.run(id)).show(), null);
}

function readOutput(rs: Runstate, id: string): Promise<string[]> {
  return readUnlessDeleted(async () => (await rs.cvm.run(id)).output(), []);
}

async function readUnlessDeleted<T>(read: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RunstateError && error.code === "not_found") return otherwise;
    throw error;
  }
}
