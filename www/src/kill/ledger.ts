// The record of the acknowledged answers of a burst, kept outside of the store and compared with it after the kill of the engine or of the whole tab.
// Each answer is written when `record` returns, so a killed tab loses none. The proof is made once and stored, because the executions may be
// continued or deleted later.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate";

import { hasCode } from "../engine/errors";
import { listCalls } from "../run/current-execution";
import { notifyError } from "../state/notices";
import { browserStorage } from "../state/web-storage";
import { prove, type Attempt, type BurstAnswer, type Ledger, type Proof } from "./proof";

/** The Web Lock that allows one burst at a time in all tabs. The browser releases the lock of a dead tab. */
export const LOCK = "runstate-www:burst";

/** How long to wait for a burst of another tab, in milliseconds. */
const LOCK_TIMEOUT_MS = 4_000;

/** The maximum number of recorded kills, which call strips show. */
const MAX_KILLS = 50;

export interface KillReport {
  ledger: Ledger;
  proof: Proof;
}

/** The report on the last kill; null if there is none, or if it was dismissed. */
export const killReport = signal<KillReport | null>(null);

/** The times at which engines were killed, the newest last. */
export const killTimes = signal((browserStorage.json("deaths") ?? []) as number[]);

export function beginLedger(attempt: Attempt): void {
  clearLedger();
  browserStorage.set("kill.attempt", JSON.stringify(attempt));
}

/** Records that an answer was sent, or that the store has acknowledged it. */
export function record(event: "sent" | "acknowledged", { key, answer }: BurstAnswer): void {
  const name = `kill.${event}`;
  browserStorage.set(name, `${browserStorage.get(name) ?? ""}${key}\t${answer}\n`);
}

/** Records that the engine was killed. */
export function recordKill(attempt: Attempt): void {
  const killed = Date.now();
  browserStorage.set("kill.attempt", JSON.stringify({ ...attempt, killed }));
  killTimes.value = [...killTimes.value, killed].slice(-MAX_KILLS);
  browserStorage.set("deaths", JSON.stringify(killTimes.value));
}

export function clearLedger(): void {
  for (const name of ["attempt", "sent", "acknowledged", "proof"]) browserStorage.remove(`kill.${name}`);
  killReport.value = null;
}

/** Proves a burst whose tab was killed. */
export async function verifyInterruptedBurst(rs: Runstate): Promise<void> {
  if (browserStorage.get("kill.attempt") === null) return;
  try {
    // A running burst holds the lock; the browser has released the lock of a killed tab.
    await navigator.locks.request(LOCK, { signal: AbortSignal.timeout(LOCK_TIMEOUT_MS) }, () => verifyLastBurst(rs));
  } catch (error) {
    // After a timeout another tab is running the burst and will prove it.
    if (!(error instanceof DOMException && error.name === "TimeoutError")) notifyError(error);
  }
}

/** Proves the last burst of any tab. The caller must hold the lock of bursts. */
export async function verifyLastBurst(rs: Runstate): Promise<void> {
  const attempt = browserStorage.json("kill.attempt") as Attempt | null;
  if (attempt?.store !== rs.url) return;
  const ledger = { attempt, sent: readAnswers("sent"), acknowledged: readAnswers("acknowledged") };
  const proof = (browserStorage.json("kill.proof") as Proof | null) ?? (await proveInStore(rs, ledger));
  browserStorage.set("kill.proof", JSON.stringify(proof));
  killReport.value = { ledger, proof };
}

async function proveInStore(rs: Runstate, ledger: Ledger): Promise<Proof> {
  const { execution, watched } = ledger.attempt;
  const [calls, output, shown] = await Promise.all([
    listCalls(rs, execution),
    unlessDeleted(async () => (await rs.cvm.run(execution)).output()),
    watched && unlessDeleted(async () => (await rs.cvm.run(watched.id)).show()),
  ]);
  const stored = shown && { hash: shown.stateHash ?? "", lastModified: shown.lastModified };
  return prove(ledger, { calls, output: output ?? [], watched: stored });
}

/** Reads from an execution; null if it was deleted. */
function unlessDeleted<T>(read: () => Promise<T>): Promise<T | null> {
  return read().catch((error: unknown) => {
    if (hasCode(error, "not_found")) return null;
    throw error;
  });
}

function readAnswers(event: "sent" | "acknowledged"): BurstAnswer[] {
  const rows = (browserStorage.get(`kill.${event}`) ?? "").split("\n").slice(0, -1);
  return rows.map((row) => {
    const [key = "", answer = ""] = row.split("\t");
    return { key, answer };
  });
}
