// The errors that callers see. What codes there are is the engine's to say (`src/code.rs`).

import type { Json } from "./json.js";
import type { ErrorCode, ErrorFields, ProgramError } from "./wire.js";

/** What an error is made of. */
export type ErrorInit = Pick<ErrorFields, "code" | "message"> & Partial<ErrorFields>;

/** What failed, and whether it may go better next time. Unless the code is `unknown_outcome` nothing was changed. */
export class RunstateError extends Error {
  override readonly name = "RunstateError";
  /** Stable, `snake_case`: `not_found`, `already_answered`, `unavailable`, … */
  readonly code: ErrorCode;
  /** The same call may succeed later with nothing changed by the caller. */
  readonly retryable: boolean;
  /** The collection concerned. */
  readonly collection: string | undefined;
  /** The id of the document concerned. */
  readonly key: string | undefined;
  /** More, for programs; of `compile_error` the `diagnostics`. */
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

/** An execution did not come to a result: its program failed, or it was cancelled. */
export class ExecutionError extends Error {
  override readonly name = "ExecutionError";

  constructor(
    /** The execution. */
    readonly execution: string,
    /** How it ended. */
    readonly status: "error" | "cancelled",
    /** What the program threw, and where; null where it was cancelled. */
    readonly fault: ProgramError | null,
  ) {
    super(fault === null ? `execution ${execution} was cancelled` : `${fault.name}: ${fault.message} (line ${fault.line})`);
  }
}

/**
 * Thrown by the handler of a worker to say what the program is told, or that trying again is of no use. Anything else that a handler
 * throws is tried again, and its message is told in the end.
 *
 * @example
 * throw new CallFailure("there is no such city", { name: "NotFound", final: true });
 */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  /** The name of the error in the program; without it `CallError`. */
  readonly as: string | undefined;
  /** Whether it is not tried again. */
  readonly final: boolean;

  constructor(message: string, { name, final = false }: { name?: string; final?: boolean } = {}) {
    super(message);
    this.as = name;
    this.final = final;
  }
}

/** Wrong use of the package itself, before anything reached the engine. */
export function usage(message: string): RunstateError {
  return new RunstateError({ code: "usage", message });
}

/** What the WebAssembly throws is an error as JSON text; all else is a defect, and stays what it is. */
export function toldError(thrown: unknown): unknown {
  if (typeof thrown !== "string") return thrown;
  try {
    return new RunstateError(JSON.parse(thrown) as ErrorFields);
  } catch {
    return new RunstateError({ code: "internal", message: thrown });
  }
}
