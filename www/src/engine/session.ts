// The open store of this tab, which all parts of the page share, and the name of this tab, which is recorded with its answers.

import { computed, signal } from "@preact/signals";
import { init, open, type Runstate } from "runstate/slim";

import { tabStorage } from "../state/web-storage";
import { compile } from "./compiler";
import { explain, hasCode, type Explanation } from "./errors";
import { engineModule } from "./wasm";

/** The open store; null until it is open. */
export const store = signal<Runstate | null>(null);

/** Why no store is open, why it is not the requested one, or why it is read-only; null if it is open without a problem. */
export const problem = signal<Explanation | null>(null);

export const isOpening = computed(() => store.value === null && problem.value === null);

/** Whether committed data survives this tab. */
export const isDurable = computed(() => store.value !== null && store.value.url !== MEMORY);

/** A short name of this tab. It survives a reload. */
export const tabName = tabStorage.get("tab") ?? `tab-${randomWord(3)}`;
tabStorage.set("tab", tabName);

const MEMORY = "memory:";

/** The open store. Throws if it is not open yet. */
export function engine(): Runstate {
  if (store.value === null) throw new Error("the engine is not loaded yet");
  return store.value;
}

/**
 * Opens the store that the address requests (`?store=indexeddb:NAME` or `?store=memory:`), by default the demo's own database. Falls back to memory if the
 * browser provides no database, permanently or for now. Resolves to null if no store can be opened.
 */
export async function openSession(): Promise<Runstate | null> {
  const requested = new URLSearchParams(location.search).get("store") ?? "";
  const url = /^(indexeddb:.+|memory:)$/.test(requested) ? requested : "indexeddb:runstate-demo";
  try {
    await init(await engineModule(), { compile });
    await openStore(url).catch(openMemory);
  } catch (error) {
    problem.value = explain(error);
  }
  return store.value;
}

async function openStore(url: string): Promise<void> {
  const rs = await open(url);
  const health = await rs.health();
  problem.value = health === null ? null : explain(health);
  store.value = rs;
}

async function openMemory(error: unknown): Promise<void> {
  if (!hasCode(error, "unsupported", "unavailable")) throw error;
  await openStore(MEMORY);
  const { message, code } = error;
  problem.value =
    code === "unsupported"
      ? {
          title: "Nothing is saved: this browser provides no database",
          message,
          advice: "Programs run in memory and are lost when this tab closes. Use a current browser, outside of private windows.",
          code,
        }
      : {
          title: "Nothing is saved: the database cannot be opened",
          message: `${message}. Its data is still stored.`,
          advice:
            "Until it opens, programs run in memory and are lost when this tab closes. Close other tabs of this page, or leave the private window, then reload.",
          code,
        };
}

/** Checks whether the store can still be written. A newer page may have upgraded it, or the engine may have stopped after an internal error. */
export async function checkHealth(): Promise<void> {
  const health = await store.peek()?.health().catch((error: unknown) => error);
  if (health !== null && health !== undefined) problem.value ??= explain(health);
}

/** Random letters and digits, without those that look alike. */
export function randomWord(length: number): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join("");
}
