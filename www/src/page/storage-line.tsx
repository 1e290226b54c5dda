// The store's address and size, and the tab that drives the timers: details below the list.

import { session, tabName } from "../engine/session";
import { tell, warn } from "../state/notices";
import { bytes } from "../ui/words";
import { driving } from "./driver";
import { persist, room } from "./storage";

export function StorageLine() {
  const now = session.value;
  if (now.state !== "open") return null;
  return (
    <details class="storage" data-testid="storage">
      <summary>
        {now.store.durable ? "Kept in this browser" : "Kept in memory only"}
        {room.value === null || !now.store.durable ? null : (
          <span data-testid="storage-used"> {bytes(room.value.used)}</span>
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
  const space = room.value;
  if (space === null) return null;
  if (space.persisted) return <p data-testid="persisted">Persistent: the browser never clears it by itself.</p>;
  return (
    <p>
      The browser may clear it when the disk is full.{" "}
      <button type="button" class="link" onClick={() => void askToPersist()} data-testid="persist">
        Ask it not to
      </button>
    </p>
  );
}

async function askToPersist(): Promise<void> {
  if (await persist()) tell("Persistent now", "The browser never clears it by itself.");
  else
    warn(
      "The browser did not agree",
      "It keeps the data all the same, unless the disk gets full. Bookmarked and installed pages fare better.",
    );
}

function DriverState() {
  if (driving.value === "off") return null;
  const leads = driving.value === "leading";
  return (
    <p data-testid="driver" data-state={driving.value}>
      {leads ? "This tab" : "Another tab"} drives the timers: one tab wakes sleepers and passes deadlines, and when it
      dies another takes over. This is {tabName}.
    </p>
  );
}
