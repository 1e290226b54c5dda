// Programs and their executions.

import type { Engine } from "./engine.js";
import { RunstateError, usage } from "./errors.js";
import { Feed, each } from "./feed.js";
import {
  type Shape, anything, count, flag, given, heap, list, moment, needed, oneOf, options as checked, placed, rows, span, text as aText,
  texts,
} from "./given.js";
import type { PlainOf } from "./json.js";
import {
  BY, COMMAND, type CommandOptions, LIMIT, LOG_LEVEL, PAGE, type PageOptions, STATUS, THINGS, WAIT, type WaitOptions, maybe, text,
} from "./options.js";
import { plain } from "./plain.js";
import { Run } from "./run.js";
import type {
  BackoffParams,
  CallRow,
  CompiledSource,
  CvmChange,
  Due,
  Instruction,
  Latency,
  LoadedProgram,
  LogLevel,
  LogPage,
  Paged,
  ProgramSummary,
  ProgramView,
  Reached,
  Stats,
  Status,
  ExecutionSummary,
  Thing,
  VersionSummary,
  VersionView,
  Work,
} from "./wire.js";
import { type Handler, type Stop, type WorkerOptions, BACKOFF, serve } from "./worker.js";

/** How long a claim is held without a heartbeat, where nothing else is said, in milliseconds. */
const LEASE_MS = 30_000;

/** How many executions one {@link Cvm.runDue} takes, where nothing else is said. */
const DUE = 1000;

/** A program to load. */
export interface Load {
  /** Its name. */
  name: string;
  /** Its source, for people and for compiling again. */
  source: string;
  /** What the source was compiled to; without it the compiler is loaded and compiles it. */
  bytecode?: Instruction[];
  /** By what it was compiled. */
  compiler?: string;
  /** What it is for. */
  description?: string;
  /** Words to find it by. */
  tags?: string[];
  /** Its id, where it is new under its name; without it one is made. */
  id?: string;
}

/** How an execution is started. */
export interface StartOptions<I = unknown> extends CommandOptions {
  /** What the program finds as `input`. */
  input?: I & PlainOf<I>;
  /** Its id; without it one is made. */
  id?: string;
  /** How much of it is logged, where it is not as the store was opened with. */
  logLevel?: LogLevel;
  /** Bytes that its heap may take, where it is not as the store was opened with; 1 MiB to 4 GiB. */
  heapBytes?: number;
}

const LOAD: Shape<Load> = {
  name: needed(aText), source: needed(aText), bytecode: list, compiler: aText, description: aText, tags: texts, id: aText,
};
const START: Shape<StartOptions> = { input: anything, id: aText, logLevel: LOG_LEVEL, heapBytes: heap, ...COMMAND };
/** Which executions are listed. */
export interface ListOptions extends WaitOptions {
  /** Only those of this status. */
  status?: Status;
  /** Only those of this program. */
  program?: string;
  /** At most so many. */
  limit?: number;
  /** Only what comes behind this one. */
  after?: Pick<ExecutionSummary, "id" | "started"> | undefined;
}

/** Which rows of the log are read. */
export interface LogOptions extends WaitOptions {
  /** Only of this execution. */
  execution?: string;
  /** Only of this event. */
  event?: "instruction" | "cc_call" | "error" | "complete" | "history";
  /** Only from this moment on, in milliseconds since 1970. */
  since?: number;
  /** Only before this moment. */
  before?: number;
  /** Only after the page that said this as its `next`. */
  after?: string;
  /** At most so many; 100. */
  limit?: number;
}

const LOGS: Shape<LogOptions> = {
  execution: aText,
  event: oneOf<NonNullable<LogOptions["event"]>>({ instruction: true, cc_call: true, error: true, complete: true, history: true }),
  since: moment,
  before: moment,
  after: aText,
  ...LIMIT,
};
const LIST: Shape<ListOptions> = { status: STATUS, program: aText, after: placed, ...LIMIT };
const OF_PROGRAM: Shape<{ program?: string } & WaitOptions> = { program: aText, ...WAIT };


/** What {@link Cvm.claim} takes, of which `kinds` and `call` exclude each other. */
interface Claim {
  kinds?: string[];
  call?: string;
  owner: string;
  leaseMs?: number;
}

const CLAIM: Shape<Claim> = { kinds: texts, call: aText, owner: needed(aText), leaseMs: span };

/** The claim on what {@link Cvm.claim} gave. */
function claimedOf(work: Work): Work["claimed"] {
  if (typeof work?.claimed !== "object") throw usage("the work is not what `cvm.claim` gave");
  return work.claimed;
}

/** Programs and executions of a store. Everything rejects with a `RunstateError`. */
export class Cvm {
  readonly #engine: Engine;

  /** @internal */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Loads a program under its name; the same source again changes nothing, a changed one is the next version. */
  async load(program: Load, options: CommandOptions = {}): Promise<LoadedProgram> {
    const { name, source, description, tags, id } = checked("cvm.load", program, LOAD);
    checked("cvm.load", options, COMMAND);
    const compiled = await this.#compiled(program);
    return this.#engine.ask("cvm.load", { name, source, ...compiled, description, tags, id }, options, COMMAND);
  }

  async #compiled({ name, source, bytecode, compiler = "unknown" }: Load): Promise<CompiledSource> {
    if (bytecode !== undefined) return { bytecode, compiler };
    const compile = this.#engine.compile;
    if (compile === undefined) {
      const message = "there is no compiler here; give `bytecode`, or provide one: `init(wasm, { compilerWasm })`";
      throw new RunstateError({ code: "unsupported", message });
    }
    return compile(name, source);
  }

  /** Removes a program with its versions, where no execution of it is there. */
  async removeProgram(name: string, options: CommandOptions = {}): Promise<void> {
    await this.#engine.ask("cvm.removeProgram", { name: text(name, "the name of a program") }, options, COMMAND);
  }

  /** Starts the newest version of a program and runs it to its first stop. */
  async start<I>(program: string, options: StartOptions<I> = {}): Promise<Run> {
    const { signal, input, ...rest } = checked("cvm.start", options, START);
    const value = input === undefined ? undefined : plain(input, "input");
    const params = { ...rest, program: text(program, "the name of a program"), input: value };
    return this.#run(await this.#engine.call("cvm.start", params, signal));
  }

  /** A handle on an execution that is there; `not_found` where it is not, `corrupt` where it may stand in what is damaged. */
  async run(id: string, options: WaitOptions = {}): Promise<Run> {
    return this.#run({ id: text(id, "the id of an execution"), status: "running" }).refresh(options);
  }

  /**
   * Serves calls until it is stopped: `cc` gets questions, every other name is a tool's and gets its arguments. An answer that does not fit,
   * and whatever a handler throws, is tried again; see {@link CallFailure}.
   *
   * @example
   * const stop = rs.cvm.worker({ cc: async (q) => model(q.prompt), search: async (args) => find(args) });
   */
  worker<K extends string>(handlers: { readonly [P in K]: Handler<P> }, options: WorkerOptions<K> = {}): Stop {
    return serve(this.#engine, handlers, options);
  }

  /**
   * Executions, newest first, 100 where `limit` does not say how many. `after`: only what comes behind this one, the last of the page before.
   *
   * @example
   * const page = await rs.cvm.list({ limit: 50 });
   * const next = await rs.cvm.list({ limit: 50, after: page.at(-1) });
   */
  list(options: ListOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.ask("cvm.list", {}, options, LIST);
  }

  /** Executions that have not ended, newest first. */
  active(options: { limit?: number } & WaitOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.ask("cvm.active", {}, options, LIMIT);
  }

  /** Executions of a program, newest first. */
  async history(program: string, options: { limit?: number } & WaitOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.ask("cvm.history", { program: text(program, "the name of a program") }, options, LIMIT);
  }

  /** Programs by name, or those with a tag. */
  programs(options: { tag?: string } & PageOptions = {}): Promise<Paged<ProgramSummary>> {
    return this.#engine.ask("cvm.programs", {}, options, { tag: aText, ...PAGE });
  }

  /** A program with its newest version. */
  async program(name: string, options: WaitOptions = {}): Promise<ProgramView> {
    return this.#engine.ask("cvm.program", { name: text(name, "the name of a program") }, options, WAIT);
  }

  /** As {@link Cvm.program}, by its id. */
  async programById(id: string, options: WaitOptions = {}): Promise<ProgramView> {
    return this.#engine.ask("cvm.programById", { id: text(id, "the id of a program") }, options, WAIT);
  }

  /** The versions of a program, newest first. */
  async versions(name: string, options: PageOptions = {}): Promise<Paged<VersionSummary>> {
    return this.#engine.ask("cvm.versions", { name: text(name, "the name of a program") }, options, PAGE);
  }

  /** One version of a program, from 1. */
  async version(name: string, version: number, options: WaitOptions = {}): Promise<VersionView> {
    const of = { name: text(name, "the name of a program"), version: given("the version of a program", version, count) };
    return this.#engine.ask("cvm.version", of, options, WAIT);
  }

  /** Calls, open ones or all, of an execution, a program, a kind, or of all. */
  calls(
    options: { execution?: string; program?: string; kind?: string; open?: boolean } & PageOptions = {},
  ): Promise<Paged<CallRow>> {
    return this.#engine.ask("cvm.calls", {}, options, { execution: aText, program: aText, kind: aText, open: flag, ...PAGE });
  }

  /** The answered calls that took longest. */
  slowest(options: { program?: string; limit?: number } & WaitOptions = {}): Promise<CallRow[]> {
    return this.#engine.ask("cvm.slowest", {}, options, { program: aText, ...LIMIT });
  }

  /**
   * What was logged, in the order of time: of one execution or of all, of one event or of all, between two moments, from the row after `after`
   * (`next` of an earlier page) on.
   *
   * @example
   * const { rows } = await rs.cvm.logs({ event: "error", since: Date.now() - 86_400_000 });
   */
  async logs(options: LogOptions = {}): Promise<LogPage> {
    const { execution, signal, ...rest } = checked("cvm.logs", options, LOGS);
    return this.#engine.call("cvm.logs", { ...rest, id: execution }, signal);
  }

  /** Executions of a program, or all, in numbers. */
  async stats(program?: string, options: WaitOptions = {}): Promise<Stats> {
    return this.#engine.ask("cvm.stats", { program: maybe(program, "the name of a program", aText) }, options, WAIT);
  }

  /** How many executions have each status. */
  async statuses(program?: string, options: WaitOptions = {}): Promise<{ [status: string]: number }> {
    return this.#engine.ask("cvm.statuses", { program: maybe(program, "the name of a program", aText) }, options, WAIT);
  }

  /** How long answers took, of a program or of all. */
  latency(options: { program?: string } & WaitOptions = {}): Promise<Latency> {
    return this.#engine.ask("cvm.latency", {}, options, OF_PROGRAM);
  }

  /** As {@link Cvm.latency}, of each program. */
  latencyByProgram(options: WaitOptions = {}): Promise<{ [program: string]: Latency }> {
    return this.#engine.ask("cvm.latencyByProgram", {}, options, WAIT);
  }

  /** As {@link Cvm.latency}, of each kind of calls. */
  latencyByKind(options: { program?: string } & WaitOptions = {}): Promise<{ [kind: string]: Latency }> {
    return this.#engine.ask("cvm.latencyByKind", {}, options, OF_PROGRAM);
  }

  /**
   * What is committed from now on, or after the position `from`, told in terms of programs and executions; it goes on until you leave the
   * loop. `position_expired`: the position is older than what the store keeps; read anew and begin without one.
   */
  changes(
    of: { things?: Thing[]; executions?: string[]; from?: string } & WaitOptions = {},
  ): AsyncIterable<CvmChange> {
    const { things, executions, from, signal } = checked("cvm.changes", of, { things: THINGS, executions: texts, from: aText, ...WAIT });
    const engine = this.#engine;
    return each(new Feed((at, waitMs) => engine.call("cvm.changes", { from: at, things, executions, waitMs }, signal), from));
  }

  /** Hands one open call of these kinds, or this call, to a worker until its lease ends; null: there is none. */
  async claim(
    claim: ({ kinds: string[] } | { call: string }) & { owner: string; leaseMs?: number },
    options: WaitOptions = {},
  ): Promise<Work | null> {
    const { leaseMs = LEASE_MS, ...rest } = checked<Claim>("cvm.claim", claim, CLAIM);
    return this.#engine.ask("cvm.claim", { ...rest, leaseMs }, options, WAIT);
  }

  /** Tells that a claimed call is still worked on; resolves to the new end of its lease. Refused as `stale_claim`: stop. */
  async heartbeat(work: Work, leaseMs: number = LEASE_MS, options: WaitOptions = {}): Promise<number> {
    const params = { claimed: claimedOf(work), leaseMs: given("the length of a lease", leaseMs, span) };
    return this.#engine.ask("cvm.heartbeat", params, options, WAIT);
  }

  /** Gives a claimed call its answer and runs its execution on. */
  async complete<A>(work: Work, value: A & PlainOf<A>, options: { by?: string } & CommandOptions = {}): Promise<Reached> {
    const params = { claimed: claimedOf(work), answer: plain(value, "answer", "invalid_answer") };
    return this.#engine.ask("cvm.complete", params, options, BY);
  }

  /** Tells that a claimed call could not be done. With `retry` it is tried again later; else its program is thrown an error. */
  async fail(
    work: Work,
    message: string,
    options: { name?: string; by?: string; retry?: BackoffParams } & CommandOptions = {},
  ): Promise<{ retryAt: number | null; reached: Reached | null }> {
    const params = { claimed: claimedOf(work), message: text(message, "what went wrong") };
    return this.#engine.ask("cvm.fail", params, options, { name: aText, retry: BACKOFF, ...BY });
  }

  /** Gives a claimed call back for others to take at once. */
  async release(work: Work, options: WaitOptions = {}): Promise<void> {
    await this.#engine.ask("cvm.release", { claimed: claimedOf(work) }, options, WAIT);
  }

  /**
   * Does what is due now: timers, deadlines, executions left by dead processes, what has expired. The {@link Driver} does this by itself;
   * several hosts may do so at once.
   */
  async runDue(limit: number = DUE, options: WaitOptions = {}): Promise<Due> {
    return this.#engine.ask("cvm.runDue", { limit: given("how much of what is due is done", limit, rows) }, options, WAIT);
  }

  /** When {@link Cvm.runDue} has something to do next, in milliseconds since 1970; null: not before something is commanded. */
  nextDue(options: WaitOptions = {}): Promise<number | null> {
    return this.#engine.ask("cvm.nextDue", { known: false }, options, WAIT);
  }

  /** @internal As {@link Cvm.nextDue}, with what this process knows: its own commands, and what it has read of others'. */
  nextDueKnown(): Promise<number | null> {
    return this.#engine.call("cvm.nextDue", { known: true });
  }

  /** How many executions ended before that time, in milliseconds since 1970. */
  async countFinished(before: number, options: WaitOptions = {}): Promise<number> {
    return this.#engine.ask("cvm.countFinished", { before: given("the time before which they ended", before, moment) }, options, WAIT);
  }

  /** Removes executions that ended before that time, at most `limit`. */
  async deleteFinished(before: number, options: { limit?: number } & WaitOptions = {}): Promise<Due> {
    const { limit = DUE, signal } = checked("cvm.deleteFinished", options, LIMIT);
    return this.#engine.call("cvm.deleteFinished", { before: given("the time before which they ended", before, moment), limit }, signal);
  }

  #run(reached: Reached): Run {
    return new Run(this.#engine, reached);
  }
}
