// The storage that the page uses, its quota, and whether the browser may delete it.

import { signal } from "@preact/signals";

import { onChanges } from "../engine/changes";

export interface StorageUsage {
  /** The used bytes: those of databases if the browser reports them separately, otherwise those of all storage of the page. */
  used: number;
  /** The bytes that the page may use. */
  quota: number;
  /** Whether the browser never deletes the data by itself. */
  persisted: boolean;
}

/** Null if the browser does not report it. */
export const storageUsage = signal<StorageUsage | null>(null);

/** The shortest time between two measurements, in milliseconds. The browser's figures are slow and coarse. */
const MEASURE_INTERVAL_MS = 4_000;

/** Measures now and after changes, while the page is open. */
export function followStorageUsage(): void {
  let planned = false;
  void measureUsage();
  onChanges(() => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      void measureUsage();
    }, MEASURE_INTERVAL_MS);
  });
}

/** Asks the browser to keep the data when disk space runs out. Returns whether it agrees. */
export async function persist(): Promise<boolean> {
  const granted = await navigator.storage.persist();
  await measureUsage();
  return granted;
}

async function measureUsage(): Promise<void> {
  try {
    const [estimate, persisted] = await Promise.all([navigator.storage.estimate(), navigator.storage.persisted()]);
    const {
      usage = 0,
      quota = 0,
      usageDetails,
    } = estimate as StorageEstimate & { usageDetails?: { indexedDB?: number } };
    storageUsage.value = { used: usageDetails?.indexedDB ?? usage, quota, persisted };
  } catch {
    storageUsage.value = null;
  }
}
