// Notices of the page: short texts in toasts, and the texts of errors.

import { signal } from "@preact/signals";
import { RunstateError } from "runstate/full";

export interface Explanation {
  title: string;
  text: string;
}

interface Notice extends Explanation {
  id: number;
  isError: boolean;
}

/** How long a notice of success is shown, in milliseconds. Others are shown until they are closed. */
const TOAST_MS = 6_000;

export const notices = signal<Notice[]>([]);

let lastId = 0;

/** Shows a notice of success. */
export function notify(title: string, text = ""): void {
  const id = add({ isError: false, title, text });
  setTimeout(() => dismiss(id), TOAST_MS);
}

export function warn(title: string, text: string): void {
  add({ isError: true, title, text });
}

export function notifyError(error: unknown): void {
  const { title, text } = explain(error);
  warn(title, text);
}

/** Copies a text to the clipboard and says so. */
export async function copy(text: string, noun: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notify("Copied", `The ${noun}: ${text}`);
  } catch {
    warn("Not copied", `The browser does not allow the page to copy. The ${noun} is: ${text}`);
  }
}

function add(notice: Omit<Notice, "id">): number {
  // A notice replaces an older one with the same text. Older ones would cover the page.
  const others = notices.value.filter(({ title, text }) => title !== notice.title || text !== notice.text);
  notices.value = [...others, { id: ++lastId, ...notice }].slice(-5);
  return lastId;
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** The titles of errors that visitors may cause or meet. */
const TITLES: { readonly [code: string]: string } = {
  already_answered: "Answered already",
  already_approved: "Decided already",
  closed: "The store was closed",
  corrupt: "Stored data is damaged",
  deadline_passed: "Too late",
  full: "No space is left",
  illegal_transition: "Not possible now",
  internal: "The engine has stopped",
  invalid_answer: "This answer does not fit",
  limit: "A limit is reached",
  newer_version: "A newer page has changed the store",
  not_found: "Deleted meanwhile",
  read_only: "Nothing can be saved",
  unknown_outcome: "Perhaps saved, perhaps not",
};

/** The text of any error. The messages of the engine say what to do. */
export function explain(error: unknown): Explanation {
  const title = (error instanceof RunstateError && TITLES[error.code]) || "Something went wrong";
  return { title, text: error instanceof Error ? error.message : String(error) };
}

/** Whether an error of the engine has one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): error is RunstateError {
  return error instanceof RunstateError && codes.includes(error.code);
}
