// Workers: functions of the caller that answer calls. The engine does claims, leases, heartbeats and retries (`src/work`).

import type { Engine } from "./engine.js";
import { CallFailure, usageError } from "./errors.js";
import { encodeParams, toWellFormed, validateJson } from "./json-validation.js";
import type { Json, JsonInput } from "./json.js";
import { WAIT } from "./options.js";
import type { RawWorkerHandle } from "./instance.js";
import { type OptionValidators, anyOf, anything, callback, fillRecord, objectByKind, positiveInteger, required, validateOptions } from "./validation.js";
import type { Backoff, OpenCall, Work, WorkerEvent } from "./wire.js";

/** A claimed call that a handler must answer. */
export interface Task {
  /** The call. */
  readonly call: OpenCall;
  /** The id of the execution that made the call. */
  readonly execution: string;
  /** The name of its program. */
  readonly program: string;
  /** The number of this attempt, from 1. */
  readonly attempt: number;
  /** Aborted when the handler must stop: the call was answered elsewhere, its claim was lost, or the worker stops. */
  readonly signal: AbortSignal;
}

/**
 * The answer of a handler: a JSON value, or an object whose type is an interface. The type excludes dates, maps and functions; the answer as a whole
 * is validated when the handler returns.
 */
export type HandlerResult = JsonInput | (object & { readonly [Symbol.toStringTag]?: never; readonly getTime?: never; readonly apply?: never });

/** Answers questions (`CC(...)`). */
export type QuestionHandler = (question: OpenCall, task: Task) => HandlerResult | Promise<HandlerResult>;

/**
 * Answers the calls of a tool (`call(tool, args)`). `args` are the arguments that the program passes; their type may be narrower than `Json`. A tool
 * that returns nothing answers null.
 */
export type ToolHandler<A = Json> = { tool(args: A, task: Task): HandlerResult | void | Promise<HandlerResult | void> }["tool"];

/** The handler of calls of the kind `K`. */
export type Handler<K extends string = string> = K extends "cc" ? QuestionHandler : ToolHandler;

/** Options of {@link Cvm.worker}. All are optional. */
export interface WorkerOptions<K extends string = string> {
  /** The name of the worker, shown with its claims and recorded with its answers. */
  owner?: string;
  /** The maximum number of concurrent calls, for every kind or for each named kind. Default: 1. */
  concurrency?: number | { readonly [kind in K]?: number };
  /** The length of a lease without a heartbeat, in milliseconds. Default: 30,000. */
  leaseMs?: number;
  /** The number and delays of retries of a failed call. */
  backoff?: Backoff;
  /** How long running handlers may continue after the worker was stopped, in milliseconds. Default: 30,000. */
  graceMs?: number;
  /** Receives the events of the worker. */
  onEvent?: (event: WorkerEvent) => void;
  /** Stops the worker. */
  signal?: AbortSignal;
}

/** Stops a worker: it claims no more calls, lets running handlers finish within the grace period, and releases the remaining claims. */
export interface WorkerHandle extends AsyncDisposable {
  (): Promise<void>;
  /** Resolves when the worker has ended. Rejects if it could not continue: the store was closed, is damaged or is read-only. */
  readonly done: Promise<void>;
}

const WORKER: OptionValidators<WorkerOptions> = {
  owner: anything, concurrency: anyOf(positiveInteger, objectByKind), leaseMs: anything, backoff: anything, graceMs: anything, onEvent: callback, ...WAIT,
};

/** Starts a worker. */
export function startWorker(engine: Engine, handlers: Record<string, unknown>, options: WorkerOptions = {}): WorkerHandle {
  const { owner, concurrency = 1, leaseMs, backoff, graceMs, onEvent, signal } = validateOptions("cvm.worker", options, WORKER);
  const kinds = concurrencyByKind(handlers, concurrency);
  signal?.throwIfAborted();
  // The driver does due work, once for all tabs of a page.
  const json = encodeParams("cvm.worker", { owner, kinds, leaseMs, backoff, graceMs, runsDue: false });
  const serving = engine.worker(json, (kind, work, handlerSignal) => runHandler(handlers[kind], kind, work, handlerSignal), onEvent);
  return createHandle(engine, serving, signal);
}

/** The kinds that the worker serves, with the concurrency of each. */
function concurrencyByKind(
  handlers: Record<string, unknown>,
  concurrency: number | { readonly [kind: string]: number | undefined },
): Record<string, number> {
  if (!objectByKind.accepts(handlers)) throw usageError("cvm.worker takes its handlers as an object { kind: function }");
  const names = Object.keys(handlers);
  validateOptions("cvm.worker", handlers, fillRecord(names, required(callback)));
  if (typeof concurrency === "number") return fillRecord(names, concurrency);
  const perKind = validateOptions("the concurrency of cvm.worker", concurrency, fillRecord(names, positiveInteger));
  return Object.fromEntries(names.map((name) => [name, perKind[name] ?? 1]));
}

function createHandle(engine: Engine, serving: RawWorkerHandle, signal: AbortSignal | undefined): WorkerHandle {
  const done = engine.mapErrors(serving.done);
  const stop = async () => {
    signal?.removeEventListener("abort", stopOnAbort);
    await engine.mapErrors(serving.stop());
    await done;
  };
  const stopOnAbort = () => void stop().catch(() => {});
  signal?.addEventListener("abort", stopOnAbort, { once: true });
  // A worker that ended by itself must not stay referenced by the signal.
  done.catch(() => {}).finally(() => signal?.removeEventListener("abort", stopOnAbort));
  return Object.assign(stop, { done, [Symbol.asyncDispose]: stop });
}

/** Runs a handler and encodes its answer for the engine. */
async function runHandler(handler: unknown, kind: string, { call, programName, claimed }: Work, signal: AbortSignal): Promise<string> {
  const context: Task = { call, execution: claimed.execution, program: programName, attempt: claimed.attempts, signal };
  try {
    const answer = await (handler as (first: unknown, task: Task) => unknown)(kind === "cc" ? call : call.args, context);
    // A tool may return nothing. A question needs an answer, so undefined (a forgotten `return`) fails its validation.
    const result = answer === undefined && kind !== "cc" ? null : answer;
    return JSON.stringify(validateJson(result, "", "answer"));
  } catch (thrown) {
    throw encodeFailure(thrown);
  }
}

/** Encodes the failure of a handler as JSON text. */
function encodeFailure(thrown: unknown): string {
  const message = toWellFormed(thrown instanceof Error ? thrown.message : String(thrown));
  if (!(thrown instanceof CallFailure)) return JSON.stringify({ message });
  return JSON.stringify({ message, name: thrown.as && toWellFormed(thrown.as), final: thrown.final });
}
