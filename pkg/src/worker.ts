// Workers: functions of the caller that answer calls and run steps. The engine does claims, leases, heartbeats and
// retries (`crates/engine/src/work`).

import type { Engine } from "./engine.js";
import { CallFailure, usageError } from "./errors.js";
import { encodeAnswer, encodeParams, toWellFormed } from "./json-encoding.js";
import type { Json, JsonInput } from "./json.js";
import { WAIT } from "./options.js";
import type { RawHandler, RawWorkerHandle } from "./instance.js";
import { type OptionValidators, anyOf, anything, callback, fillRecord, flag, objectByKind, positiveInteger, required, validateOptions } from "./validation.js";
import type { Backoff, CallView, Work, WorkerEvent } from "./wire.js";

/** A claimed call that a handler must answer. */
export interface Task {
  readonly call: CallView;
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
 * The answer of a handler: a JSON value, or an object whose type is an interface. The type excludes dates, maps and
 * functions; the answer as a whole is validated when the handler returns.
 */
export type HandlerResult = JsonInput | (object & { readonly [Symbol.toStringTag]?: never; readonly getTime?: never; readonly apply?: never });

/** Answers questions (`CC(...)`). */
export type QuestionHandler = (question: CallView, task: Task) => HandlerResult | Promise<HandlerResult>;

/**
 * Answers the calls of a tool (`call(tool, args)`). `args` are the arguments that the program passes; their type may
 * be narrower than `Json`, or an interface. A tool that returns nothing answers null.
 */
export type ToolHandler<A = Json> = { tool(args: A, task: Task): HandlerResult | void | Promise<HandlerResult | void> }["tool"];

/** The handler of calls of the kind `K`. `A` is the type of its arguments, if they have one. */
export type Handler<K = string, A = unknown> = K extends "cc" ? QuestionHandler : ToolHandler<A & Json>;

/** Handlers by the kinds of their calls. `A` has the types of the arguments: those that the functions declare, also
 * interfaces, else `unknown`. */
export type Handlers<A> = { readonly [K in keyof A]: Handler<K, A[K]> };

/** The names of handlers, where nothing is inferred from them. */
export type KindOf<A> = [keyof A & string][A extends unknown ? 0 : never];

/** A claimed step that a handler must run. */
export interface StepTask {
  /** The id of the execution. */
  readonly execution: string;
  readonly step: number;
  /** The number of this attempt, from 1. */
  readonly attempt: number;
  /** The error of the last attempt, if there was one. */
  readonly error?: Json;
  /** Aborted when the handler must stop: the step was ended elsewhere, its claim was lost, or the worker stops. */
  readonly signal: AbortSignal;
}

/**
 * Runs the steps of one name. `input` is the input of the step; its type may be narrower than `Json`, or an interface.
 * The result is its output; a step that returns nothing has the output null.
 */
export type StepHandler<I = Json> = { run(input: I, task: StepTask): HandlerResult | void | Promise<HandlerResult | void> }["run"];

/** Handlers of steps by their names; `I` has the types of their inputs, as {@link Handlers}. */
export type StepHandlers<I> = { readonly [K in keyof I]: StepHandler<I[K] & Json> };

/** Options of {@link Runs.worker} and {@link Apps.worker}. All are optional. */
export interface WorkerOptions<K extends string = string, E = WorkerEvent> {
  /** The name of the worker, shown with its claims and recorded with its answers. */
  owner?: string;
  /** The maximum number of concurrent handlers, for every kind or for each named kind. Default: 1. */
  concurrency?: number | { readonly [kind in K]?: number };
  /** The length of a lease without a heartbeat, in milliseconds: 1 second to 30 days. Default: 30,000. Another one is
   * refused at once, as `usage`. */
  leaseMs?: number;
  /** The number and delays of retries of a failed call. Steps are retried as their configuration says. */
  backoff?: Backoff;
  /** How long running handlers may continue after the worker was stopped, in milliseconds. Default: 30,000. */
  graceMs?: number;
  /**
   * How long one handler may take, in milliseconds. A handler that takes longer is aborted, and its item fails and is
   * retried. Default: no limit.
   */
  maxHandlerMs?: number;
  /** Whether an item fails at once whose answer is refused, as one that does not match the schema of its call. For
   * handlers that would do their work again, and return the same. Default: false, it is retried. */
  finalAnswers?: boolean;
  onEvent?: (event: E) => void;
  /** Stops the worker. */
  signal?: AbortSignal;
}

/** Stops a worker: it claims no more calls, lets running handlers finish within the grace period, and releases the
 * remaining claims. */
export interface WorkerHandle extends AsyncDisposable {
  (): Promise<void>;
  /** Resolves when the worker has ended. Rejects if it could not continue: the store was closed, is damaged or is
   * read-only. */
  readonly done: Promise<void>;
}

const WORKER: OptionValidators<WorkerOptions> = {
  owner: anything, concurrency: anyOf(positiveInteger, objectByKind), leaseMs: anything, backoff: anything, graceMs: anything, maxHandlerMs: positiveInteger, finalAnswers: flag, onEvent: callback, ...WAIT,
};

/** The differences between workers for different kinds of items. */
export interface WorkerItems<W> {
  /** The method that starts such a worker, in errors. */
  readonly method: string;
  /** The collection of the items. */
  readonly items: string;
  /** Calls a handler with an item. */
  readonly run: (handler: (...args: unknown[]) => unknown, kind: string, work: W, signal: AbortSignal) => unknown;
}

/** The workers of {@link Runs.worker}. */
export const CALLS: WorkerItems<Work> = {
  method: "cvm.worker",
  items: "cvm.cc_history",
  run: async (handler, kind, { call, claimed }, signal) => {
    const task: Task = { call, execution: claimed.execution, program: call.programName, attempt: claimed.attempts, signal };
    const answer = await handler(kind === "cc" ? call : call.args, task);
    // A tool may return nothing. A question needs an answer, so undefined (a forgotten `return`) fails its validation.
    return answer === undefined && kind !== "cc" ? null : answer;
  },
};

export function startWorker<W, E>(
  engine: Engine,
  { method, items, run }: WorkerItems<W>,
  handlers: object,
  options: WorkerOptions<string, E> = {},
): WorkerHandle {
  const { owner, concurrency = 1, leaseMs, backoff, graceMs, maxHandlerMs, finalAnswers, onEvent, signal } = validateOptions(method, options, WORKER) as WorkerOptions<string, E>;
  const kinds = concurrencyByKind(method, handlers, concurrency);
  signal?.throwIfAborted();
  // The driver does due work, once for all tabs of a page.
  const json = encodeParams(method, { owner, kinds, leaseMs, backoff, graceMs, maxHandlerMs, finalAnswers, runsDue: false });
  const runRaw: RawHandler = async (kind, work, handlerSignal) => {
    try {
      return encodeAnswer(await run(handlers[kind as never], kind, work as W, handlerSignal));
    } catch (thrown) {
      // A handler chooses a `CallFailure`, and one that must stop may throw anything.
      const isExpected = thrown instanceof CallFailure || handlerSignal.aborted;
      if (!isExpected) engine.warn(`${method}: the handler of \`${kind}\` failed`, thrown);
      throw encodeFailure(thrown);
    }
  };
  return createHandle(engine, engine.worker(items, json, runRaw, onEvent as (event: unknown) => void), signal);
}

/** The kinds that the worker serves, with the concurrency of each. */
function concurrencyByKind(
  method: string,
  handlers: object,
  concurrency: number | { readonly [kind: string]: number | undefined },
): Record<string, number> {
  if (!objectByKind.accepts(handlers)) throw usageError(`${method} takes its handlers as an object { kind: function }`);
  const names = Object.keys(handlers);
  validateOptions(method, handlers, fillRecord(names, required(callback)));
  if (typeof concurrency === "number") return fillRecord(names, concurrency);
  const perKind = validateOptions(`the concurrency of ${method}`, concurrency, fillRecord(names, positiveInteger));
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

/** Encodes the failure of a handler as JSON text. */
function encodeFailure(thrown: unknown): string {
  const message = toWellFormed(thrown instanceof Error ? thrown.message : String(thrown));
  const code = thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? toWellFormed(thrown.code) : undefined;
  if (!(thrown instanceof CallFailure)) return JSON.stringify({ message, code });
  return JSON.stringify({ message, code, name: thrown.as && toWellFormed(thrown.as), final: thrown.final, cost: thrown.cost, retryAfterMs: thrown.retryAfterMs });
}
