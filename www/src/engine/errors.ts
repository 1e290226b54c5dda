// The texts of errors for visitors: what failed, why, and what to do.

import { RunstateError } from "runstate/slim";

/** The text of an error. */
export interface Explanation {
  title: string;
  /** The message of the engine. */
  message: string;
  /** The advice; empty if there is none. */
  advice: string;
  /** The stable error code, for support requests. */
  code: string;
}

const EXPLANATIONS: Record<string, [title: string, advice: string]> = {
  already_answered: ["The question was already answered", "The first answer counts; yours changed nothing."],
  ambiguous_call: ["Several questions are open", "Answer the question in its own form."],
  cancelled: ["The execution was cancelled", ""],
  closed: ["The store is closed", "Reload the page."],
  compile_error: ["The program does not compile", "The editor marks the errors."],
  conflict: ["It was changed at the same time", "Try again."],
  corrupt: ["Stored data is damaged", "The damaged data is not used; everything else still works. Save a copy with Export."],
  deadline_passed: ["The deadline has passed", "The program continued without this answer."],
  full: ["No space is left", "Nothing was changed. Delete executions that you no longer need, or free disk space."],
  illegal_transition: ["That is not possible now", "The execution has changed; the page shows its current status."],
  in_use: ["It is still in use", ""],
  internal: ["The engine stopped after an internal error", "Reload the page. Every acknowledged answer is saved."],
  invalid_answer: ["The answer does not fit the question", "Change it and send it again."],
  limit: ["A limit was reached", ""],
  newer_version: ["A newer version of this page wrote the store", "Reload this tab and close older ones. Until then the store is read-only."],
  not_found: ["It does not exist", "It may have been deleted."],
  read_only: ["The store is read-only", "Reload the page. If that does not help, export what you need."],
  stale: ["It has changed", "The page shows the current status; try again."],
  unavailable: ["The store cannot be reached", "Close other tabs of this page that have been open for a long time, then reload."],
  unknown_outcome: ["It is unknown whether the change was saved", "Check the status that the page shows before you try again."],
  unsupported: ["This browser does not support it", "Use a current browser, outside of private windows."],
};

/** The text of any error. */
export function explain(error: unknown): Explanation {
  if (error instanceof RunstateError) {
    const [title, advice] = EXPLANATIONS[error.code] ?? ["The request was rejected", ""];
    return { title, message: error.message, advice, code: error.code };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { title: "Something went wrong", message, advice: "Reload the page. Every acknowledged answer is saved.", code: "page" };
}

/** Whether an error of the engine has one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): error is RunstateError {
  return error instanceof RunstateError && codes.includes(error.code);
}
