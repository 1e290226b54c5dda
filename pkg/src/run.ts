// A handle on one execution: what is done to it, and what comes of it. It holds nothing but the id and what was last heard.

import type { Engine } from "./engine.js";
import { ExecutionError, RunstateError } from "./errors.js";
import { Feed, each } from "./feed.js";
import { type Shape, count, flag, given, index, options as checked, text } from "./given.js";
import type { Json, PlainOf } from "./json.js";
import { COMMAND, type CommandOptions, LIMIT, THINGS, WAIT, type WaitOptions } from "./options.js";
import { plain } from "./plain.js";
import { Question } from "./question.js";
import { leavable } from "./stream.js";
import type { CvmChange, Execution, FrameView, LogPage, Method, OpenCall, Reached, Seen, Status, Thing, VersionView } from "./wire.js";

/** Of which call an answer is, where several may be open, and by whom. */
export interface AnswerOptions extends CommandOptions {
  /** The id of the call; without it and `key` the one that is open. */
  call?: string;
  /** The key of the call (`CC(prompt, { key })`), asked already or not: an answer that comes first is kept. */
  key?: string;
  /** The how-manyth call of the execution under that key, from 1. */
  occurrence?: number;
  /** Who answers, for the record. */
  by?: string;
}

/** What is shown of an execution. */
export interface ShowOptions extends WaitOptions {
  /** Whether its state is hashed, which walks the whole heap; so it is unless this is `false`. */
  hash?: boolean;
  /** Whether it is shown where its machine is: instruction, stack, calls and the values of variables, which reads the heap. As `hash`. */
  machine?: boolean;
  /** Whether everything is shown that the variables hold, and not only as much as a person reads. */
  full?: boolean;
}

/** Which variables of an execution are shown. */
export interface VariablesOptions extends WaitOptions {
  /** Only variables of this name, and calls that have one. */
  name?: string;
  /** Whether everything is shown that they hold, and not only as much as a person reads. */
  full?: boolean;
}

const SHOW: Shape<ShowOptions> = { hash: flag, machine: flag, full: flag, ...WAIT };
const VARIABLES: Shape<VariablesOptions> = { name: text, full: flag, ...WAIT };
const ANSWER: Shape<AnswerOptions> = { call: text, key: text, occurrence: count, by: text, ...COMMAND };

/** The calls that say where an execution stands afterwards, and need no more than its id. */
type Step = Extract<Method, `cvm.${"next" | "pause" | "unpause" | "cancel" | "retry"}`>;

/** The statuses in which nothing more comes by itself. */
const ENDED: ReadonlySet<Status> = new Set<Status>(["complete", "error", "cancelled"]);

/** Beyond every line: a look that asks for none. */
const NO_LINES = Number.MAX_SAFE_INTEGER;

/** An execution. */
export class Run {
  readonly #engine: Engine;
  #status: Status;
  /** Its id. */
  readonly id: string;

  /** @internal */
  constructor(engine: Engine, reached: Reached) {
    this.#engine = engine;
    this.id = reached.id;
    this.#status = reached.status;
  }

  /** What it is doing, as last heard; {@link Run.refresh} asks. */
  get status(): Status {
    return this.#status;
  }

  /** Whether it has come to its end, as last heard. */
  get ended(): boolean {
    return ENDED.has(this.#status);
  }

  /** Asks how it stands. */
  async refresh(options: WaitOptions = {}): Promise<Run> {
    await this.#glance(NO_LINES, checked("run.refresh", options, WAIT).signal);
    return this;
  }

  /** Answers a call and runs on to the next stop. */
  async answer<A>(value: A & PlainOf<A>, options: AnswerOptions = {}): Promise<Run> {
    const answer = plain(value, "answer", "invalid_answer");
    return this.#reached(await this.#engine.ask("cvm.answer", { id: this.id, answer }, options, ANSWER, "run.answer"));
  }

  /** Runs on what was left running (by a process that died, say) to its next stop. */
  next(options: CommandOptions = {}): Promise<Run> {
    return this.#step("cvm.next", options);
  }

  /** Lets it rest; answers that come meanwhile are kept. */
  pause(options: CommandOptions = {}): Promise<Run> {
    return this.#step("cvm.pause", options);
  }

  /** Lets it go on after a rest. */
  unpause(options: CommandOptions = {}): Promise<Run> {
    return this.#step("cvm.unpause", options);
  }

  /** Ends it for good. */
  cancel(options: CommandOptions = {}): Promise<Run> {
    return this.#step("cvm.cancel", options);
  }

  /** Lets it go on at the failing instruction, where it failed. */
  retry(options: CommandOptions = {}): Promise<Run> {
    return this.#step("cvm.retry", options);
  }

  async #step(method: Step, options: CommandOptions): Promise<Run> {
    return this.#reached(await this.#engine.ask(method, { id: this.id }, options, COMMAND, named(method)));
  }

  /** Removes it with everything that belongs to it, where it has ended. */
  async delete(options: CommandOptions = {}): Promise<void> {
    await this.#engine.ask("cvm.delete", { id: this.id }, options, COMMAND, "run.delete");
  }

  /**
   * All of it, as of one moment. `hash: false` leaves out its `stateHash` and its `machine`, which read the whole heap; the rest is told without
   * reading it.
   */
  async show(options: ShowOptions = {}): Promise<Execution> {
    const view = await this.#engine.ask("cvm.show", { id: this.id }, options, SHOW, "run.show");
    this.#status = view.status;
    return view;
  }

  /**
   * Its variables, also where it has ended or failed: the calls that have begun, the innermost first, each with its variables. `value` is tagged
   * JSON (`{"$undefined":true}`, `{"$map":[…]}`, …), `text` what Node's `util.inspect` writes.
   *
   * @example
   * const [{ variables }] = await run.variables({ name: "total" });
   */
  variables(options: VariablesOptions = {}): Promise<FrameView[]> {
    return this.#engine.ask("cvm.variables", { id: this.id }, options, VARIABLES, "run.variables");
  }

  /** The version of its program that it runs, with its source. */
  program(options: WaitOptions = {}): Promise<VersionView> {
    return this.#engine.ask("cvm.versionOf", { id: this.id }, options, WAIT, "run.program");
  }

  /** All lines it has printed so far. */
  output(options: WaitOptions = {}): Promise<string[]> {
    return this.#engine.ask("cvm.output", { id: this.id }, options, WAIT, "run.output");
  }

  /**
   * What it printed since the look that said `from` (its `next`; 0: from the beginning), some megabytes at the most (`more`: look again), and
   * what it asks: cheap, however large it is.
   */
  async glance(from = 0, options: WaitOptions = {}): Promise<Seen> {
    return this.#glance(given("the line from which is looked", from, index), checked("run.glance", options, WAIT).signal);
  }

  /** What was logged, from the row after `after` on. */
  logs(options: { after?: string; limit?: number } & WaitOptions = {}): Promise<LogPage> {
    return this.#engine.ask("cvm.logs", { id: this.id }, options, { after: text, ...LIMIT }, "run.logs");
  }

  /** What is committed about it from now on, or after the position `from`; it goes on until you leave the loop. */
  changes(options: { things?: Thing[]; from?: string } & WaitOptions = {}): AsyncIterable<CvmChange> {
    const { things, from, signal } = checked("run.changes", options, { things: THINGS, from: text, ...WAIT });
    return each(this.#feed(things, signal, from));
  }

  /**
   * The questions that it asks, each one once, as it asks them, until it has ended. Questions that somebody else answers first, or that a
   * worker has claimed, are left out as long as they are; leaving the loop changes nothing.
   *
   * @example
   * for await (const q of run.questions()) await q.answer(prompt(q.prompt) ?? "");
   */
  questions(options: WaitOptions = {}): AsyncGenerator<Question, void, void> {
    return leavable(this.#questions(checked("run.questions", options, WAIT)));
  }

  async *#questions({ signal }: WaitOptions): AsyncGenerator<Question, void, void> {
    const asked = new Set<string>();
    const feed = await this.#begun(signal);
    for (;;) {
      const seen = await this.#look(NO_LINES, signal);
      const open = seen?.calls.find((call) => isFree(call, this.#engine.now()) && !asked.has(call.callId));
      if (open !== undefined) {
        asked.add(open.callId);
        yield new Question(this, open);
      } else if (seen === null || ENDED.has(seen.status)) {
        return;
      } else {
        await this.#stirred(feed, seen);
      }
    }
  }

  /** The lines that it prints, those it has printed already first, until it has ended. */
  lines(options: WaitOptions = {}): AsyncGenerator<string, void, void> {
    return leavable(this.#lines(checked("run.lines", options, WAIT)));
  }

  async *#lines({ signal }: WaitOptions): AsyncGenerator<string, void, void> {
    const feed = await this.#begun(signal);
    for (let from = 0; ; ) {
      const seen = await this.#look(from, signal);
      if (seen === null) return;
      yield* seen.lines;
      from = seen.next;
      if (seen.more) continue;
      if (ENDED.has(seen.status)) return;
      await this.#stirred(feed, seen);
    }
  }

  /**
   * Waits for its end; its result. Rejects with an {@link ExecutionError} where it failed or was cancelled. Somebody has to answer what it
   * asks meanwhile.
   */
  async result(options: WaitOptions = {}): Promise<Json> {
    const { signal } = checked("run.result", options, WAIT);
    const feed = await this.#begun(signal);
    for (;;) {
      const seen = await this.#glance(NO_LINES, signal);
      const { status, result, error } = seen;
      if (status === "complete") return result;
      if (ENDED.has(status)) throw new ExecutionError(this.id, status === "cancelled" ? "cancelled" : "error", error);
      await this.#stirred(feed, seen);
    }
  }

  /** A feed of all that shows at a glance. Begun before the first glance: what happens in between comes again. */
  async #begun(signal: AbortSignal | undefined): Promise<Feed<CvmChange>> {
    const feed = this.#feed(["execution", "call", "output"], signal);
    await feed.begun();
    return feed;
  }

  /** Waits until something has happened, or may have: a lease ends without a word. */
  async #stirred(feed: Feed<CvmChange>, seen: Seen): Promise<void> {
    while (!(await feed.stirred())) {
      if (seen.calls.some((call) => isHeld(call, this.#engine.now()))) return;
    }
  }

  #feed(things: Thing[] | undefined, signal: AbortSignal | undefined, from?: string): Feed<CvmChange> {
    const executions = [this.id];
    return new Feed((at, waitMs) => this.#engine.call("cvm.changes", { from: at, things, executions, waitMs }, signal), from);
  }

  async #glance(from: number, signal: AbortSignal | undefined): Promise<Seen> {
    const seen = await this.#engine.call("cvm.glance", { id: this.id, from }, signal);
    this.#status = seen.status;
    return seen;
  }

  /** As {@link Run.#glance}; null: it is gone. */
  async #look(from: number, signal: AbortSignal | undefined): Promise<Seen | null> {
    try {
      return await this.#glance(from, signal);
    } catch (error) {
      if (error instanceof RunstateError && error.code === "not_found") return null;
      throw error;
    }
  }

  #reached({ status }: Reached): Run {
    this.#status = status;
    return this;
  }
}

/** A method of {@link Run} as callers know it. */
function named(method: Method): string {
  return method.replace("cvm.", "run.");
}

/** Whether a call is a question that nobody has claimed. */
function isFree(call: OpenCall, now: number): boolean {
  return call.kind === "cc" && !isHeld(call, now);
}

function isHeld(call: OpenCall, now: number): boolean {
  return call.owner !== null && (call.leaseUntil ?? 0) > now;
}
