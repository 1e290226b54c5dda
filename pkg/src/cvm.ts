// `rs.cvm`: programs and their executions.

import type { Engine } from "./engine.js";
import { RunstateError, usageError } from "./errors.js";
import { ChangeFeed, iterate } from "./feed.js";
import {
  type OptionValidators, anything, positiveInteger, flag, validate, heapBytes, list, timestamp, required, oneOf, validateOptions, listRow, uint32, duration, text as aText,
  texts,
} from "./validation.js";
import type { JsonInputOf } from "./json.js";
import {
  COMMAND_BY, COMMAND, type CommandOptions, LIMIT, LOG_LEVEL, PAGE, type PageOptions, STATUS, SUBJECTS, WAIT, type WaitOptions, validateOptional, requireText,
} from "./options.js";
import { validateJson } from "./json-validation.js";
import { Run } from "./run.js";
import type {
  BackoffParams,
  CallRow,
  CompiledSource,
  CvmChange,
  DueReport,
  Instruction,
  Latency,
  LoadedProgram,
  LogLevel,
  LogPage,
  ListPage,
  ProgramSummary,
  ProgramView,
  ExecutionStatus,
  Stats,
  Status,
  ExecutionSummary,
  ChangeSubject,
  VersionSummary,
  VersionView,
  Work,
} from "./wire.js";
import { type Handler, type WorkerHandle, type WorkerOptions, BACKOFF, startWorker } from "./worker.js";

/** The default length of a lease without a heartbeat, in milliseconds. */
const LEASE_MS = 30_000;

/** The default limit of {@link Cvm.runDue}. */
const DUE_LIMIT = 1000;

/** A program to load. */
export interface ProgramSource {
  /** Its name. */
  name: string;
  /** Its source. It is stored for display and recompilation. */
  source: string;
  /** The bytecode of the source. Without it the compiler is loaded and compiles the source. */
  bytecode?: Instruction[];
  /** The compiler and version that made `bytecode`. */
  compiler?: string;
  /** A description for people. */
  description?: string;
  /** Tags to find the program by. */
  tags?: string[];
  /** The id of a program whose name is new. By default an id is generated. */
  id?: string;
}

/** Options of {@link Cvm.start}. */
export interface StartOptions<I = unknown> extends CommandOptions {
  /** The value of the global `input` in the program. */
  input?: I & JsonInputOf<I>;
  /** The id of the execution. By default an id is generated. */
  id?: string;
  /** The log level of the execution. Default: the `logLevel` of `open`. */
  logLevel?: LogLevel;
  /** The maximum size of the execution's heap in bytes, 1 MiB to 4 GiB. Default: the `heapBytes` of `open`. */
  heapBytes?: number;
}

const LOAD: OptionValidators<ProgramSource> = {
  name: required(aText), source: required(aText), bytecode: list, compiler: aText, description: aText, tags: texts, id: aText,
};
const START: OptionValidators<StartOptions> = { input: anything, id: aText, logLevel: LOG_LEVEL, heapBytes, ...COMMAND };

/** Options of {@link Cvm.list}. */
export interface ListOptions extends WaitOptions {
  /** Only executions with this status. */
  status?: Status;
  /** Only executions of this program. */
  program?: string;
  /** The maximum number of executions. Default: 100. */
  limit?: number;
  /** Only executions after this one, usually the last one of the previous page. */
  after?: Pick<ExecutionSummary, "id" | "started"> | undefined;
}

/** Options of {@link Cvm.logs}. */
export interface LogOptions extends WaitOptions {
  /** Only rows of this execution. */
  execution?: string;
  /** Only rows of this event. */
  event?: "instruction" | "cc_call" | "error" | "complete" | "history";
  /** Only rows at or after this time, in milliseconds since 1970. */
  since?: number;
  /** Only rows before this time, in milliseconds since 1970. */
  before?: number;
  /** The `next` of the previous page: only rows after it. */
  after?: string;
  /** The maximum number of rows. Default: 100. */
  limit?: number;
}

const LOGS: OptionValidators<LogOptions> = {
  execution: aText,
  event: oneOf<NonNullable<LogOptions["event"]>>({ instruction: true, cc_call: true, error: true, complete: true, history: true }),
  since: timestamp,
  before: timestamp,
  after: aText,
  ...LIMIT,
};
const LIST: OptionValidators<ListOptions> = { status: STATUS, program: aText, after: listRow, ...LIMIT };
const PROGRAM_FILTER: OptionValidators<{ program?: string } & WaitOptions> = { program: aText, ...WAIT };

/** The parameters of {@link Cvm.claim}. `kinds` and `call` exclude each other. */
interface ClaimOptions {
  kinds?: string[];
  call?: string;
  owner: string;
  leaseMs?: number;
}

const CLAIM: OptionValidators<ClaimOptions> = { kinds: texts, call: aText, owner: required(aText), leaseMs: duration };

/** The claim of work that {@link Cvm.claim} returned. */
function requireClaim(work: Work): Work["claimed"] {
  if (typeof work?.claimed !== "object") throw usageError("`work` has no claim; pass the value that `cvm.claim` returned");
  return work.claimed;
}

/** The programs and executions of a store. Every method rejects with a `RunstateError`. */
export class Cvm {
  readonly #engine: Engine;

  /** @internal */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Loads a program under its name. Changed source becomes the next version; unchanged source has no effect. */
  async load(program: ProgramSource, options: CommandOptions = {}): Promise<LoadedProgram> {
    const { name, source, description, tags, id } = validateOptions("cvm.load", program, LOAD);
    validateOptions("cvm.load", options, COMMAND);
    const compiled = await this.#compile(program);
    return this.#engine.callWithOptions("cvm.load", { name, source, ...compiled, description, tags, id }, options, COMMAND);
  }

  async #compile({ name, source, bytecode, compiler = "unknown" }: ProgramSource): Promise<CompiledSource> {
    if (bytecode !== undefined) return { bytecode, compiler };
    const compile = this.#engine.compile;
    if (compile === undefined) {
      const message = "the source cannot be compiled: this host has no compiler. Pass `bytecode`, or provide a compiler: `init(wasm, { compilerWasm })`";
      throw new RunstateError({ code: "unsupported", message });
    }
    return compile(name, source);
  }

  /** Removes a program with all its versions. Rejected while executions of the program exist. */
  async removeProgram(name: string, options: CommandOptions = {}): Promise<void> {
    await this.#engine.callWithOptions("cvm.removeProgram", { name: requireText(name, "the name of a program") }, options, COMMAND);
  }

  /** Starts an execution of the newest version of a program and runs it until it waits or ends. */
  async start<I>(program: string, options: StartOptions<I> = {}): Promise<Run> {
    const { signal, input, ...rest } = validateOptions("cvm.start", options, START);
    const value = input === undefined ? undefined : validateJson(input, "input");
    const params = { ...rest, program: requireText(program, "the name of a program"), input: value };
    return this.#createRun(await this.#engine.call("cvm.start", params, signal));
  }

  /**
   * Returns a handle on an existing execution.
   *
   * Errors: `not_found`; `corrupt` if it is not found in a damaged store and may be in the damaged part.
   */
  async run(id: string, options: WaitOptions = {}): Promise<Run> {
    return this.#createRun({ id: requireText(id, "the id of an execution"), status: "running" }).refresh(options);
  }

  /**
   * Starts a worker, which answers calls until it is stopped. The handler `cc` receives questions; any other name is that of a tool, whose handler
   * receives its arguments. A call is retried if its handler throws or returns an invalid answer; see {@link CallFailure}.
   *
   * @example
   * const stop = rs.cvm.worker({ cc: async (q) => model(q.prompt), search: async (args) => find(args) });
   */
  worker<K extends string>(handlers: { readonly [P in K]: Handler<P> }, options: WorkerOptions<K> = {}): WorkerHandle {
    return startWorker(this.#engine, handlers, options);
  }

  /**
   * Lists executions, newest first. The next page is requested with `after`, the last execution of the page before.
   *
   * @example
   * const page = await rs.cvm.list({ limit: 50 });
   * const next = await rs.cvm.list({ limit: 50, after: page.at(-1) });
   */
  list(options: ListOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.callWithOptions("cvm.list", {}, options, LIST);
  }

  /** Lists executions that have not ended, newest first. */
  active(options: { limit?: number } & WaitOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.callWithOptions("cvm.active", {}, options, LIMIT);
  }

  /** Lists the executions of a program, newest first. */
  async history(program: string, options: { limit?: number } & WaitOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.callWithOptions("cvm.history", { program: requireText(program, "the name of a program") }, options, LIMIT);
  }

  /** Lists programs by name, all or those with a tag. */
  programs(options: { tag?: string } & PageOptions = {}): Promise<ListPage<ProgramSummary>> {
    return this.#engine.callWithOptions("cvm.programs", {}, options, { tag: aText, ...PAGE });
  }

  /** Reads a program with its newest version. */
  async program(name: string, options: WaitOptions = {}): Promise<ProgramView> {
    return this.#engine.callWithOptions("cvm.program", { name: requireText(name, "the name of a program") }, options, WAIT);
  }

  /** Like {@link Cvm.program}, by the id of the program. */
  async programById(id: string, options: WaitOptions = {}): Promise<ProgramView> {
    return this.#engine.callWithOptions("cvm.programById", { id: requireText(id, "the id of a program") }, options, WAIT);
  }

  /** Lists the versions of a program, newest first. */
  async versions(name: string, options: PageOptions = {}): Promise<ListPage<VersionSummary>> {
    return this.#engine.callWithOptions("cvm.versions", { name: requireText(name, "the name of a program") }, options, PAGE);
  }

  /** Reads one version of a program. Versions are numbered from 1. */
  async version(name: string, version: number, options: WaitOptions = {}): Promise<VersionView> {
    const params = { name: requireText(name, "the name of a program"), version: validate("the version of a program", version, positiveInteger) };
    return this.#engine.callWithOptions("cvm.version", params, options, WAIT);
  }

  /** Lists calls, all or only open ones, optionally those of one execution, program or kind. */
  calls(
    options: { execution?: string; program?: string; kind?: string; open?: boolean } & PageOptions = {},
  ): Promise<ListPage<CallRow>> {
    return this.#engine.callWithOptions("cvm.calls", {}, options, { execution: aText, program: aText, kind: aText, open: flag, ...PAGE });
  }

  /** Lists the answered calls that took longest. */
  slowest(options: { program?: string; limit?: number } & WaitOptions = {}): Promise<CallRow[]> {
    return this.#engine.callWithOptions("cvm.slowest", {}, options, { program: aText, ...LIMIT });
  }

  /**
   * Reads a page of the log, ordered by time. {@link LogOptions} filters by execution, event and time.
   *
   * @example
   * const { rows } = await rs.cvm.logs({ event: "error", since: Date.now() - 86_400_000 });
   */
  async logs(options: LogOptions = {}): Promise<LogPage> {
    const { execution, signal, ...rest } = validateOptions("cvm.logs", options, LOGS);
    return this.#engine.call("cvm.logs", { ...rest, id: execution }, signal);
  }

  /** Statistics about the executions of a program, or about all executions. */
  async stats(program?: string, options: WaitOptions = {}): Promise<Stats> {
    return this.#engine.callWithOptions("cvm.stats", { program: validateOptional(program, "the name of a program", aText) }, options, WAIT);
  }

  /** The number of executions with each status, of one program or of all. */
  async statuses(program?: string, options: WaitOptions = {}): Promise<{ [status: string]: number }> {
    return this.#engine.callWithOptions("cvm.statuses", { program: validateOptional(program, "the name of a program", aText) }, options, WAIT);
  }

  /** The time that answers took, for one program or for all. */
  latency(options: { program?: string } & WaitOptions = {}): Promise<Latency> {
    return this.#engine.callWithOptions("cvm.latency", {}, options, PROGRAM_FILTER);
  }

  /** Like {@link Cvm.latency}, for each program. */
  latencyByProgram(options: WaitOptions = {}): Promise<{ [program: string]: Latency }> {
    return this.#engine.callWithOptions("cvm.latencyByProgram", {}, options, WAIT);
  }

  /** Like {@link Cvm.latency}, for each kind of call. */
  latencyByKind(options: { program?: string } & WaitOptions = {}): Promise<{ [kind: string]: Latency }> {
    return this.#engine.callWithOptions("cvm.latencyByKind", {}, options, PROGRAM_FILTER);
  }

  /**
   * Follows committed changes of programs and executions, from now on or after the position `from`. The iteration continues until you leave the loop.
   *
   * Errors: `position_expired` if the store no longer keeps the position; read the documents anew and start without a position.
   */
  changes(
    options: { things?: ChangeSubject[]; executions?: string[]; from?: string } & WaitOptions = {},
  ): AsyncIterable<CvmChange> {
    const { things, executions, from, signal } = validateOptions("cvm.changes", options, { things: SUBJECTS, executions: texts, from: aText, ...WAIT });
    const engine = this.#engine;
    return iterate(new ChangeFeed((at, waitMs) => engine.call("cvm.changes", { from: at, things, executions, waitMs }, signal), from));
  }

  /** Claims one open call of these kinds, or the given call, for a worker until its lease ends. Resolves to null if there is none. */
  async claim(
    claim: ({ kinds: string[] } | { call: string }) & { owner: string; leaseMs?: number },
    options: WaitOptions = {},
  ): Promise<Work | null> {
    const { leaseMs = LEASE_MS, ...rest } = validateOptions<ClaimOptions>("cvm.claim", claim, CLAIM);
    return this.#engine.callWithOptions("cvm.claim", { ...rest, leaseMs }, options, WAIT);
  }

  /**
   * Extends the lease of a claimed call. Resolves to the new end of the lease, in milliseconds since 1970.
   *
   * Errors: `stale_claim` if the claim was lost; the worker must stop working on the call.
   */
  async heartbeat(work: Work, leaseMs: number = LEASE_MS, options: WaitOptions = {}): Promise<number> {
    const params = { claimed: requireClaim(work), leaseMs: validate("cvm.heartbeat: `leaseMs`", leaseMs, duration) };
    return this.#engine.callWithOptions("cvm.heartbeat", params, options, WAIT);
  }

  /** Completes a claimed call with its answer and continues its execution. */
  async complete<A>(work: Work, value: A & JsonInputOf<A>, options: { by?: string } & CommandOptions = {}): Promise<ExecutionStatus> {
    const params = { claimed: requireClaim(work), answer: validateJson(value, "answer", "invalid_answer") };
    return this.#engine.callWithOptions("cvm.complete", params, options, COMMAND_BY);
  }

  /** Reports that a claimed call failed. With `retry` the call is retried later; without it the program gets an error. */
  async fail(
    work: Work,
    message: string,
    options: { name?: string; by?: string; retry?: BackoffParams } & CommandOptions = {},
  ): Promise<{ retryAt: number | null; reached: ExecutionStatus | null }> {
    const params = { claimed: requireClaim(work), message: requireText(message, "cvm.fail: `message`") };
    return this.#engine.callWithOptions("cvm.fail", params, options, { name: aText, retry: BACKOFF, ...COMMAND_BY });
  }

  /** Releases a claimed call, so that other workers can claim it at once. */
  async release(work: Work, options: WaitOptions = {}): Promise<void> {
    await this.#engine.callWithOptions("cvm.release", { claimed: requireClaim(work) }, options, WAIT);
  }

  /**
   * Does due work: timers, deadlines, executions of dead processes, expired rows. The {@link Driver} calls this by itself. Several hosts may call it
   * at the same time.
   */
  async runDue(limit: number = DUE_LIMIT, options: WaitOptions = {}): Promise<DueReport> {
    return this.#engine.callWithOptions("cvm.runDue", { limit: validate("cvm.runDue: `limit`", limit, uint32) }, options, WAIT);
  }

  /** The time at which {@link Cvm.runDue} next has work, in milliseconds since 1970. Resolves to null if nothing is due before another command. */
  nextDue(options: WaitOptions = {}): Promise<number | null> {
    return this.#engine.callWithOptions("cvm.nextDue", { known: false }, options, WAIT);
  }

  /** @internal Like {@link Cvm.nextDue}, from this process's cache: its own commands, and those of others that it has read. */
  nextDueKnown(): Promise<number | null> {
    return this.#engine.call("cvm.nextDue", { known: true });
  }

  /** Counts executions that ended before the given time, in milliseconds since 1970. */
  async countFinished(before: number, options: WaitOptions = {}): Promise<number> {
    return this.#engine.callWithOptions("cvm.countFinished", { before: validate("cvm.countFinished: `before`", before, timestamp) }, options, WAIT);
  }

  /** Deletes at most `limit` executions that ended before the given time, in milliseconds since 1970. */
  async deleteFinished(before: number, options: { limit?: number } & WaitOptions = {}): Promise<DueReport> {
    const { limit = DUE_LIMIT, signal } = validateOptions("cvm.deleteFinished", options, LIMIT);
    return this.#engine.call("cvm.deleteFinished", { before: validate("cvm.deleteFinished: `before`", before, timestamp), limit }, signal);
  }

  #createRun(status: ExecutionStatus): Run {
    return new Run(this.#engine, status);
  }
}
