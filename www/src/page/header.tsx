// The header of the page: its name, the link to the list on phones, theme, shortcuts, and the button that kills the engine.

import { signal } from "@preact/signals";

import { session } from "../engine/session";
import { KillButton } from "../kill/button";
import { LIST, route } from "../state/route";
import { nextTheme, theme } from "../state/theme";
import { SOURCE } from "./links";
import { helpOpen } from "./shortcuts";

/** Whether the browser is offline. */
export const offline = signal(!navigator.onLine);
for (const event of ["online", "offline"]) addEventListener(event, () => (offline.value = !navigator.onLine));

const THEMES = { system: "◐", light: "☀", dark: "☾" } as const;

export function Header() {
  return (
    <header class="top">
      <a class="brand" href="#/new" aria-label="runstate: to the start">
        <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="#0f766e" />
          <path d="M7 16h9" stroke="#ccfbf1" stroke-width="3" stroke-linecap="round" />
          <circle cx="21" cy="16" r="5" fill="#fbbf24" />
        </svg>
        <h1>runstate</h1>
      </a>
      <Chips />
      <nav class="tools" aria-label="Page">
        <a
          class="tool to-list"
          href={LIST}
          aria-current={route.value.at === "list" ? "page" : undefined}
          data-testid="to-list"
        >
          Executions
        </a>
        {SOURCE === null ? null : (
          <a class="tool to-source" href={SOURCE}>
            Source
          </a>
        )}
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
          class="icon keyboard"
          onClick={() => (helpOpen.value = true)}
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts ( ? )"
          data-testid="help"
        >
          ?
        </button>
        <KillButton />
      </nav>
    </header>
  );
}

function Chips() {
  const now = session.value;
  return (
    <div class="chips">
      {offline.value ? (
        <span class="chip" data-testid="offline">
          Offline: everything works
        </span>
      ) : null}
      {now.state === "open" && !now.store.durable ? <span class="chip warn">Nothing is saved</span> : null}
    </div>
  );
}
