// A handle on one execution: its commands, queries and streams. It holds only the id and the last known status.

import type { Engine } from "./engine.js";
import { ExecutionError, RunstateError } from "./errors.js";
import { ChangeFeed, iterate } from "./feed.js";
import { type OptionValidators, positiveInteger, flag, validate, nonNegativeInteger, validateOptions, text } from "./validation.js";
import type { Json, JsonInputOf } from "./json.js";
import { COMMAND, type CommandOptions, LIMIT, SUBJECTS, WAIT, type WaitOptions } from "./options.js";
import { validateJson } from "./json-validation.js";
import { Question } from "./question.js";
import { interruptible } from "./stream.js";
import type { CvmChange, Execution, FrameView, LogPage, OperationName, OpenCall, ExecutionStatus, ExecutionProgress, Status, ChangeSubject, VersionView } from "./wire.js";

/** Options of {@link Run.answer}. */
export interface AnswerOptions extends CommandOptions {
  /** The id of the call. Without `call` and `key` the answer is for the only open call. */
  call?: string;
  /** The key of the call (`CC(prompt, { key })`). An answer that is sent before the call exists is stored for it. */
  key?: string;
  /** The number of the call among the execution's calls with this key, from 1. */
  occurrence?: number;
  /** The name of the person or program that answers, for the record. */
  by?: string;
}

/** Options of {@link Run.show}. */
export interface ShowOptions extends WaitOptions {
  /** Whether to compute the state hash, which reads the whole heap. Default: true. */
  hash?: boolean;
  /** Whether to include the machine: instruction, stack, frames and the values of variables, which reads the heap. Default: the value of `hash`. */
  machine?: boolean;
  /** Whether to show the values of variables in full instead of shortened. Default: false. */
  full?: boolean;
}

/** Options of {@link Run.variables}. */
export interface VariablesOptions extends WaitOptions {
  /** Only variables with this name, and frames that have one. */
  name?: string;
  /** Whether to show the values in full instead of shortened. Default: false. */
  full?: boolean;
}

const SHOW: OptionValidators<ShowOptions> = { hash: flag, machine: flag, full: flag, ...WAIT };
const VARIABLES: OptionValidators<VariablesOptions> = { name: text, full: flag, ...WAIT };
const ANSWER: OptionValidators<AnswerOptions> = { call: text, key: text, occurrence: positiveInteger, by: text, ...COMMAND };

/** The operations that need only the id of an execution and return its status. */
type RunOperation = Extract<OperationName, `cvm.${"next" | "pause" | "unpause" | "cancel" | "retry"}`>;

/** The statuses of an execution that has ended. */
const TERMINAL_STATUSES: ReadonlySet<Status> = new Set<Status>(["complete", "error", "cancelled"]);

/** A line number after every line: progress from here has no lines. */
const NO_LINES = Number.MAX_SAFE_INTEGER;

/** A handle on an execution. */
export class Run {
  readonly #engine: Engine;
  #status: Status;
  /** The id of the execution. */
  readonly id: string;

  /** @internal */
  constructor(engine: Engine, { id, status }: ExecutionStatus) {
    this.#engine = engine;
    this.id = id;
    this.#status = status;
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
  async refresh(options: WaitOptions = {}): Promise<Run> {
    await this.#readProgress(NO_LINES, validateOptions("run.refresh", options, WAIT).signal);
    return this;
  }

  /** Answers a call and runs the execution until it waits or ends. */
  async answer<A>(value: A & JsonInputOf<A>, options: AnswerOptions = {}): Promise<Run> {
    const answer = validateJson(value, "answer", "invalid_answer");
    return this.#updateStatus(await this.#engine.callWithOptions("cvm.answer", { id: this.id, answer }, options, ANSWER, "run.answer"));
  }

  /** Continues an execution that was left running (by a process that died, for example) until it waits or ends. */
  next(options: CommandOptions = {}): Promise<Run> {
    return this.#runOperation("cvm.next", options);
  }

  /** Pauses the execution. Answers that arrive while it is paused are stored. */
  pause(options: CommandOptions = {}): Promise<Run> {
    return this.#runOperation("cvm.pause", options);
  }

  /** Continues a paused execution. */
  unpause(options: CommandOptions = {}): Promise<Run> {
    return this.#runOperation("cvm.unpause", options);
  }

  /** Cancels the execution. It cannot be continued. */
  cancel(options: CommandOptions = {}): Promise<Run> {
    return this.#runOperation("cvm.cancel", options);
  }

  /** Retries a failed execution at the instruction that failed. */
  retry(options: CommandOptions = {}): Promise<Run> {
    return this.#runOperation("cvm.retry", options);
  }

  async #runOperation(method: RunOperation, options: CommandOptions): Promise<Run> {
    return this.#updateStatus(await this.#engine.callWithOptions(method, { id: this.id }, options, COMMAND, publicMethodName(method)));
  }

  /** Deletes the execution with all its rows. Rejected unless it has ended. */
  async delete(options: CommandOptions = {}): Promise<void> {
    await this.#engine.callWithOptions("cvm.delete", { id: this.id }, options, COMMAND, "run.delete");
  }

  /**
   * Reads the whole execution in one consistent view. `hash: false` omits `stateHash` and `machine`, which read the whole heap; the other fields do
   * not read it.
   */
  async show(options: ShowOptions = {}): Promise<Execution> {
    const view = await this.#engine.callWithOptions("cvm.show", { id: this.id }, options, SHOW, "run.show");
    this.#status = view.status;
    return view;
  }

  /**
   * Reads the variables of the execution, also after it has ended or failed: its frames, innermost first, each with its variables. `value` is tagged
   * JSON (`{"$undefined":true}`, `{"$map":[…]}`, …); `text` is formatted as by Node's `util.inspect`.
   *
   * @example
   * const [{ variables }] = await run.variables({ name: "total" });
   */
  variables(options: VariablesOptions = {}): Promise<FrameView[]> {
    return this.#engine.callWithOptions("cvm.variables", { id: this.id }, options, VARIABLES, "run.variables");
  }

  /** Reads the program version that the execution runs, with its source. */
  program(options: WaitOptions = {}): Promise<VersionView> {
    return this.#engine.callWithOptions("cvm.versionOf", { id: this.id }, options, WAIT, "run.program");
  }

  /** Reads all lines that the program has printed so far. */
  output(options: WaitOptions = {}): Promise<string[]> {
    return this.#engine.callWithOptions("cvm.output", { id: this.id }, options, WAIT, "run.output");
  }

  /**
   * Reads the progress of the execution: its status, its open calls, and the lines printed since `from`, which is the `next` of the previous call or
   * 0. One call returns at most a few megabytes of lines; `more` says whether there are further ones. The cost does not depend on the size of the
   * execution.
   */
  async glance(from = 0, options: WaitOptions = {}): Promise<ExecutionProgress> {
    return this.#readProgress(validate("run.glance: `from`", from, nonNegativeInteger), validateOptions("run.glance", options, WAIT).signal);
  }

  /** Reads a page of the execution's log, from the row after `after` (the `next` of the previous page). */
  logs(options: { after?: string; limit?: number } & WaitOptions = {}): Promise<LogPage> {
    return this.#engine.callWithOptions("cvm.logs", { id: this.id }, options, { after: text, ...LIMIT }, "run.logs");
  }

  /** Follows committed changes of the execution, from now on or after the position `from`. The iteration continues until you leave the loop. */
  changes(options: { things?: ChangeSubject[]; from?: string } & WaitOptions = {}): AsyncIterable<CvmChange> {
    const { things, from, signal } = validateOptions("run.changes", options, { things: SUBJECTS, from: text, ...WAIT });
    return iterate(this.#createFeed(things, signal, from));
  }

  /**
   * Iterates over the questions of the execution, each one once, until it has ended. Questions that were answered elsewhere, or that a worker has
   * claimed, are skipped while they are. Leaving the loop has no effect on the execution.
   *
   * @example
   * for await (const q of run.questions()) await q.answer(prompt(q.prompt) ?? "");
   */
  questions(options: WaitOptions = {}): AsyncGenerator<Question, void, void> {
    return interruptible(this.#questions(validateOptions("run.questions", options, WAIT)));
  }

  async *#questions({ signal }: WaitOptions): AsyncGenerator<Question, void, void> {
    const yielded = new Set<string>();
    const feed = await this.#openFeed(signal);
    for (;;) {
      const progress = await this.#readProgressIfExists(NO_LINES, signal);
      const open = progress?.calls.find((call) => isUnclaimedQuestion(call, this.#engine.now()) && !yielded.has(call.callId));
      if (open !== undefined) {
        yielded.add(open.callId);
        yield new Question(this, open);
      } else if (progress === null || TERMINAL_STATUSES.has(progress.status)) {
        return;
      } else {
        await this.#waitForChange(feed, progress);
      }
    }
  }

  /** Iterates over the lines that the program prints, from the first one, until the execution has ended. */
  lines(options: WaitOptions = {}): AsyncGenerator<string, void, void> {
    return interruptible(this.#lines(validateOptions("run.lines", options, WAIT)));
  }

  async *#lines({ signal }: WaitOptions): AsyncGenerator<string, void, void> {
    const feed = await this.#openFeed(signal);
    for (let from = 0; ; ) {
      const progress = await this.#readProgressIfExists(from, signal);
      if (progress === null) return;
      yield* progress.lines;
      from = progress.next;
      if (progress.more) continue;
      if (TERMINAL_STATUSES.has(progress.status)) return;
      await this.#waitForChange(feed, progress);
    }
  }

  /**
   * Waits until the execution has ended and resolves to its result. Rejects with an {@link ExecutionError} if it failed or was cancelled. It does not
   * answer calls: a worker or another caller must do that.
   */
  async result(options: WaitOptions = {}): Promise<Json> {
    const { signal } = validateOptions("run.result", options, WAIT);
    const feed = await this.#openFeed(signal);
    for (;;) {
      const progress = await this.#readProgress(NO_LINES, signal);
      const { status, result, error } = progress;
      if (status === "complete") return result;
      if (TERMINAL_STATUSES.has(status)) throw new ExecutionError(this.id, status === "cancelled" ? "cancelled" : "error", error);
      await this.#waitForChange(feed, progress);
    }
  }

  /** Opens a feed of all changes that affect the progress. It must be ready before the progress is first read, or changes in between are missed. */
  async #openFeed(signal: AbortSignal | undefined): Promise<ChangeFeed<CvmChange>> {
    const feed = this.#createFeed(["execution", "call", "output"], signal);
    await feed.ready();
    return feed;
  }

  /** Waits until the progress may have changed. The end of a lease commits nothing, so claimed calls require regular reads. */
  async #waitForChange(feed: ChangeFeed<CvmChange>, progress: ExecutionProgress): Promise<void> {
    while (!(await feed.waitForChange())) {
      if (progress.calls.some((call) => isClaimed(call, this.#engine.now()))) return;
    }
  }

  #createFeed(things: ChangeSubject[] | undefined, signal: AbortSignal | undefined, from?: string): ChangeFeed<CvmChange> {
    const executions = [this.id];
    return new ChangeFeed((at, waitMs) => this.#engine.call("cvm.changes", { from: at, things, executions, waitMs }, signal), from);
  }

  async #readProgress(from: number, signal: AbortSignal | undefined): Promise<ExecutionProgress> {
    const progress = await this.#engine.call("cvm.glance", { id: this.id, from }, signal);
    this.#status = progress.status;
    return progress;
  }

  /** Like {@link Run.#readProgress}, but resolves to null if the execution was deleted. */
  async #readProgressIfExists(from: number, signal: AbortSignal | undefined): Promise<ExecutionProgress | null> {
    try {
      return await this.#readProgress(from, signal);
    } catch (error) {
      if (error instanceof RunstateError && error.code === "not_found") return null;
      throw error;
    }
  }

  #updateStatus({ status }: ExecutionStatus): Run {
    this.#status = status;
    return this;
  }
}

/** The public name of a method of {@link Run}. */
function publicMethodName(method: OperationName): string {
  return method.replace("cvm.", "run.");
}

/** Whether a call is a question without a valid claim. */
function isUnclaimedQuestion(call: OpenCall, now: number): boolean {
  return call.kind === "cc" && !isClaimed(call, now);
}

function isClaimed(call: OpenCall, now: number): boolean {
  return call.owner !== null && (call.leaseUntil ?? 0) > now;
}
