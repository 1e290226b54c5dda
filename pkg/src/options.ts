// Options that many methods take, and what is made of them.

import { usage } from "./errors.js";

/** What everything that writes takes. */
export interface CommandOptions {
  /**
   * Names the command: the same id again, from here or anywhere, does nothing again and tells how things stand now.
   * Without it every call is a command of its own.
   */
  commandId?: string;
  /** Ends the waiting: rejects with the signal's reason. What was sent already may be committed all the same. */
  signal?: AbortSignal;
}

/** What everything that waits takes. */
export interface WaitOptions {
  /** Ends the waiting: rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The part of the options that goes to the engine. */
export function named(options: CommandOptions | undefined): { commandId?: string } {
  return options?.commandId === undefined ? {} : { commandId: options.commandId };
}

/** `value`, where it is a text; callers without types may give anything. */
export function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw usage(`${what} is a string, and this is ${value === null ? "null" : typeof value}`);
  return value;
}
