// Options that several methods share.

import type { ChangeSubject } from "./changes.js";
import { type OptionValidators, listOf, oneOf, signal, text, validate } from "./validation.js";

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

export const WAIT: OptionValidators<WaitOptions> = { signal };

export const SUBJECTS = listOf(oneOf<ChangeSubject>({ program: true, version: true, execution: true, call: true, output: true, log: true }));

/** Returns `value` if it is a string. Callers in JavaScript may pass anything. `label` names the value in the error. */
export function requireText(value: unknown, label: string): string {
  return validate(label, value as string, text);
}
