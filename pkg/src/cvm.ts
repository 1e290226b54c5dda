// Programs and their executions.

import type { Engine } from "./engine.js";
import { RunstateError } from "./errors.js";
import { Feed, each } from "./feed.js";
import type { Plain } from "./json.js";
import { type CommandOptions, type WaitOptions, named, text } from "./options.js";
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
import { type Handler, type Stop, type WorkerOptions, serve } from "./worker.js";

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
}

/** A page of a list: at most `limit` rows, after those of the page that said `next`. */
export interface PageOptions extends WaitOptions {
  limit?: number;
  cursor?: string;
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
    const { description, tags } = program;
    const [name, source] = [text(program.name, "the name of a program"), text(program.source, "the source of a program")];
    const compiled = await this.#compiled(program);
    const params = { name, source, ...compiled, description, tags, ...named(options) };
    return this.#engine.call("cvm.load", params, options.signal);
  }

  async #compiled({ name, source, bytecode, compiler = "unknown" }: Load): Promise<CompiledSource> {
    if (bytecode !== undefined) return { bytecode, compiler };
    const compile = this.#engine.compile;
    if (compile === undefined) {
      const message = "there is no compiler here; give `bytecode`, or provide one (`runstate/compiler`)";
      throw new RunstateError({ code: "unsupported", message });
    }
    return compile(name, source);
  }

  /** Removes a program with its versions, where no execution of it is there. */
  async removeProgram(name: string, options: CommandOptions = {}): Promise<void> {
    await this.#engine.call("cvm.removeProgram", { name, ...named(options) }, options.signal);
  }

  /** Starts the newest version of a program and runs it to its first stop. */
  async start(
    program: string,
    options: { input?: Plain; id?: string; logLevel?: LogLevel } & CommandOptions = {},
  ): Promise<Run> {
    const { id, logLevel, signal } = options;
    const input = options.input === undefined ? undefined : plain(options.input, "input");
    const params = { program: text(program, "the name of a program"), id, input, logLevel, ...named(options) };
    return this.#run(await this.#engine.call("cvm.start", params, signal));
  }

  /** A handle on an execution that is there; `not_found` where it is not. */
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
  list(
    options: {
      status?: Status;
      program?: string;
      limit?: number;
      after?: Pick<ExecutionSummary, "id" | "started"> | undefined;
    } & WaitOptions = {},
  ): Promise<ExecutionSummary[]> {
    const { status, program, limit, signal } = options;
    const after = options.after && { id: options.after.id, started: options.after.started };
    return this.#engine.call("cvm.list", { status, program, limit, after }, signal);
  }

  /** Executions that have not ended, newest first. */
  active(options: { limit?: number } & WaitOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.call("cvm.active", { limit: options.limit }, options.signal);
  }

  /** Executions of a program, newest first. */
  history(program: string, options: { limit?: number } & WaitOptions = {}): Promise<ExecutionSummary[]> {
    return this.#engine.call("cvm.history", { program, limit: options.limit }, options.signal);
  }

  /** Programs by name, or those with a tag. */
  programs(options: { tag?: string } & PageOptions = {}): Promise<Paged<ProgramSummary>> {
    const { tag, limit, cursor, signal } = options;
    return this.#engine.call("cvm.programs", { tag, limit, cursor }, signal);
  }

  /** A program with its newest version. */
  program(name: string, options: WaitOptions = {}): Promise<ProgramView> {
    return this.#engine.call("cvm.program", { name }, options.signal);
  }

  /** The versions of a program, newest first. */
  versions(name: string, options: PageOptions = {}): Promise<Paged<VersionSummary>> {
    const { limit, cursor, signal } = options;
    return this.#engine.call("cvm.versions", { name, limit, cursor }, signal);
  }

  /** One version of a program, from 1. */
  version(name: string, version: number, options: WaitOptions = {}): Promise<VersionView> {
    return this.#engine.call("cvm.version", { name, version }, options.signal);
  }

  /** Calls, open ones or all, of an execution, a program, a kind, or of all. */
  calls(
    options: { execution?: string; program?: string; kind?: string; open?: boolean } & PageOptions = {},
  ): Promise<Paged<CallRow>> {
    const { signal, ...of } = options;
    return this.#engine.call("cvm.calls", { ...of, open: of.open ?? false }, signal);
  }

  /** The answered calls that took longest. */
  slowest(options: { program?: string; limit?: number } & WaitOptions = {}): Promise<CallRow[]> {
    const { program, limit, signal } = options;
    return this.#engine.call("cvm.slowest", { program, limit }, signal);
  }

  /** Executions of a program, or all, in numbers. */
  stats(program?: string, options: WaitOptions = {}): Promise<Stats> {
    return this.#engine.call("cvm.stats", { program }, options.signal);
  }

  /** How many executions have each status. */
  statuses(program?: string, options: WaitOptions = {}): Promise<{ [status: string]: number }> {
    return this.#engine.call("cvm.statuses", { program }, options.signal);
  }

  /** How long answers took, of a program or of all. */
  latency(options: { program?: string } & WaitOptions = {}): Promise<Latency> {
    return this.#engine.call("cvm.latency", { program: options.program }, options.signal);
  }

  /** As {@link Cvm.latency}, of each program. */
  latencyByProgram(options: WaitOptions = {}): Promise<{ [program: string]: Latency }> {
    return this.#engine.call("cvm.latencyByProgram", {}, options.signal);
  }

  /** As {@link Cvm.latency}, of each kind of calls. */
  latencyByKind(options: { program?: string } & WaitOptions = {}): Promise<{ [kind: string]: Latency }> {
    return this.#engine.call("cvm.latencyByKind", { program: options.program }, options.signal);
  }

  /**
   * What is committed from now on, or after the position `from`, told in terms of programs and executions; it goes on until you leave the
   * loop. `position_expired`: the position is older than what the store keeps; read anew and begin without one.
   */
  changes(
    of: { things?: Thing[]; executions?: string[]; from?: string } & WaitOptions = {},
  ): AsyncIterable<CvmChange> {
    const { things, executions, from, signal } = of;
    const engine = this.#engine;
    return each(new Feed((at, waitMs) => engine.call("cvm.changes", { from: at, things, executions, waitMs }, signal), from));
  }

  /** Hands one open call of these kinds, or this call, to a worker until its lease ends; null: there is none. */
  claim(
    claim: ({ kinds: string[] } | { call: string }) & { owner: string; leaseMs?: number },
    options: WaitOptions = {},
  ): Promise<Work | null> {
    return this.#engine.call("cvm.claim", { ...claim, leaseMs: claim.leaseMs ?? LEASE_MS }, options.signal);
  }

  /** Tells that a claimed call is still worked on; resolves to the new end of its lease. Refused as `stale_claim`: stop. */
  heartbeat({ claimed }: Work, leaseMs: number = LEASE_MS, options: WaitOptions = {}): Promise<number> {
    return this.#engine.call("cvm.heartbeat", { claimed, leaseMs }, options.signal);
  }

  /** Gives a claimed call its answer and runs its execution on. */
  async complete({ claimed }: Work, value: Plain, options: { by?: string } & CommandOptions = {}): Promise<Reached> {
    const answer = plain(value, "answer", "invalid_answer");
    return this.#engine.call("cvm.complete", { claimed, answer, by: options.by, ...named(options) }, options.signal);
  }

  /** Tells that a claimed call could not be done. With `retry` it is tried again later; else its program is thrown an error. */
  fail(
    { claimed }: Work,
    message: string,
    options: { name?: string; by?: string; retry?: BackoffParams } & CommandOptions = {},
  ): Promise<{ retryAt: number | null; reached: Reached | null }> {
    const { name, by, retry, signal } = options;
    return this.#engine.call("cvm.fail", { claimed, message, name, by, retry, ...named(options) }, signal);
  }

  /** Gives a claimed call back for others to take at once. */
  async release({ claimed }: Work, options: WaitOptions = {}): Promise<void> {
    await this.#engine.call("cvm.release", { claimed }, options.signal);
  }

  /**
   * Does what is due now: timers, deadlines, executions left by dead processes, what has expired. The {@link Driver} does this by itself;
   * several hosts may do so at once.
   */
  runDue(limit: number = DUE, options: WaitOptions = {}): Promise<Due> {
    return this.#engine.call("cvm.runDue", { limit }, options.signal);
  }

  /** When {@link Cvm.runDue} has something to do next, in milliseconds since 1970; null: not before something is commanded. */
  nextDue(options: WaitOptions = {}): Promise<number | null> {
    return this.#engine.call("cvm.nextDue", {}, options.signal);
  }

  /** How many executions ended before that time, in milliseconds since 1970. */
  countFinished(before: number, options: WaitOptions = {}): Promise<number> {
    return this.#engine.call("cvm.countFinished", { before }, options.signal);
  }

  /** Removes executions that ended before that time, at most `limit`. */
  deleteFinished(before: number, options: { limit?: number } & WaitOptions = {}): Promise<Due> {
    return this.#engine.call("cvm.deleteFinished", { before, limit: options.limit ?? DUE }, options.signal);
  }

  #run(reached: Reached): Run {
    return new Run(this.#engine, reached);
  }
}
