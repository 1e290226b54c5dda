// Single keys for what is done often. They mean nothing while somebody types, or where a modifier is held.

import { signal } from "@preact/signals";

import { steps } from "../executions/steps";
import { asked } from "../kill/button";
import { showNew } from "../state/route";
import { nextTheme } from "../state/theme";
import { Dialog } from "../ui/dialog";

export const helpOpen = signal(false);

interface Shortcut {
  keys: string[];
  does: string;
  act(): void;
}

const SHORTCUTS: Shortcut[] = [
  { keys: ["1", "…", "9"], does: "Choose an answer of the first question", act: () => undefined },
  {
    keys: ["a"],
    does: "Go to the first question",
    act: () => focus(".questions article :is(input, textarea, select, .choice)"),
  },
  { keys: ["j"], does: "Next execution", act: () => (steps.value = 1) },
  { keys: ["k"], does: "Execution before", act: () => (steps.value = -1) },
  { keys: ["/"], does: "Search executions", act: () => focus("#search") },
  { keys: ["n"], does: "New program", act: () => newProgram() },
  { keys: ["p"], does: "Pause, or continue", act: () => press("pause", "unpause") },
  { keys: ["r"], does: "Retry what failed", act: () => press("retry") },
  { keys: ["x"], does: "Export the execution", act: () => press("export") },
  { keys: ["d"], does: "Delete the execution (asks first)", act: () => press("delete") },
  { keys: ["!"], does: "Kill it in the middle of a save (asks first)", act: () => (asked.value = true) },
  { keys: ["t"], does: "Light, dark, or as the system has it", act: nextTheme },
  { keys: ["?"], does: "Show this list", act: () => (helpOpen.value = true) },
];

/** Listens as long as the page lives. */
export function listenToKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
    if (/^[1-9]$/.test(event.key)) focusAndPress(`[data-number="${event.key}"]`);
    else {
      const shortcut = SHORTCUTS.find(({ keys }) => keys.length === 1 && keys[0] === event.key);
      if (shortcut === undefined) return;
      event.preventDefault();
      shortcut.act();
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
          <dd>Run the program, in the editor</dd>
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
  // Where the focus is when the card goes, the next card gets it.
  button?.focus();
  button?.click();
}

function press(...actions: string[]): void {
  for (const action of actions) document.querySelector<HTMLElement>(`[data-action="${action}"]`)?.click();
}

function newProgram(): void {
  showNew();
  requestAnimationFrame(() => focus(".program [aria-pressed]"));
}
