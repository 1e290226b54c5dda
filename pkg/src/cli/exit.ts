// Exit codes of the command line, which scripts rely on. They equal those of the native command line.

import { RunstateError } from "../errors.js";
import type { ErrorCode, Status } from "../wire.js";

/** Exit codes. */
export const Exit = { done: 0, programFailed: 1, usage: 2, waiting: 3, store: 4, rejected: 5, interrupted: 130 } as const;

const USAGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["compile_error", "usage", "io", "invalid_url"]);

const STORE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "conflict",
  "unique_violation",
  "unknown_outcome",
  "unavailable",
  "not_authorized",
  "not_a_replica_set",
  "timeout",
  "full",
  "corrupt",
  "too_large",
  "read_only",
  "newer_version",
  "unsupported",
  "closed",
  "position_expired",
  "internal",
]);

/** The exit code of an error. */
export function exitCodeOfError(error: unknown): number {
  if (!(error instanceof RunstateError)) return Exit.store;
  if (USAGE.has(error.code)) return Exit.usage;
  return STORE.has(error.code) ? Exit.store : Exit.rejected;
}

/** The exit code of a command that runs an execution, by the execution's final status. */
export function exitCodeOfStatus(status: Status): number {
  if (status === "complete") return Exit.done;
  return status === "error" || status === "cancelled" ? Exit.programFailed : Exit.waiting;
}
