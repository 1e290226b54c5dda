// Moves the focus when the card that had it is answered and removed: to the next question, or to the outcome if there is none.

import type { OpenCall } from "runstate";

import { mainElement, useFocusGuard } from "../ui/focus";

/** Keeps the focus among the questions in `region` if it was there. */
export function useQuestionFocus(region: { current: HTMLElement | null }, calls: OpenCall[]): void {
  useFocusGuard(region, calls, () => {
    const control = region.current?.querySelector<HTMLElement>("article :is(input, textarea, select, .choice)");
    if (control !== undefined && control !== null) return { to: control, waits: false };
    return { to: document.querySelector<HTMLElement>(".end") ?? mainElement(), waits: true };
  });
}
