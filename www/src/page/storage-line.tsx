// Details below the list: the URL and size of the store, and the tab that runs the timers.

import { session, tabName } from "../engine/session";
import { notify, warn } from "../state/notices";
import { formatBytes } from "../ui/format";
import { driverState } from "./driver";
import { persist, storageUsage } from "./storage";

export function StorageLine() {
  const now = session.value;
  if (now.state !== "open") return null;
  return (
    <details class="storage" data-testid="storage">
      <summary>
        {now.store.durable ? "Saved in this browser" : "In memory only"}
        {storageUsage.value === null || !now.store.durable ? null : (
          <span data-testid="storage-used"> {formatBytes(storageUsage.value.used)}</span>
        )}
      </summary>
      <p data-testid="store">
        The store is <code>{now.store.url}</code>.
      </p>
      {now.store.durable ? <Persistence /> : null}
      <DriverState />
    </details>
  );
}

function Persistence() {
  const space = storageUsage.value;
  if (space === null) return null;
  if (space.persisted) return <p data-testid="persisted">Persistent: the browser does not delete the data by itself.</p>;
  return (
    <p>
      The browser may delete the data when the disk is full.{" "}
      <button type="button" class="link" onClick={() => void askToPersist()} data-testid="persist">
        Ask the browser to keep it
      </button>
    </p>
  );
}

async function askToPersist(): Promise<void> {
  if (await persist()) notify("Persistent now", "The browser does not delete the data by itself.");
  else
    warn(
      "The browser declined",
      "It still keeps the data unless the disk gets full. Bookmark or install the page and ask again.",
    );
}

function DriverState() {
  if (driverState.value === "off") return null;
  const leads = driverState.value === "leading";
  return (
    <p data-testid="driver" data-state={driverState.value}>
      {leads ? "This tab" : "Another tab"} runs timers and deadlines. When it closes, another tab takes over. This tab is{" "}
      {tabName}.
    </p>
  );
}
