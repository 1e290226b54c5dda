// Keeping the focus. A control that is removed leaves the focus to nobody, and who works by keyboard or ear begins at the top again; a guard
// hands it on to what stands in for the control.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

/** What has the focus only until something better comes. */
export interface Guarded {
  /** Where the focus goes. */
  to: HTMLElement | null;
  /** Whether it waits there: it goes on as soon as something better is there. */
  waits: boolean;
}

/** Guards the focus within `region`: when `changed` did and the focus was lost there, it goes where `next` says. */
export function useFocusGuard(region: { current: HTMLElement | null }, changed: unknown, next: () => Guarded): void {
  const within = useRef(false);
  const waiting = useRef<HTMLElement | null>(null);

  useEffect(() => {
    // Only what takes the focus is heard: a removal is not told.
    const heard = ({ target }: FocusEvent) => {
      within.current = target === waiting.current || (region.current?.contains(target as Node) ?? false);
    };
    document.addEventListener("focusin", heard);
    return () => document.removeEventListener("focusin", heard);
  }, []);

  // Before the next picture: a key that is pressed meanwhile must not go nowhere.
  useLayoutEffect(() => {
    const at = document.activeElement;
    if (!within.current || (at !== document.body && at !== waiting.current)) return;
    const { to, waits } = next();
    waiting.current = waits ? to : null;
    to?.focus({ preventScroll: waits });
  }, [changed]);
}

/** The part of the page that holds the program or the execution. */
export function mainPart(): HTMLElement | null {
  return document.getElementById("main");
}
