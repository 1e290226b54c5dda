// Where the focus goes when the card that had it is answered and gone: to the next question, or, where there is none, to what the program
// came to.

import type { OpenCall } from "runstate";

import { mainPart, useFocusGuard } from "../ui/focus";

/** Keeps the focus among the questions in `region`, for somebody who was there. */
export function useFocusKept(region: { current: HTMLElement | null }, calls: OpenCall[]): void {
  useFocusGuard(region, calls, () => {
    const control = region.current?.querySelector<HTMLElement>("article :is(input, textarea, select, .choice)");
    if (control !== undefined && control !== null) return { to: control, waits: false };
    return { to: document.querySelector<HTMLElement>(".end") ?? mainPart(), waits: true };
  });
}
