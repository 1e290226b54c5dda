// How much room the browser gives this page, and whether it may take it back.

import { signal } from "@preact/signals";

import { onNews } from "../engine/changes";

export interface Room {
  /** Bytes in use, as far as the browser tells: by databases where it says so, else by all that the page keeps. */
  used: number;
  /** Bytes that the page may use. */
  quota: number;
  /** Whether the browser never clears it by itself. */
  persisted: boolean;
}

/** Null: the browser does not say. */
export const room = signal<Room | null>(null);

/** The browser's count is slow and coarse: asked at most so often, in milliseconds. */
const PAUSE_MS = 4_000;

/** Measures now and after changes, as long as the page lives. */
export function measure(): void {
  let planned = false;
  void read();
  onNews(() => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      void read();
    }, PAUSE_MS);
  });
}

/** Asks the browser to keep the data when disk space gets short. Whether it will. */
export async function persist(): Promise<boolean> {
  const granted = await navigator.storage.persist();
  await read();
  return granted;
}

async function read(): Promise<void> {
  try {
    const [estimate, persisted] = await Promise.all([navigator.storage.estimate(), navigator.storage.persisted()]);
    const {
      usage = 0,
      quota = 0,
      usageDetails,
    } = estimate as StorageEstimate & { usageDetails?: { indexedDB?: number } };
    room.value = { used: usageDetails?.indexedDB ?? usage, quota, persisted };
  } catch {
    room.value = null;
  }
}
