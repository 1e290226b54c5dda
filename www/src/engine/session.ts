// The open store of this tab, which all parts of the page share, and the name of this tab, which is recorded with its answers.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate";

import { explain, type Explanation } from "./errors";
import { openStore, storeUrl, type OpenStore } from "./store";

export type SessionState = { state: "opening" } | { state: "open"; store: OpenStore } | { state: "failed"; explanation: Explanation };

export const session = signal<SessionState>({ state: "opening" });

/** The URL of the requested store. The open store may be another one; see {@link OpenStore.problem}. */
export const requestedUrl = storeUrl(location.search);

/** A short name of this tab. It survives a reload. */
export const tabName = nameTab();

/** Opens the store. Resolves to null if that fails. */
export async function openSession(): Promise<OpenStore | null> {
  try {
    const store = await openStore(requestedUrl);
    session.value = { state: "open", store };
    return store;
  } catch (error) {
    session.value = { state: "failed", explanation: explain(error) };
    return null;
  }
}

/** Checks whether the store can still be written. A newer page may have upgraded it, or the engine may have stopped after an internal error. */
export async function checkHealth(): Promise<void> {
  const current = session.peek();
  if (current.state !== "open") return;
  const health = await current.store.rs.health().catch((error: unknown) => error);
  if (health === null || current.store.problem !== null) return;
  session.value = { state: "open", store: { ...current.store, problem: explain(health) } };
}

/** The open store; null if it is not open. */
export function engine(): Runstate | null {
  return session.value.state === "open" ? session.value.store.rs : null;
}

function nameTab(): string {
  const key = "runstate.tab";
  try {
    const stored = sessionStorage.getItem(key);
    if (stored !== null) return stored;
    const name = `tab-${randomWord(3)}`;
    sessionStorage.setItem(key, name);
    return name;
  } catch {
    // Without web storage every load gets a new name.
    return `tab-${randomWord(3)}`;
  }
}

/** Random letters and digits, without those that look alike. */
export function randomWord(length: number): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join("");
}
