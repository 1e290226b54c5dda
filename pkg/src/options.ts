// Options that several methods share.

import type { ChangeSubject } from "./changes.js";
import { type OptionValidators, flag, listOf, oneOf, signal, text, validate } from "./validation.js";

/** Options of every method that writes. */
export interface CommandOptions {
  /**
   * The id of the command. Repeating an id, from any process, has no further effect and returns the current status.
   * Without an id every call is a new command.
   */
  commandId?: string;
  /** Aborts waiting: the promise rejects with the signal's reason. A command that was already sent may still be
   * committed. */
  signal?: AbortSignal;
}

/** Options of every method that waits. */
export interface WaitOptions {
  /** Aborts waiting: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of an import into a store that has changed since an earlier one. */
export interface ImportChoices {
  /** What happens to documents that have changed both in the source and here since they were imported, or were not
   * imported and differ: `refuse` (the default) rejects with `already_exists` and changes nothing, `keep` keeps them
   * with their parts, and imports the others. */
  conflicts?: "refuse" | "keep";
  /** Whether documents are imported again that an import wrote and that were deleted here since; by default they are
   * not. */
  restoreDeleted?: boolean;
}

export const IMPORT_CHOICES: OptionValidators<ImportChoices> = {
  conflicts: oneOf<"refuse" | "keep">({ refuse: true, keep: true }),
  restoreDeleted: flag,
};

export const WAIT: OptionValidators<WaitOptions> = { signal };

export const SUBJECTS = listOf(oneOf<ChangeSubject>({ program: true, version: true, execution: true, call: true, output: true, log: true }));

/** Returns `value` if it is a string. Callers in JavaScript may pass anything. `label` names the value in the error. */
export function requireText(value: unknown, label: string): string {
  return validate(label, value as string, text);
}
