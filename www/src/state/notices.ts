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

/** The maximum number of notices. */
const MAX_NOTICES = 5;

export const notices = signal<Notice[]>([]);

/** The text of the live region, which screen readers announce. */
export const announcement = signal("");

let lastId = 0;

/** Shows a notice of success. */
export function notify(title: string, text = ""): void {
  const id = add("good", title, text);
  setTimeout(() => dismiss(id), TOAST_MS);
}

/** Shows a warning. */
export function warn(title: string, text: string): void {
  add("bad", title, text);
}

/** Shows an error, with what to do. */
export function notifyError(error: unknown): void {
  const { title, message, advice } = explain(error);
  warn(title, joinSentences(message, advice));
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Makes screen readers announce a text. */
export function announce(text: string): void {
  announcement.value = text;
}

/** Copies a text to the clipboard and says so. */
export async function copy(text: string, noun: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notify("Copied", `The ${noun}.`);
  } catch {
    warn("Not copied", `The browser does not allow the page to copy. The ${noun} is: ${text}`);
  }
}

function add(kind: Notice["kind"], title: string, text: string): number {
  // A notice replaces an older one with the same text.
  const others = notices.value.filter((other) => other.title !== title || other.text !== text);
  notices.value = [...others, { id: ++lastId, kind, title, text }].slice(-MAX_NOTICES);
  return lastId;
}
