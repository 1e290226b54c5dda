// What was typed into the card of a call, kept until the call is answered: over a reload, and over its card being drawn anew.

import { inTab } from "../state/kept";
import type { Draft } from "./draft";

export function draftOf(call: string): Draft | null {
  const kept = inTab.json(`draft.${call}`);
  return isDraft(kept) ? kept : null;
}

export function keep(call: string, draft: Draft): void {
  inTab.set(`draft.${call}`, JSON.stringify(draft));
}

export function forget(call: string): void {
  inTab.remove(`draft.${call}`);
}

function isDraft(value: unknown): value is Draft {
  if (typeof value === "string") return true;
  return typeof value === "object" && value !== null && Object.values(value).every(isDraft);
}
