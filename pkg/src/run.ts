// A handle on one execution: its commands, queries and streams. It holds only the id and the last known status.

import type { Engine } from "./engine.js";
import { ExecutionError, isRefused } from "./errors.js";
import { type ChangeSubject, type RunChange, createFeed } from "./changes.js";
import { iterate } from "./feed.js";
import type { Watch } from "./follower.js";
import type { CvmCancelOptions, CvmRetryOptions, CvmShowOptions, CvmVariablesOptions, OptionsOf } from "./generated.js";
import type { Json, JsonInputOf } from "./json.js";
import { type CommandOptions, SUBJECTS, WAIT, type WaitOptions, requireText } from "./options.js";
import { Question, isClaimed } from "./question.js";
import { interruptible } from "./stream.js";
import { checkOptions, text, validateOptions } from "./validation.js";
import type { DeletionProgress, Execution, ExecutionProgress, ExecutionStatus, FrameView, LogRowPage, CallView, Status, ProgramVersion } from "./wire.js";

/** Options of {@link Run.answer}. */
export interface AnswerOptions extends OptionsOf<"cvm.answer", "id" | "answer"> {}

/** Options of {@link Run.logs}. */
export interface LogsOptions extends OptionsOf<"cvm.logs", "execution"> {}

/** Options of {@link Run.approve}. */
export interface ApproveOptions extends CommandOptions {
  /** The person that approves. */
  by: string;
  note?: string;
  /** Arguments in place of those that the program passed. */
  args?: Json;
}

/** Options of {@link Run.reject}. */
export interface RejectOptions extends CommandOptions {
  /** The person that rejects. */
  by: string;
  /** The reason: the message of the program's error. */
  reason?: string;
}

/** The commands that need only the id of an execution and return its status. */
type RunCommand = `cvm.${"next" | "pause" | "unpause"}`;

/** The statuses of an execution that has ended. */
const TERMINAL_STATUSES: ReadonlySet<Status> = new Set<Status>(["complete", "error", "cancelled"]);

/** A line number after every line: progress from here has no lines. */
const NO_LINES = Number.MAX_SAFE_INTEGER;

/** A handle on an execution. `R` is the type of its result. */
export class Run<R = Json> {
  readonly #engine: Engine;
  #status: Status;
  readonly id: string;
  /** After a start: what the compiler warned of when the program was loaded. */
  readonly warnings: readonly string[];

  /** @internal */
  constructor(engine: Engine, { id, status, warnings = [] }: ExecutionStatus) {
    this.#engine = engine;
    this.id = id;
    this.#status = status;
    this.warnings = warnings;
  }

  /** The last known status. {@link Run.refresh} reads it anew. */
  get status(): Status {
    return this.#status;
  }

  /** Whether the last known status is a final one. */
  get ended(): boolean {
    return TERMINAL_STATUSES.has(this.#status);
  }

  /** Reads the current status. */
  async refresh(options: WaitOptions = {}): Promise<this> {
    await this.progress(NO_LINES, options);
    return this;
  }

  /**
   * Answers a call and runs the execution until it waits or ends. `call` or `key` names the call. Without them it is the
   * only open question to a person, as this process last read or wrote the execution: after an answer, that may be the
   * next question. So a handler of requests that may come twice passes `call`. Tools are never answered without a name.
   */
  async answer<A>(value: A & JsonInputOf<A>, options: AnswerOptions = {}): Promise<this> {
    return this.#updateStatus(await this.#engine.invoke("cvm.answer", checkOptions("run.answer", options), { id: this.id, answer: value }));
  }

  /**
   * Approves a call that awaits it, and runs the execution until it waits or ends.
   *
   * Errors: `already_approved`, `already_answered`, `deadline_passed`, `illegal_transition` (the execution has ended),
   * `not_found`.
   */
  async approve(call: string, options: ApproveOptions): Promise<this> {
    return this.#updateStatus(await this.#engine.invoke("cvm.approve", options, { execution: this.id, call: requireText(call, "the id of a call") }));
  }

  /** Rejects a call that awaits an approval: the program gets a `RejectedError` with the reason. Errors: as those of
   * {@link Run.approve}. */
  async reject(call: string, options: RejectOptions): Promise<this> {
    return this.#updateStatus(await this.#engine.invoke("cvm.reject", options, { execution: this.id, call: requireText(call, "the id of a call") }));
  }

  /** Continues an execution that was left running (by a process that died, for example) until it waits or ends. */
  next(options: CommandOptions = {}): Promise<this> {
    return this.#runCommand("cvm.next", options);
  }

  /** Pauses the execution. Answers that arrive while it is paused are stored. */
  pause(options: CommandOptions = {}): Promise<this> {
    return this.#runCommand("cvm.pause", options);
  }

  /** Continues a paused execution. */
  unpause(options: CommandOptions = {}): Promise<this> {
    return this.#runCommand("cvm.unpause", options);
  }

  /**
   * Cancels the execution. It cannot be continued. With `graceful: true` its program gets a `CancelledError` from its
   * open calls, and may clean up for `deadlineMs` milliseconds, by default a minute.
   */
  async cancel(options: CvmCancelOptions = {}): Promise<this> {
    return this.#updateStatus(await this.#engine.invoke("cvm.cancel", options, { id: this.id }));
  }

  /**
   * Retries a failed execution at the instruction that failed. After it reached a limit, it needs a higher one, which
   * it keeps: `heapBytes`, `instructions` or `outputBytes`. With `programVersion` it continues in that version of its
   * program, with its variables and answers.
   *
   * Errors: `illegal_transition` (it has not failed); `not_found` (no such version); `version_mismatch` (its position
   * has no counterpart in that version).
   */
  async retry(options: CvmRetryOptions = {}): Promise<this> {
    return this.#updateStatus(await this.#engine.invoke("cvm.retry", options, { id: this.id }));
  }

  async #runCommand(name: RunCommand, options: CommandOptions): Promise<this> {
    return this.#updateStatus(await this.#engine.invoke(name, options, { id: this.id }));
  }

  /** Deletes the execution with all its rows. Rejected unless it has ended. */
  delete(options: CommandOptions = {}): Promise<DeletionProgress> {
    return this.#engine.invoke("cvm.delete", options, { id: this.id });
  }

  /**
   * Reads the whole execution in one consistent view. `hash: false` omits `stateHash` and `machine`, which read the
   * whole heap; the other fields do not read it.
   */
  async show(options: CvmShowOptions = {}): Promise<Execution> {
    const view = await this.#engine.invoke("cvm.show", options, { id: this.id });
    this.#status = view.status;
    return view;
  }

  /**
   * Reads the variables of the execution, also after it has ended or failed: its frames, innermost first, each with
   * its variables. `value` is tagged JSON (`{"$undefined":true}`, `{"$map":[…]}`, …); `text` is formatted as by Node's
   * `util.inspect`.
   *
   * @example
   * const [{ variables }] = await run.variables({ name: "total" });
   */
  variables(options: CvmVariablesOptions = {}): Promise<FrameView[]> {
    return this.#engine.invoke("cvm.variables", options, { id: this.id });
  }

  /** Reads the program version that the execution runs, with its source. */
  program(options: WaitOptions = {}): Promise<ProgramVersion> {
    return this.#engine.invoke("cvm.versionOf", options, { id: this.id });
  }

  /** Reads all lines that the program has printed so far. */
  output(options: WaitOptions = {}): Promise<string[]> {
    return this.#engine.invoke("cvm.output", options, { id: this.id });
  }

  /**
   * Reads the progress of the execution: its status, its open calls, and the lines printed since `from`, which is the
   * `next` of the previous call or
   * 0. One call returns at most a few megabytes of lines; `more` says whether there are further ones. The cost does
   *    not depend on the size of the
   * execution.
   */
  async progress(from = 0, options: WaitOptions = {}): Promise<ExecutionProgress> {
    const progress = await this.#engine.invoke("cvm.progress", options, { id: this.id, from });
    this.#status = progress.status;
    return progress;
  }

  /** Reads a page of the execution's log, ordered by time. The next page is requested with `cursor`, the `next` of the
   * previous one. */
  logs(options: LogsOptions = {}): Promise<LogRowPage> {
    return this.#engine.invoke("cvm.logs", options, { execution: this.id });
  }

  /** Follows committed changes of the execution, from now on or after the position `from`. The iteration continues
   * until you leave the loop. */
  changes(options: { kinds?: ChangeSubject[]; from?: string } & WaitOptions = {}): AsyncIterable<RunChange> {
    const valid = validateOptions("run.changes", options, { kinds: SUBJECTS, from: text, ...WAIT });
    return iterate(createFeed(this.#engine, { ...valid, executions: [this.id] }));
  }

  /**
   * Iterates over the questions of the execution, each one once, until it has ended. Questions that were answered
   * elsewhere, or that a worker has claimed, are skipped while they are. One that is answered elsewhere after the loop
   * has it refuses the answer as `already_answered`. Leaving the loop has no effect on the execution.
   *
   * @example
   * for await (const q of run.questions()) await q.answer(prompt(q.prompt) ?? "");
   */
  questions(options: WaitOptions = {}): AsyncGenerator<Question, void, void> {
    const { signal } = validateOptions("run.questions", options, WAIT);
    return this.#watched(signal, (watch) => this.#questions(watch, signal));
  }

  async *#questions(watch: Watch, signal: AbortSignal | undefined): AsyncGenerator<Question, void, void> {
    const yielded = new Set<string>();
    for (;;) {
      const progress = await this.#readProgressIfExists(NO_LINES, signal);
      const open = progress?.calls.find((call) => isUnclaimedQuestion(call, this.#engine.now()) && !yielded.has(call.id));
      if (open !== undefined) {
        yielded.add(open.id);
        yield new Question(this, open);
      } else if (progress === null || TERMINAL_STATUSES.has(progress.status)) {
        return;
      } else if (!(await this.#waitForChange(watch, progress))) {
        return;
      }
    }
  }

  /** Iterates over the lines that the program prints, from the first one, until the execution has ended. */
  lines(options: WaitOptions = {}): AsyncGenerator<string, void, void> {
    const { signal } = validateOptions("run.lines", options, WAIT);
    return this.#watched(signal, (watch) => this.#lines(watch, signal));
  }

  async *#lines(watch: Watch, signal: AbortSignal | undefined): AsyncGenerator<string, void, void> {
    for (let from = 0; ; ) {
      const progress = await this.#readProgressIfExists(from, signal);
      if (progress === null) return;
      yield* progress.lines;
      from = progress.next;
      if (progress.more) continue;
      if (TERMINAL_STATUSES.has(progress.status)) return;
      if (!(await this.#waitForChange(watch, progress))) return;
    }
  }

  /**
   * Waits until the execution has ended and resolves to its result. Rejects with an {@link ExecutionError} if it
   * failed or was cancelled. It does not answer calls: a worker or another caller must do that. The type of the result
   * is that of an {@link ImportedProgram}, or a promise of the caller.
   *
   * @example
   * const { total } = await run.result<{ total: number }>();
   */
  async result<T = R>(options: WaitOptions = {}): Promise<T> {
    const { signal } = validateOptions("run.result", options, WAIT);
    const watch = this.#engine.follower.watch(this.id, signal);
    try {
      await watch.open();
      // Most executions that are waited for run. Their status alone costs a third of the progress.
      this.#updateStatus((await this.#engine.invoke("cvm.status", { signal }, { id: this.id })).execution);
      if (!this.ended) await watch.change();
      for (;;) {
        const { status, result, error } = await this.progress(NO_LINES, { signal });
        if (status === "complete") return result as T;
        if (TERMINAL_STATUSES.has(status)) throw new ExecutionError(this.id, status === "cancelled" ? "cancelled" : "error", error);
        await watch.change();
      }
    } finally {
      watch.close();
    }
  }

  /** Iterates with a watch, which is opened by the first read and closed when the reader leaves. */
  #watched<E>(signal: AbortSignal | undefined, read: (watch: Watch) => AsyncGenerator<E, void, void>): AsyncGenerator<E, void, void> {
    const watch = this.#engine.follower.watch(this.id, signal);
    async function* readWatched(): AsyncGenerator<E, void, void> {
      try {
        await watch.open();
        yield* read(watch);
      } finally {
        watch.close();
      }
    }
    return interruptible(readWatched(), () => watch.close());
  }

  /** Waits until the progress may have changed; returns false if the reader has left. The end of a lease commits
   * nothing, so claimed calls require regular reads. */
  async #waitForChange(watch: Watch, progress: ExecutionProgress): Promise<boolean> {
    for (;;) {
      const result = await watch.wait();
      if (result !== "unchanged") return result === "changed";
      if (progress.calls.some((call) => isClaimed(call, this.#engine.now()))) return true;
    }
  }

  /** Like {@link Run.progress}, but resolves to null if the execution was deleted. */
  async #readProgressIfExists(from: number, signal: AbortSignal | undefined): Promise<ExecutionProgress | null> {
    try {
      return await this.progress(from, { signal });
    } catch (error) {
      if (isRefused(error, "not_found")) return null;
      throw error;
    }
  }

  #updateStatus({ status }: ExecutionStatus): this {
    this.#status = status;
    return this;
  }
}

/** Whether a call is a question that a person may answer now: without a valid claim, approved, and not queued. */
function isUnclaimedQuestion(call: CallView, now: number): boolean {
  return call.waitsFor === "person" && !isClaimed(call, now);
}
