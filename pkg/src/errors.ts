// The errors that callers see. The engine defines the codes (`src/error_code.rs`).

import type { Json } from "./json.js";
import type { ErrorCode, ErrorFields, ProgramError } from "./wire.js";

/** The fields of a {@link RunstateError}. */
export type ErrorInit = Pick<ErrorFields, "code" | "message"> & Partial<ErrorFields>;

/** A failed operation. It changed nothing, unless the code is `unknown_outcome`. */
export class RunstateError extends Error {
  override readonly name = "RunstateError";
  /** Stable, `snake_case`: `not_found`, `already_answered`, `unavailable`, … */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** The collection of the document concerned. */
  readonly collection: string | undefined;
  /** The id of the document concerned. */
  readonly key: string | undefined;
  /** Structured details; for `compile_error` the `diagnostics`. */
  readonly details: Json | undefined;

  constructor({ code, message, retryable, collection, key, details }: ErrorInit, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = retryable ?? false;
    this.collection = collection;
    this.key = key;
    this.details = details;
  }
}

/** An execution ended without a result: its program failed, or it was cancelled. */
export class ExecutionError extends Error {
  override readonly name = "ExecutionError";

  constructor(
    /** The id of the execution. */
    readonly execution: string,
    readonly status: "error" | "cancelled",
    /** The error that the program threw, with its location; null if the execution was cancelled. */
    readonly fault: ProgramError | null,
  ) {
    super(fault === null ? `execution ${execution} was cancelled` : `${fault.name}: ${fault.message} (line ${fault.line})`);
  }
}

/**
 * An error that a worker's handler throws to choose the program's error, to delay retries or to prevent them. After any other error
 * the call is retried; when the attempts are used up, the program gets the message of the last error, and its `code`
 * if that is a text, as in Node.
 *
 * @example
 * throw new CallFailure("there is no such city", { name: "NotFound", final: true });
 */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  /** The name of the error in the program. Default: `CallError`. */
  readonly as: string | undefined;
  /** The `code` of the error in the program, at most 200 bytes. Default: none. */
  readonly code: string | undefined;
  /** Whether the call is not retried. */
  readonly final: boolean;
  /** What the attempt has cost, a decimal number in the unit of the call's cost. Default: nothing. */
  readonly cost: string | undefined;
  /** The shortest wait until the next attempt, in milliseconds; more than a day counts as a day. Default: the retry policy alone decides. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    { name, code, final = false, cost, retryAfterMs }: { name?: string; code?: string; final?: boolean; cost?: string | number; retryAfterMs?: number } = {},
  ) {
    super(message);
    this.as = name;
    this.code = code;
    this.final = final;
    this.retryAfterMs = retryAfterMs;
    // Without an exponent.
    this.cost = typeof cost === "number" ? cost.toFixed(12).replace(/\.?0+$/, "") : cost;
  }
}

/** Whether an operation was refused with one of these codes. */
export function isRefused(error: unknown, ...codes: ErrorCode[]): error is RunstateError {
  return error instanceof RunstateError && codes.includes(error.code);
}

/** An error for invalid use of the package, found before the engine was called. */
export function usageError(message: string): RunstateError {
  return new RunstateError({ code: "usage", message });
}

/** The error whose fields the WebAssembly threw. Any other thrown value is a defect and is returned as it is. */
export function toError(thrown: unknown): unknown {
  const isFields = typeof thrown === "object" && thrown !== null && !(thrown instanceof Error) && "code" in thrown;
  return isFields ? new RunstateError(thrown as ErrorFields) : thrown;
}
