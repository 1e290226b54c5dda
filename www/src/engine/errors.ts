// What went wrong, for people: what happened, and what to do about it.

import { RunstateError } from "runstate/slim";

/** An error in words. */
export interface Explanation {
  title: string;
  /** What the engine says. */
  what: string;
  /** What to do; empty where nothing need be done. */
  todo: string;
  /** The stable code, for those who ask for help. */
  code: string;
}

const WORDS: Record<string, [title: string, todo: string]> = {
  already_answered: ["Somebody else answered first", "Their answer stands; yours changed nothing."],
  ambiguous_call: ["Several questions are open", "Answer the one that you mean in its own form."],
  cancelled: ["It was cancelled", ""],
  closed: ["The store was closed", "Reload the page."],
  compile_error: ["The program does not compile", "The editor marks the places."],
  conflict: ["Somebody changed it at the same moment", "Try again."],
  corrupt: ["Stored data is damaged", "What is damaged is never believed. All else goes on; keep a copy by Export."],
  deadline_passed: ["The deadline has passed", "The program went on without this answer."],
  full: [
    "No space is left",
    "Delete executions that you need no more, or free disk space; nothing half-written is there.",
  ],
  illegal_transition: ["That is not possible now", "It has changed since you looked; the page shows how it stands."],
  in_use: ["Something still needs it", ""],
  internal: ["The engine stopped because of a defect", "Reload the page: what was acknowledged is kept."],
  invalid_answer: ["The answer does not fit", "Change it and send it again."],
  limit: ["A limit was reached", ""],
  newer_version: [
    "A newer version of this page wrote the store",
    "Reload this tab, and close others that are old. Until then it can only be read.",
  ],
  not_found: ["It is not there (any more)", "Somebody may have deleted it."],
  read_only: ["The store can only be read", "Reload the page; if that does not help, export what you need."],
  stale: ["It has changed since you looked", "The page shows how it stands; try again."],
  unavailable: ["The store cannot be reached", "Close other tabs of this page that were open for long, then reload."],
  unknown_outcome: ["It is not known whether it was done", "Look before you try again: the page shows how it stands."],
  unsupported: ["This browser cannot do that", "Use a current browser, outside of private windows."],
};

/** Tells any error in words. */
export function explain(error: unknown): Explanation {
  if (error instanceof RunstateError) {
    const [title, todo] = WORDS[error.code] ?? ["It was refused", ""];
    return { title, what: error.message, todo, code: error.code };
  }
  const what = error instanceof Error ? error.message : String(error);
  return { title: "Something went wrong", what, todo: "Reload the page: what was acknowledged is kept.", code: "page" };
}
