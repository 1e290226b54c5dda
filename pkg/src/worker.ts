// Workers: functions of yours that answer calls. Claims, leases, heartbeats and retries are the engine's (`src/work`).

import type { Engine } from "./engine.js";
import { CallFailure, usage } from "./errors.js";
import { type Shape, action, alike, count, either, keyed, needed, options as checked, rows, shaped, span, text } from "./given.js";
import { crossing, wellFormed } from "./halves.js";
import type { Json, Plain } from "./json.js";
import { WAIT } from "./options.js";
import { plain } from "./plain.js";
import type { RawServing } from "./instance.js";
import type { BackoffParams, OpenCall, Work, WorkerEvent } from "./wire.js";

/** A call that a handler is to answer. */
export interface Task {
  /** What is asked. */
  readonly call: OpenCall;
  /** The execution that asks. */
  readonly execution: string;
  /** Its program. */
  readonly program: string;
  /** The how-manyth attempt this is, from 1. */
  readonly attempt: number;
  /** Aborted when the call is no longer this handler's: it was answered otherwise, its claim was lost, the worker stops. */
  readonly signal: AbortSignal;
}

/**
 * What a handler may answer: plain values, and objects that an interface describes. Types keep out what is plainly none (dates, maps, functions);
 * all of it is looked at when it is given.
 */
export type Said = Plain | (object & { readonly [Symbol.toStringTag]?: never; readonly getTime?: never; readonly apply?: never });

/** Answers questions (`CC(...)`). */
export type QuestionHandler = (question: OpenCall, task: Task) => Said | Promise<Said>;

/**
 * Answers the calls of a tool (`call(tool, args)`); `args` is what the program gives, and may be declared more closely than `Json`. A tool that
 * returns nothing answers null.
 */
export type ToolHandler<A = Json> = { tool(args: A, task: Task): Said | void | Promise<Said | void> }["tool"];

/** What answers calls of the kind `K`. */
export type Handler<K extends string = string> = K extends "cc" ? QuestionHandler : ToolHandler;

/** How a worker works. Everything has a default. */
export interface WorkerOptions<K extends string = string> {
  /** Its name, for people who look, and in the record of what it answers. */
  owner?: string;
  /** How many calls it works on at once, of each kind or of those that are named; 1 where nothing is said. */
  concurrency?: number | { readonly [kind in K]?: number };
  /** How long a call is this worker's without a word from it, in milliseconds; 30,000. */
  leaseMs?: number;
  /** When and how often a failed call is tried again. */
  backoff?: BackoffParams;
  /** How long what runs may go on after the worker was stopped, in milliseconds; 30,000. */
  graceMs?: number;
  /** Hears what the worker does. */
  onEvent?: (event: WorkerEvent) => void;
  /** Stops the worker. */
  signal?: AbortSignal;
}

/** Ends a worker: it claims nothing more, lets what runs go on for its grace, and gives back what is left. */
export interface Stop extends AsyncDisposable {
  (): Promise<void>;
  /** Resolves when the worker has ended; rejects where it could not go on: the store was closed, is damaged, or can only be read. */
  readonly done: Promise<void>;
}

/** When a failed call is tried again. */
export const BACKOFF = shaped<BackoffParams>({ attempts: needed(rows), initialMs: needed(span), longestMs: needed(span) });

const WORKER: Shape<WorkerOptions> = {
  owner: text, concurrency: either(count, keyed), leaseMs: span, backoff: BACKOFF, graceMs: span, onEvent: action, ...WAIT,
};

/** Begins to serve. */
export function serve(engine: Engine, handlers: Record<string, unknown>, options: WorkerOptions = {}): Stop {
  const { owner, concurrency = 1, leaseMs, backoff, graceMs, onEvent, signal } = checked("cvm.worker", options, WORKER);
  const kinds = served(handlers, concurrency);
  signal?.throwIfAborted();
  // What is due is the driver's: one for all of a page's tabs.
  const given = crossing("cvm.worker", { owner, kinds, leaseMs, backoff, graceMs, runsDue: false });
  const told = onEvent && ((event: string) => onEvent(JSON.parse(event) as WorkerEvent));
  const serving = engine.worker(given, (kind, task, ends) => answered(handlers[kind], kind, task, ends), told);
  return stop(engine, serving, signal);
}

/** The kinds that are served, and how many of each at once. */
function served(
  handlers: Record<string, unknown>,
  concurrency: number | { readonly [kind: string]: number | undefined },
): Record<string, number> {
  if (!keyed.fits(handlers)) throw usage("cvm.worker takes its handlers as an object: { kind: function }");
  const names = Object.keys(handlers);
  checked("cvm.worker", handlers, alike(names, needed(action)));
  if (typeof concurrency === "number") return alike(names, concurrency);
  const each = checked("the concurrency of cvm.worker", concurrency, alike(names, count));
  return Object.fromEntries(names.map((name) => [name, each[name] ?? 1]));
}

function stop(engine: Engine, serving: RawServing, signal: AbortSignal | undefined): Stop {
  const done = engine.heard(serving.done);
  const end = async () => {
    signal?.removeEventListener("abort", aborted);
    await engine.heard(serving.stop());
    await done;
  };
  const aborted = () => void end().catch(() => {});
  signal?.addEventListener("abort", aborted, { once: true });
  // One that ended by itself is kept alive by no signal.
  done.catch(() => {}).finally(() => signal?.removeEventListener("abort", aborted));
  return Object.assign(end, { done, [Symbol.asyncDispose]: end });
}

/** What a handler says, as the engine takes it. */
async function answered(handler: unknown, kind: string, task: string, signal: AbortSignal): Promise<string> {
  const { call, programName, claimed } = JSON.parse(task) as Work;
  const given: Task = { call, execution: claimed.execution, program: programName, attempt: claimed.attempts, signal };
  try {
    const answer = await (handler as (first: unknown, task: Task) => unknown)(kind === "cc" ? call : call.args, given);
    // A tool may have nothing to say; who asks a question wants an answer, and a forgotten `return` is none.
    const said = answer === undefined && kind !== "cc" ? null : answer;
    return JSON.stringify(plain(said, "answer", "invalid_answer"));
  } catch (thrown) {
    throw failure(thrown);
  }
}

/** Why a call was not answered, as JSON text. */
function failure(thrown: unknown): string {
  const message = wellFormed(thrown instanceof Error ? thrown.message : String(thrown));
  if (!(thrown instanceof CallFailure)) return JSON.stringify({ message });
  return JSON.stringify({ message, name: thrown.as && wellFormed(thrown.as), final: thrown.final });
}
