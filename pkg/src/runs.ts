// `rs.runs`: programs and their executions. Operations that are called with parameters alone come from the generated
// class.

import type { Engine, SourceOptions } from "./engine.js";
import { usageError } from "./errors.js";
import { type ChangeSubject, type RunChange, createFeed } from "./changes.js";
import { iterate } from "./feed.js";
import {
  type CvmCompleteOptions, type CvmFailOptions, CvmOperations, type CvmStartOptions, type OperationCaller, type OptionsOf,
} from "./generated.js";
import { followInbox, readUnlessDamaged } from "./inbox.js";
import type { JsonInputOf } from "./json.js";
import { type CommandOptions, SUBJECTS, WAIT, type WaitOptions, requireText } from "./options.js";
import { Question } from "./question.js";
import { Run } from "./run.js";
import { checkOptions, text, texts, validateOptions } from "./validation.js";
import type {
  ClaimedCall,
  CompiledSource,
  CvmLoadParams,
  DueReport,
  ExecutionStatus,
  FailedCall,
  LoadedProgram,
  Timestamp,
  Work,
} from "./wire.js";
import { CALLS, type Handlers, type KindOf, type WorkerHandle, type WorkerOptions, startWorker } from "./worker.js";

/** A program to load. Without bytecode the compiler is loaded and compiles the source. */
export interface ProgramSource extends Omit<CvmLoadParams, "commandId"> {}

/**
 * A program that code imports from its file `NAME.program.ts`, as TypeScript sees it: the function that the file
 * exports as its default, with the types of its input and result. At run time it is a {@link ProgramSource}, by a
 * plugin of `runstate/programs` or by `runstate/register`.
 */
export type ImportedProgram = (input: never) => unknown;

/** The type of the result of a program. A program that returns nothing has the result null. */
export type ResultOf<P extends ImportedProgram> = Awaited<ReturnType<P>> extends infer R ? (R extends void ? null : R) : never;

/** Options of {@link Runs.start}. */
export interface StartOptions<I = unknown> extends Omit<CvmStartOptions, "input"> {
  /** The value of the global `input` in the program. */
  input?: I & JsonInputOf<I>;
}

/** Options of {@link Runs.list}. */
export interface ListOptions extends OptionsOf<"cvm.list"> {}

/** Options of {@link Runs.complete}. */
export interface CompleteOptions extends Pick<CvmCompleteOptions, "by" | "cost">, CommandOptions {}

/** Options of {@link Runs.fail}. */
export interface FailOptions extends Pick<CvmFailOptions, "name" | "code" | "by" | "retry" | "cost">, CommandOptions {}

/** Options of {@link Runs.questions}. */
export interface QuestionsOptions {
  /** Kinds of calls: `cc` for questions, the names of tools for approvals. Default: all. */
  kinds?: string[];
  /** The name of a program. Default: all programs. */
  program?: string;
  /** Ends the iteration. */
  signal?: AbortSignal;
}

/** The claim of work that `cvm.claim` returned. */
function requireClaim(work: Work): ClaimedCall {
  if (typeof work?.claimed !== "object") throw usageError("`work` has no claim; pass the value that `runs.claim` returned");
  return work.claimed;
}

/** The program at run time. It is a function only if its file was imported as ordinary code. */
function requireSource(program: ProgramSource | ImportedProgram): ProgramSource {
  if (typeof program !== "function") return program;
  throw usageError("the program is a function: its file was imported as code. Import it with a plugin of `runstate/programs`, or with `node --import runstate/register`");
}

/** A method of the generated class that this one replaces: it compiles, returns a handle, or takes the claimed work. */
type OwnMethod = "load" | "start" | "heartbeat" | "complete" | "fail" | "release";

const Operations = CvmOperations as unknown as new (caller: OperationCaller) => Omit<CvmOperations, OwnMethod>;

/** The programs and executions of a store. Every method rejects with a `RunstateError`. */
export class Runs extends Operations {
  readonly #engine: Engine;
  /** The versions of the programs that were loaded here. */
  readonly #versions = new WeakMap<ProgramSource, number>();

  /** @internal */
  constructor(engine: Engine) {
    super(engine);
    this.#engine = engine;
  }

  /** Loads a program under its name. Changed source becomes the next version; unchanged source has no effect. */
  async load(program: ProgramSource | ImportedProgram, options: CommandOptions = {}): Promise<LoadedProgram> {
    const source = checkOptions("cvm.load", requireSource(program));
    const loaded = await this.#engine.invoke("cvm.load", options, await this.#loadParams(source));
    this.#versions.set(source, loaded.programVersion);
    return loaded;
  }

  async #loadParams(source: ProgramSource): Promise<object> {
    const compiled = await this.#compile(source);
    if (compiled === undefined) return source;
    // Files that are not imported are not stored.
    const { entry: _, files: __, ...rest } = source;
    const { hash: ___, ...load } = compiled;
    return { ...rest, ...load };
  }

  async #compile({ name, source, bytecode, entry, files, script, tools }: ProgramSource): Promise<CompiledSource | undefined> {
    // The engine rejects a name or source that is not a string.
    if (bytecode !== undefined || typeof name !== "string" || typeof source !== "string") return undefined;
    // The compiler validates those that are given.
    return this.#engine.compile(name, source, { entry, files, script, tools } as SourceOptions);
  }

  /**
   * Starts an execution of a program and runs it until it waits or ends. The program was loaded before; it is given by
   * its name, or as an {@link ImportedProgram}, which has the types of the input and the result. By its name its newest
   * version runs. An imported program runs in the version that its own load by this store returned, also after another
   * process has loaded a newer one; without such a load its newest version runs.
   */
  start<I>(program: string, options?: StartOptions<I>): Promise<Run>;
  start<P extends () => unknown>(program: P, options?: Omit<StartOptions, "input">): Promise<Run<ResultOf<P>>>;
  start<P extends ImportedProgram>(program: P, options: StartOptions<Parameters<P>[0]> & { input: unknown }): Promise<Run<ResultOf<P>>>;
  async start(program: string | ImportedProgram, options: Omit<StartOptions, "input"> = {}): Promise<Run<never>> {
    const isNamed = typeof program === "string" || program === undefined || program === null;
    if (isNamed) return new Run(this.#engine, await this.#engine.invoke("cvm.start", options, { program }));
    const source = checkOptions("cvm.start", requireSource(program));
    const start = { programVersion: this.#versions.get(source), ...checkOptions("cvm.start", options) };
    return new Run(this.#engine, await this.#engine.invoke("cvm.start", start, { program: source.name }));
  }

  /**
   * Returns a handle on an existing execution.
   *
   * Errors: `not_found`; `corrupt` if it is not found in a damaged store and may be in the damaged part.
   */
  async run(id: string, options: WaitOptions = {}): Promise<Run> {
    return new Run(this.#engine, { id: requireText(id, "the id of an execution"), status: "running" }).refresh(options);
  }

  /**
   * Iterates over the questions to people and the calls that await an approval, of all executions: those that are open,
   * the oldest first, then those that come, from any process, each once. One that is decided elsewhere before it is
   * read is left out, and one that a worker has claimed, while it has. Ends when the signal aborts or the store is
   * closed. Leaving the loop has no effect on executions.
   *
   * @example
   * for await (const q of rs.questions()) {
   *   if (q.isApproval) await q.approve({ by: "ann" });
   *   else await q.answer(prompt(q.prompt) ?? "");
   * }
   */
  questions(options: QuestionsOptions = {}): AsyncGenerator<Question, void, void> {
    const filter = validateOptions("runs.questions", options, { kinds: texts, program: text, ...WAIT });
    return followInbox(this.#engine, filter, async (call) => {
      const read = await readUnlessDamaged(this.#engine, call.id, () => this.status(call.executionId, { signal: filter.signal }));
      return read && new Question(new Run(this.#engine, read.execution), call);
    });
  }

  /**
   * Starts a worker, which answers calls until it is stopped. The handler `cc` receives questions; any other name is
   * that of a tool, whose handler receives its arguments. A call is retried if its handler throws or returns an
   * invalid answer; see {@link CallFailure}.
   *
   * @example
   * const stop = rs.worker({ cc: async (q) => model(q.prompt), search: async (args) => find(args) });
   */
  worker<A>(handlers: Handlers<A>, options: WorkerOptions<KindOf<A>> = {}): WorkerHandle {
    return startWorker(this.#engine, CALLS, handlers as object, options);
  }

  /**
   * Follows committed changes of programs and executions, from now on or after the position `from`. The iteration
   * continues until you leave the loop.
   *
   * Errors: `position_expired` if the store no longer keeps the position; read the documents anew and start without a
   * position.
   */
  changes(
    options: { kinds?: ChangeSubject[]; executions?: string[]; from?: string } & WaitOptions = {},
  ): AsyncIterable<RunChange> {
    return iterate(createFeed(this.#engine, validateOptions("runs.changes", options, { kinds: SUBJECTS, executions: texts, from: text, ...WAIT })));
  }

  /**
   * Extends the lease of a claimed call, by default by 30 seconds. Resolves to the new end of the lease, in
   * milliseconds since 1970.
   *
   * Errors: `stale_claim` if the claim was lost; the worker must stop working on the call.
   */
  async heartbeat(work: Work, leaseMs?: number, options: WaitOptions = {}): Promise<Timestamp> {
    const { call, token } = requireClaim(work);
    return this.#engine.invoke("cvm.heartbeat", options, { call, token, leaseMs });
  }

  /** Completes a claimed call with its answer and continues its execution. */
  async complete<A>(work: Work, value: A & JsonInputOf<A>, options: CompleteOptions = {}): Promise<ExecutionStatus> {
    const { call, execution, token } = requireClaim(work);
    return this.#engine.invoke("cvm.complete", options, { call, execution, token, answer: value });
  }

  /** Reports that a claimed call failed. With `retry` the call is retried later; without it the program gets
   * an error with that `name` and `code`. */
  async fail(work: Work, message: string, options: FailOptions = {}): Promise<FailedCall> {
    const { call, execution, token } = requireClaim(work);
    return this.#engine.invoke("cvm.fail", options, { call, execution, token, message });
  }

  /** Releases a claimed call, so that other workers can claim it at once. */
  async release(work: Work, options: CommandOptions = {}): Promise<void> {
    const { call, token } = requireClaim(work);
    await this.#engine.invoke("cvm.release", options, { call, token });
  }

  /** Deletes at most `limit` executions that ended before the given time, in milliseconds since 1970. Default:
   * 1,000. */
  async deleteFinished(before: number, options: { limit?: number } & WaitOptions = {}): Promise<DueReport> {
    return this.#engine.invoke("due.run", options, { rule: "cvm.retention", before });
  }
}
