// Options that several methods share.

import { type Validator, type OptionValidators, validate, listOf, oneOf, uint32, signal, text as aText } from "./validation.js";
import type { LogLevel, Status, ChangeSubject } from "./wire.js";

/** Options of every method that writes. */
export interface CommandOptions {
  /**
   * The id of the command. Repeating an id, from any process, has no further effect and returns the current status.
   * Without an id every call is a new command.
   */
  commandId?: string;
  /** Aborts waiting: the promise rejects with the signal's reason. A command that was already sent may still be committed. */
  signal?: AbortSignal;
}

/** Options of every method that waits. */
export interface WaitOptions {
  /** Aborts waiting: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of a page of a list. */
export interface PageOptions extends WaitOptions {
  /** The maximum number of rows. */
  limit?: number;
  /** The `next` of the previous page: only rows after it. */
  cursor?: string;
}

export const COMMAND: OptionValidators<CommandOptions> = { commandId: aText, signal };
export const COMMAND_BY: OptionValidators<{ by?: string } & CommandOptions> = { by: aText, ...COMMAND };
export const WAIT: OptionValidators<WaitOptions> = { signal };
export const LIMIT: OptionValidators<{ limit?: number } & WaitOptions> = { limit: uint32, ...WAIT };
export const PAGE: OptionValidators<PageOptions> = { cursor: aText, ...LIMIT };

export const LOG_LEVEL = oneOf<LogLevel>({ off: true, calls: true, instructions: true });
export const STATUS = oneOf<Status>({ running: true, waiting_cc: true, paused: true, complete: true, error: true, cancelled: true });
export const SUBJECTS = listOf(oneOf<ChangeSubject>({ program: true, version: true, execution: true, call: true, output: true, log: true }));

/** Returns `value` if it is a string. Callers in JavaScript may pass anything. `label` names the value in the error. */
export function requireText(value: unknown, label: string): string {
  return validate(label, value as string, aText);
}

/** Returns `value` if it is undefined or valid. `label` names the value in the error. */
export function validateOptional<T>(value: T | undefined, label: string, kind: Validator): T | undefined {
  return value === undefined ? undefined : validate(label, value, kind);
}
