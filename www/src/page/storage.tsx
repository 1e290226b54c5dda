// Details below the list: the URL and size of the store, whether the browser may delete it, and the tab that runs the timers.

import { signal } from "@preact/signals";
import type { Runstate } from "runstate";

import { onChanges } from "../engine/changes";
import { isDurable, store, tabName } from "../engine/session";
import { notify, notifyError, warn } from "../state/notices";
import { Button } from "../ui/controls";
import { formatBytes } from "../ui/format";

interface StorageUsage {
  /** The used bytes: those of databases if the browser reports them separately, otherwise those of all storage of the page. */
  used: number;
  /** Whether the browser never deletes the data by itself. */
  persisted: boolean;
}

/** Null if the browser does not report it. */
const storageUsage = signal<StorageUsage | null>(null);

const driverState = signal<"leading" | "standby" | "off">("off");

/** The shortest time between two measurements, in milliseconds. The browser's figures are slow and coarse. */
const MEASURE_INTERVAL_MS = 4_000;

/** Follows the driver of timers, and measures the storage now and after changes, while the page is open. */
export function followStorage({ driver }: Runstate): void {
  const readDriver = () => (driverState.value = driver.state);
  driver.addEventListener("change", readDriver);
  driver.addEventListener("error", (event) => {
    const { detail } = event as CustomEvent<unknown>;
    // The driver retries by itself, so retryable errors are not shown.
    if (!(detail as { retryable?: boolean }).retryable) notifyError(detail);
  });
  readDriver();
  let timer: ReturnType<typeof setTimeout> | undefined;
  void measureUsage();
  onChanges(() => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void measureUsage();
    }, MEASURE_INTERVAL_MS);
  });
}

async function measureUsage(): Promise<void> {
  try {
    const [estimate, persisted] = await Promise.all([navigator.storage.estimate(), navigator.storage.persisted()]);
    const { usage = 0, usageDetails } = estimate as StorageEstimate & { usageDetails?: { indexedDB?: number } };
    storageUsage.value = { used: usageDetails?.indexedDB ?? usage, persisted };
  } catch {
    storageUsage.value = null;
  }
}

export function StorageLine() {
  if (store.value === null) return null;
  const usage = isDurable.value ? storageUsage.value : null;
  return (
    <details class="storage hint" data-testid="storage">
      <summary>
        {isDurable.value ? "Saved in this browser" : "In memory only"}
        {usage && <span data-testid="storage-used"> {formatBytes(usage.used)}</span>}
      </summary>
      <p data-testid="store">
        The store is <code>{store.value.url}</code>.
      </p>
      {usage?.persisted === true && (
        <p data-testid="persisted">Persistent: the browser does not delete the data by itself.</p>
      )}
      {usage?.persisted === false && (
        <p>
          The browser may delete the data when the disk is full.{" "}
          <Button class="link" onClick={askToPersist} testid="persist">
            Ask the browser to keep it
          </Button>
        </p>
      )}
      {driverState.value !== "off" && (
        <p data-testid="driver" data-state={driverState.value}>
          {driverState.value === "leading" ? "This tab" : "Another tab"} runs timers and deadlines. When it closes, another
          tab takes over. This tab is {tabName}.
        </p>
      )}
    </details>
  );
}

async function askToPersist(): Promise<void> {
  const granted = await navigator.storage.persist();
  await measureUsage();
  if (granted) notify("Persistent now", "The browser does not delete the data by itself.");
  else warn("The browser declined", "It still keeps the data unless the disk gets full. Bookmark or install the page and ask again.");
}
