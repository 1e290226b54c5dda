// Single-key shortcuts for frequent actions. They are ignored while a text field has the focus or a modifier key is held.

import { signal } from "@preact/signals";

import { moveSelection } from "../executions/list";
import { killDialogOpen } from "../kill/dialog";
import { ANSWER_CONTROLS } from "../question/panel";
import { showEditor } from "../state/route";
import { nextTheme } from "../state/theme";
import { Dialog } from "../ui/controls";

export const helpOpen = signal(false);

const SHORTCUTS: { keys: string[]; does: string; run?(): void }[] = [
  { keys: ["1", "…", "9"], does: "Choose an answer to the first question" },
  { keys: ["a"], does: "Go to the first question", run: () => focus(`.questions ${ANSWER_CONTROLS}`) },
  { keys: ["j"], does: "Next execution", run: () => moveSelection(1) },
  { keys: ["k"], does: "Previous execution", run: () => moveSelection(-1) },
  { keys: ["/"], does: "Search executions", run: () => focus("#search") },
  { keys: ["n"], does: "New program", run: () => newProgram() },
  { keys: ["p"], does: "Pause or continue", run: () => press("pause", "unpause") },
  { keys: ["r"], does: "Retry a failed execution", run: () => press("retry") },
  { keys: ["x"], does: "Export the execution", run: () => press("export") },
  { keys: ["d"], does: "Delete the execution (asks first)", run: () => press("delete") },
  { keys: ["!"], does: "Kill the engine in the middle of a save (asks first)", run: () => (killDialogOpen.value = true) },
  { keys: ["t"], does: "Change the theme: light, dark or system", run: nextTheme },
  { keys: ["?"], does: "Show this list", run: () => (helpOpen.value = true) },
  { keys: ["Ctrl", "↵"], does: "Run the program (in the editor)" },
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
      shortcut.run?.();
    }
  });
}

export function Help() {
  return (
    <Dialog open={helpOpen} title="Keyboard" testid="help-dialog">
      <dl class="pairs">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={does}>
            <dt class="bar">
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
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
