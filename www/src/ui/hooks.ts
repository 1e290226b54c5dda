// Hooks for commands and for the focus.

import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { notifyError } from "../state/notices";

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

/**
 * Keeps the focus when a change of `changed` removes the control in `region` that has it. Otherwise users of a keyboard or a screen reader would start
 * again at the top of the page. The focus moves to the first of the `controls` in the region. If there is none, it moves to the `outcome` or to the main
 * part; after an `outcome` was requested, it moves again as soon as there is a better target.
 */
export function useFocusGuard(region: RefObject<HTMLElement | null>, changed: unknown, controls: string, outcome?: string): void {
  const within = useRef(false);
  const waiting = useRef<HTMLElement | null>(null);

  useEffect(() => {
    // Browsers report when an element gets the focus, but not when a removed element loses it.
    const handleFocusIn = ({ target }: FocusEvent) => {
      within.current = target === waiting.current || (region.current?.contains(target as Node) ?? false);
    };
    document.addEventListener("focusin", handleFocusIn);
    return () => document.removeEventListener("focusin", handleFocusIn);
  }, []);

  // A layout effect, so that no key is pressed between the removal and the new focus.
  useLayoutEffect(() => {
    const at = document.activeElement;
    if (!within.current || (at !== document.body && at !== waiting.current)) return;
    const control = region.current?.querySelector<HTMLElement>(controls);
    const other = (outcome === undefined ? null : document.querySelector<HTMLElement>(outcome)) ?? document.getElementById("main");
    waiting.current = control || outcome === undefined ? null : other;
    (control ?? other)?.focus({ preventScroll: waiting.current !== null });
  }, [changed]);
}
