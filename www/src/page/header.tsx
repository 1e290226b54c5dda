// The header of the page: its name, the link to the list on phones, theme, shortcuts, and the button that kills the engine.

import { signal } from "@preact/signals";

import { isDurable, store } from "../engine/session";
import { killDialogOpen } from "../kill/dialog";
import { LIST, route } from "../state/route";
import { nextTheme, theme } from "../state/theme";
import { Button } from "../ui/controls";
import { helpOpen } from "./shortcuts";

const isOnline = signal(navigator.onLine);
for (const event of ["online", "offline"]) addEventListener(event, () => (isOnline.value = navigator.onLine));

const THEME_SIGNS = { system: "◐", light: "☀", dark: "☾" };

export function Header() {
  return (
    <header class="top bar">
      <a class="brand" href="#/new" aria-label="runstate: to the start">
        <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="#0f766e" />
          <path d="M7 16h9" stroke="#ccfbf1" stroke-width="3" stroke-linecap="round" />
          <circle cx="21" cy="16" r="5" fill="#fbbf24" />
        </svg>
        <h1>runstate</h1>
      </a>
      <nav class="bar" aria-label="Page">
        {!isOnline.value && (
          <span class="pill" data-testid="offline">
            Offline: everything works
          </span>
        )}
        {store.value !== null && !isDurable.value && <span class="pill bad">Nothing is saved</span>}
        <a class="to-list" href={LIST} aria-current={route.value.at === "list" ? "page" : undefined} data-testid="to-list">
          Executions
        </a>
        <a class="to-source" href={__SOURCE__}>
          Source
        </a>
        <Button
          class="icon"
          onClick={nextTheme}
          aria-label={`Theme: ${theme.value}. Change it`}
          title={`Theme: ${theme.value}`}
          testid="theme"
        >
          {THEME_SIGNS[theme.value]}
        </Button>
        <Button
          class="icon keyboard"
          onClick={() => (helpOpen.value = true)}
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts ( ? )"
          testid="help"
        >
          ?
        </Button>
        <Button class="kill danger" onClick={() => (killDialogOpen.value = true)} busy={store.value === null} testid="kill">
          Kill it
        </Button>
      </nav>
    </header>
  );
}
