// Where the focus goes when the card that had it is answered and gone: to the next question, or, where there is none, to what the program
// came to. Never to nowhere.

import { useEffect, useRef } from "preact/hooks";
import type { OpenCall } from "runstate";

/** Keeps the focus among the questions in `region`, for somebody who was there. */
export function useFocusKept(region: { current: HTMLElement | null }, calls: OpenCall[]): void {
  const within = useRef(false);
  /** Where the focus waits for the next question. */
  const parked = useRef<HTMLElement | null>(null);

  useEffect(() => {
    // Only what takes the focus is heard: a control that is removed leaves it to the body without a word.
    const heard = ({ target }: FocusEvent) => {
      within.current = target === parked.current || (region.current?.contains(target as Node) ?? false);
    };
    document.addEventListener("focusin", heard);
    return () => document.removeEventListener("focusin", heard);
  }, []);

  useEffect(() => {
    const at = document.activeElement;
    if (!within.current || (at !== document.body && at !== parked.current)) return;
    const next = region.current?.querySelector<HTMLElement>("article :is(input, textarea, select, .choice)");
    if (next !== undefined && next !== null) {
      parked.current = null;
      next.focus();
      return;
    }
    parked.current = document.querySelector<HTMLElement>(".end") ?? document.getElementById("main");
    parked.current?.focus({ preventScroll: true });
  }, [calls]);
}
