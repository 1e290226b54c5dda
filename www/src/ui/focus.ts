// Keeps the focus when the control that has it is removed. Without a guard the browser moves the focus to the body. Users of a keyboard or a
// screen reader would start again at the top of the page.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

/** The target of a lost focus. */
export interface FocusTarget {
  /** The element that gets the focus. */
  to: HTMLElement | null;
  /** Whether the focus moves again at the next change, when a better target may exist. */
  waits: boolean;
}

/** Guards the focus within `region`. If the focus is lost there when `changed` changes, it moves to the target of `next`. */
export function useFocusGuard(region: { current: HTMLElement | null }, changed: unknown, next: () => FocusTarget): void {
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
    const { to, waits } = next();
    waiting.current = waits ? to : null;
    to?.focus({ preventScroll: waits });
  }, [changed]);
}

/** The element with the program or the execution. */
export function mainElement(): HTMLElement | null {
  return document.getElementById("main");
}
