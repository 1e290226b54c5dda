// The one open store of this tab, for all parts of the page; who this tab is, so that others can tell who answered.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate";

import { explain, type Explanation } from "./errors";
import { openStore, storeUrl, type Opened } from "./open";

export type Session = { state: "opening" } | { state: "open"; store: Opened } | { state: "failed"; why: Explanation };

export const session = signal<Session>({ state: "opening" });

/** The wanted store; what is open may be another (see {@link Opened.trouble}). */
export const wanted = storeUrl(location.search);

/** A short name of this tab. A tab that is reloaded keeps it. */
export const tabName = nameTab();

/** Begins to open the store. */
export async function begin(): Promise<Opened | null> {
  try {
    const store = await openStore(wanted);
    session.value = { state: "open", store };
    return store;
  } catch (error) {
    session.value = { state: "failed", why: explain(error) };
    return null;
  }
}

/** Looks whether the store can still be written: a newer page may have changed it meanwhile, or a defect may have ended the engine. */
export async function recheck(): Promise<void> {
  const now = session.peek();
  if (now.state !== "open") return;
  const problem = await now.store.rs.health().catch((error: unknown) => error);
  if (problem === null || now.store.trouble !== null) return;
  session.value = { state: "open", store: { ...now.store, trouble: explain(problem) } };
}

/** The engine, where the store is open. */
export function engine(): Runstate | null {
  return session.value.state === "open" ? session.value.store.rs : null;
}

function nameTab(): string {
  const key = "runstate.tab";
  try {
    const kept = sessionStorage.getItem(key);
    if (kept !== null) return kept;
    const name = `tab-${randomWord(3)}`;
    sessionStorage.setItem(key, name);
    return name;
  } catch {
    // A browser that keeps nothing gives a new name with every load.
    return `tab-${randomWord(3)}`;
  }
}

/** Letters that nobody confuses, by chance. */
export function randomWord(length: number): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join("");
}
