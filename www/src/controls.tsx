// Controls and boxes that all parts share, and the focus of the keyboard.

import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren, ComponentProps } from "preact";
import { useId } from "preact/hooks";

import { formatRelative } from "./format";
import { notifyError } from "./notices";

interface ButtonProps extends ComponentProps<"button"> {
  testid?: string;
  /** Whether a press has no effect now. The button keeps the focus. */
  busy?: boolean;
}

export function Button({ testid, busy, ...attributes }: ButtonProps) {
  return <button type="button" aria-disabled={busy} data-testid={testid} {...attributes} />;
}

interface PanelProps {
  testid: string;
  title: string;
  aside?: string;
  children: ComponentChildren;
}

/** A part of the page in a box with a title. */
export function Panel({ testid, title, aside = "", children }: PanelProps) {
  const id = useId();
  return (
    <section class="panel" aria-labelledby={id} data-testid={testid}>
      <h3 id={id}>{title} <span class="hint">{aside}</span></h3>
      {children}
    </section>
  );
}

/** The current time, for countdowns and ages. A hidden page is not updated. */
export const now = signal(Date.now());

/** Updates {@link now} every second while the page is open. */
export function followTime(): void {
  const update = () => void (document.visibilityState === "visible" && (now.value = Date.now()));
  setInterval(update, 1_000);
  document.addEventListener("visibilitychange", update);
}

/** How long ago something happened. Only this part is rendered again as time passes. */
export function Age({ label = "", at }: { label?: string; at: number }) {
  return <time title={new Date(at).toLocaleString()}>{label} {formatRelative(at, now.value)}</time>;
}

/** Runs one command at a time. By default its error is shown as a notice. */
export function useCommand(onError: (error: unknown) => void = notifyError) {
  const busy = useSignal(false);
  async function run(command: () => Promise<unknown>): Promise<void> {
    if (busy.value) return;
    busy.value = true;
    try {
      await command();
    } catch (error) {
      onError(error);
    } finally {
      busy.value = false;
    }
  }
  return { busy: busy.value, run };
}

/** The controls that take an answer. */
const ANSWER_CONTROLS = "article :is(input, textarea, select, .choice)";

/**
 * Keeps the focus when the control that has it is removed. Otherwise users of a keyboard or a screen reader would
 * start again at the top of the page. The focus moves to the next question, to another button of the same group, to
 * the outcome, or to the main part.
 */
export function keepFocus(): void {
  let ancestors: HTMLElement[] = [];
  // Browsers report when an element gets the focus, but not when a removed element loses it.
  addEventListener("focusin", ({ target }) => {
    ancestors = [];
    for (let element = target as HTMLElement | null; element !== null; element = element.parentElement) ancestors.push(element);
  });
  // Observers run before the next key is handled.
  new MutationObserver(() => {
    if (document.activeElement !== document.body || (ancestors[0]?.isConnected ?? true)) return;
    const region = ancestors.find(({ isConnected }) => isConnected);
    const sibling = region?.closest("[role=group]")?.querySelector<HTMLElement>("button");
    const next = region?.querySelector<HTMLElement>(ANSWER_CONTROLS) ?? sibling ?? document.getElementById("outcome");
    (next ?? document.getElementById("main"))?.focus({ preventScroll: !next });
  }).observe(document.body, { childList: true, subtree: true });
}
