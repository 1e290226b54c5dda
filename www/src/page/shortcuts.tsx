// Single-key shortcuts for frequent actions. They are ignored while a text field has the focus or a modifier key is held.

import { signal } from "@preact/signals";

import { selectionOffset } from "../executions/selection-offset";
import { killDialogOpen } from "../kill/button";
import { showEditor } from "../state/route";
import { nextTheme } from "../state/theme";
import { Dialog } from "../ui/dialog";

export const helpOpen = signal(false);

interface Shortcut {
  keys: string[];
  does: string;
  run(): void;
}

const SHORTCUTS: Shortcut[] = [
  { keys: ["1", "…", "9"], does: "Choose an answer to the first question", run: () => undefined },
  {
    keys: ["a"],
    does: "Go to the first question",
    run: () => focus(".questions article :is(input, textarea, select, .choice)"),
  },
  { keys: ["j"], does: "Next execution", run: () => (selectionOffset.value = 1) },
  { keys: ["k"], does: "Previous execution", run: () => (selectionOffset.value = -1) },
  { keys: ["/"], does: "Search executions", run: () => focus("#search") },
  { keys: ["n"], does: "New program", run: () => newProgram() },
  { keys: ["p"], does: "Pause or continue", run: () => press("pause", "unpause") },
  { keys: ["r"], does: "Retry a failed execution", run: () => press("retry") },
  { keys: ["x"], does: "Export the execution", run: () => press("export") },
  { keys: ["d"], does: "Delete the execution (asks first)", run: () => press("delete") },
  { keys: ["!"], does: "Kill the engine in the middle of a save (asks first)", run: () => (killDialogOpen.value = true) },
  { keys: ["t"], does: "Change the theme: light, dark or system", run: nextTheme },
  { keys: ["?"], does: "Show this list", run: () => (helpOpen.value = true) },
];

/** Handles shortcuts while the page is open. */
export function listenToKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
    if (/^[1-9]$/.test(event.key)) focusAndPress(`[data-number="${event.key}"]`);
    else {
      const shortcut = SHORTCUTS.find(({ keys }) => keys.length === 1 && keys[0] === event.key);
      if (shortcut === undefined) return;
      event.preventDefault();
      shortcut.run();
    }
  });
}

export function Help() {
  return (
    <Dialog open={helpOpen} title="Keyboard" testid="help-dialog">
      <dl class="keys">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>Ctrl</kbd>
            <kbd>↵</kbd>
          </dt>
          <dd>Run the program (in the editor)</dd>
        </div>
      </dl>
    </Dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

function focus(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus();
}

function focusAndPress(selector: string): void {
  const button = document.querySelector<HTMLElement>(selector);
  // The button gets the focus first: when its card is removed, the focus moves to the next card.
  button?.focus();
  button?.click();
}

function press(...actions: string[]): void {
  for (const action of actions) document.querySelector<HTMLElement>(`[data-action="${action}"]`)?.click();
}

function newProgram(): void {
  showEditor();
  requestAnimationFrame(() => focus(".program [aria-pressed]"));
}
