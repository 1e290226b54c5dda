// Stores the drafts of answers by call until the call is answered. They survive a reload of the page and a new rendering of the card.

import { tabStorage } from "../state/web-storage";
import type { FormDraft } from "./draft";

export function loadDraft(call: string): FormDraft | null {
  const stored = tabStorage.json(`draft.${call}`);
  return isDraft(stored) ? stored : null;
}

export function saveDraft(call: string, draft: FormDraft): void {
  tabStorage.set(`draft.${call}`, JSON.stringify(draft));
}

export function deleteDraft(call: string): void {
  tabStorage.remove(`draft.${call}`);
}

function isDraft(value: unknown): value is FormDraft {
  if (typeof value === "string") return true;
  return typeof value === "object" && value !== null && Object.values(value).every(isDraft);
}
