// What the page says by the way: short words for the eye (toasts) and for the ear (a live region).

import { signal } from "@preact/signals";

import { explain } from "../engine/errors";
import { sentences } from "../ui/words";

export interface Notice {
  id: number;
  kind: "good" | "bad";
  title: string;
  text: string;
}

/** How long good news stay, in milliseconds; bad ones stay until they are closed. */
const SHOWN_MS = 6_000;

export const notices = signal<Notice[]>([]);

/** What screen readers are told next. */
export const spoken = signal("");

let last = 0;

/** Says that something went well. */
export function tell(title: string, text = ""): void {
  const id = add({ kind: "good", title, text });
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Says that something is not as it should be. */
export function warn(title: string, text: string): void {
  add({ kind: "bad", title, text });
}

/** Says what went wrong, and what to do. */
export function tellError(error: unknown): void {
  const { title, what, todo } = explain(error);
  add({ kind: "bad", title, text: sentences(what, todo) });
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Tells screen readers. */
export function speak(text: string): void {
  spoken.value = text;
}

/** Does something that may fail, and tells when it did. Whether it went well. */
export async function attempt(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    tellError(error);
    return false;
  }
}

function add(notice: Omit<Notice, "id">): number {
  last += 1;
  const id = last;
  // The same words again replace the older ones: five equal toasts say no more than one.
  const others = notices.value.filter((other) => other.title !== notice.title || other.text !== notice.text);
  notices.value = [...others.slice(-4), { id, ...notice }];
  return id;
}
