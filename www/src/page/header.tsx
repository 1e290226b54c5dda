// The top of the page: what it is, how its store stands, who drives the timers, and the button that kills the tab.

import { signal } from "@preact/signals";

import { session, tabName } from "../engine/session";
import { KillButton } from "../kill/button";
import { tell, warn } from "../state/notices";
import { nextTheme, theme } from "../state/theme";
import { bytes } from "../ui/words";
import { driving } from "./driver";
import { persist, room } from "./storage";
import { helpOpen } from "./shortcuts";

/** Whether there is no network. */
export const offline = signal(!navigator.onLine);
for (const event of ["online", "offline"]) addEventListener(event, () => (offline.value = !navigator.onLine));

const THEMES = { system: "◐", light: "☀", dark: "☾" } as const;

export function Header() {
  return (
    <header class="top">
      <a class="brand" href="#/new" aria-label="runstate: to the editor">
        <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="#0f766e" />
          <path d="M7 16h9" stroke="#ccfbf1" stroke-width="3" stroke-linecap="round" />
          <circle cx="21" cy="16" r="5" fill="#fbbf24" />
        </svg>
        <h1>runstate</h1>
      </a>
      <p class="tagline">Programs that stop to ask, and never lose their place</p>
      <div class="chips">
        <Store />
        <DriverBadge />
        {offline.value ? (
          <span class="chip" data-testid="offline">
            Offline: all of it works
          </span>
        ) : null}
      </div>
      <div class="tools">
        <button
          type="button"
          class="icon"
          onClick={nextTheme}
          aria-label={`Theme: ${theme.value}. Change it`}
          title={`Theme: ${theme.value}`}
          data-testid="theme"
        >
          {THEMES[theme.value]}
        </button>
        <button
          type="button"
          class="icon"
          onClick={() => (helpOpen.value = true)}
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts ( ? )"
          data-testid="help"
        >
          ?
        </button>
        <KillButton />
      </div>
    </header>
  );
}

function Store() {
  const now = session.value;
  if (now.state !== "open")
    return <span class="chip">{now.state === "opening" ? "Opening the store…" : "No store"}</span>;
  if (!now.store.durable) {
    return (
      <span class="chip warn" data-testid="store">
        In memory
      </span>
    );
  }
  const space = room.value;
  return (
    <>
      <span class="chip" title={`The store of this page: ${now.store.url}`} data-testid="store">
        IndexedDB
        {space === null ? null : <span data-testid="storage-used"> {bytes(space.used)}</span>}
      </span>
      {space === null ? null : space.persisted ? (
        <span class="chip" title="The browser never clears it by itself." data-testid="persisted">
          Persistent
        </span>
      ) : (
        <button
          type="button"
          class="chip"
          title="The browser may clear it when the disk is full. Press to ask it not to."
          onClick={() => void askToPersist()}
          data-testid="persist"
        >
          Best effort
        </button>
      )}
    </>
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

function DriverBadge() {
  if (session.value.state !== "open") return null;
  const leads = driving.value === "leading";
  const words = leads ? "This tab drives the timers" : "Another tab drives the timers";
  if (driving.value === "off") return null;
  return (
    <span
      class={`chip ${leads ? "lead" : ""}`}
      title={`This is ${tabName}. One tab wakes sleepers and passes deadlines; when it dies another takes over.`}
      data-testid="driver"
      data-state={driving.value}
    >
      {words}
    </span>
  );
}
