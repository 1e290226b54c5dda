// Notices of the page: short texts in toasts, and in a live region for screen readers.

import { signal } from "@preact/signals";

import { explain } from "../engine/errors";
import { joinSentences } from "../ui/format";

export interface Notice {
  id: number;
  kind: "good" | "bad";
  title: string;
  text: string;
}

/** How long a notice of success is shown, in milliseconds. Others are shown until they are closed. */
const TOAST_MS = 6_000;

export const notices = signal<Notice[]>([]);

/** The text of the live region, which screen readers announce. */
export const announcement = signal("");

let lastId = 0;

/** Shows a notice of success. */
export function notify(title: string, text = ""): void {
  const id = add({ kind: "good", title, text });
  setTimeout(() => dismiss(id), TOAST_MS);
}

/** Shows a warning. */
export function warn(title: string, text: string): void {
  add({ kind: "bad", title, text });
}

/** Shows an error, with what to do. */
export function notifyError(error: unknown): void {
  const { title, message, advice } = explain(error);
  add({ kind: "bad", title, text: joinSentences(message, advice) });
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Makes screen readers announce a text. */
export function announce(text: string): void {
  announcement.value = text;
}

/** Runs `act` and shows its error if it fails. Returns whether it succeeded. */
export async function runOrNotify(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    notifyError(error);
    return false;
  }
}

function add(notice: Omit<Notice, "id">): number {
  lastId += 1;
  const id = lastId;
  // A notice replaces an older one with the same text.
  const others = notices.value.filter((other) => other.title !== notice.title || other.text !== notice.text);
  notices.value = [...others.slice(-4), { id, ...notice }];
  return id;
}
