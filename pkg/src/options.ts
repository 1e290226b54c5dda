// Options that many methods take.

import { type Kind, type Shape, given, listOf, oneOf, rows, signal, text as aText } from "./given.js";
import type { LogLevel, Status, Thing } from "./wire.js";

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

/** A page of a list: at most `limit` rows, after those of the page that said `next`. */
export interface PageOptions extends WaitOptions {
  limit?: number;
  cursor?: string;
}

export const COMMAND: Shape<CommandOptions> = { commandId: aText, signal };
export const BY: Shape<{ by?: string } & CommandOptions> = { by: aText, ...COMMAND };
export const WAIT: Shape<WaitOptions> = { signal };
export const LIMIT: Shape<{ limit?: number } & WaitOptions> = { limit: rows, ...WAIT };
export const PAGE: Shape<PageOptions> = { cursor: aText, ...LIMIT };

export const LOG_LEVEL = oneOf<LogLevel>({ off: true, calls: true, instructions: true });
export const STATUS = oneOf<Status>({ running: true, waiting_cc: true, paused: true, complete: true, error: true, cancelled: true });
export const THINGS = listOf(oneOf<Thing>({ program: true, version: true, execution: true, call: true, output: true, log: true }));

/** `value`, where it is a text; callers without types may give anything. */
export function text(value: unknown, what: string): string {
  return given(what, value as string, aText);
}

/** As {@link text}, or nothing at all. */
export function maybe<T>(value: T | undefined, what: string, kind: Kind): T | undefined {
  return value === undefined ? undefined : given(what, value, kind);
}
