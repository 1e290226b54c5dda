// Waits for changes of executions: `result()`, `questions()`, `lines()` and `apps.wait()`. All waits of a store share one
// reader of its change feed, those for executions of apps another one. With a reader for each wait, every commit would
// cost as many reads as executions are awaited.

import { untilAborted } from "./abort.js";
import type { ChangeSubject } from "./changes.js";
import { type ChangeFeed, WAIT_MS } from "./feed.js";

/** A change of an execution, or of a document that is part of one. */
export interface ExecutionChange {
  readonly executionId: string | undefined;
  /** The kind and the id of the document. */
  readonly kind?: ChangeSubject;
  readonly id?: string;
}

/** The most changed calls that a watch remembers. After more, any may have changed. */
const MAX_CALLS = 10_000;

/** The end of a wait: a change, a second without one, or {@link Watch.close}. */
export type WaitResult = "changed" | "unchanged" | "closed";

/** Reads the changes of a store while there are waits, and hands each to the watches of its execution. */
export class ExecutionFollower {
  readonly #openFeed: () => ChangeFeed<ExecutionChange>;
  /** The open watches by execution; undefined: of all. */
  readonly #watches = new Map<string | undefined, Set<Watch>>();
  readonly #waiting = new Set<Watch>();
  #feed: ChangeFeed<ExecutionChange> | undefined;
  #isReading = false;

  constructor(openFeed: () => ChangeFeed<ExecutionChange>) {
    this.#openFeed = openFeed;
  }

  /** Creates a watch of an execution, or of all. It is open after {@link Watch.open}. */
  watch(execution: string | undefined, signal: AbortSignal | undefined): Watch {
    return new Watch(this, execution, signal);
  }

  /** Adds a watch. When this resolves, the watch gets every change that is committed afterwards. */
  async add(watch: Watch): Promise<void> {
    // Changes since the last read are of no use to the first watch.
    if (this.#watches.size === 0 && !this.#isReading) this.#feed = undefined;
    const watches = this.#watches.get(watch.execution) ?? new Set();
    this.#watches.set(watch.execution, watches.add(watch));
    const isNew = this.#feed === undefined;
    const feed = (this.#feed ??= this.#openFeed());
    await feed.ready().catch((error: unknown) => {
      if (this.#feed === feed) this.#feed = undefined;
      throw error;
    });
    if (!isNew) return;
    // The feed before it has failed, and may have missed changes of the others.
    for (const others of this.#watches.values()) for (const other of others) if (other !== watch) this.#end(other, "changed", null);
  }

  remove(watch: Watch): void {
    const watches = this.#watches.get(watch.execution);
    watches?.delete(watch);
    if (watches?.size === 0) this.#watches.delete(watch.execution);
    this.#waiting.delete(watch);
  }

  /** Reads changes until `watch` no longer waits. */
  read(watch: Watch): void {
    this.#waiting.add(watch);
    if (!this.#isReading) void this.#read();
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    let lastTick = performance.now();
    try {
      while (this.#waiting.size > 0) {
        const changes = await this.#readPage();
        const watches = changes === null ? this.#watches.values() : this.#watchesOf(changes);
        for (const ofExecution of watches) for (const watch of ofExecution) this.#end(watch, "changed", changes);
        // A store that is never quiet must not keep others from their regular reads.
        if (changes?.length === 0 || performance.now() - lastTick >= WAIT_MS) {
          lastTick = performance.now();
          for (const watch of this.#waiting) this.#end(watch, "unchanged", []);
        }
      }
    } catch (error) {
      this.#feed = undefined;
      const failed = [...this.#waiting];
      this.#waiting.clear();
      for (const watch of failed) watch.fail(error);
    } finally {
      this.#isReading = false;
    }
  }

  /** Reads the next changes. Null: any execution may have changed, because changes were not read. */
  async #readPage(): Promise<ExecutionChange[] | null> {
    if (this.#feed !== undefined) return this.#feed.nextUnlessExpired();
    this.#feed = this.#openFeed();
    await this.#feed.ready();
    return null;
  }

  *#watchesOf(changes: ExecutionChange[]): Generator<Set<Watch>> {
    const executions = new Set(changes.map(({ executionId }) => executionId));
    if (changes.length > 0) executions.add(undefined);
    for (const execution of executions) {
      const watches = this.#watches.get(execution);
      if (watches !== undefined) yield watches;
    }
  }

  #end(watch: Watch, result: WaitResult, changes: readonly ExecutionChange[] | null): void {
    this.#waiting.delete(watch);
    watch.end(result, changes);
  }
}

/** Waits for changes of one execution, or of all. One wait at a time. */
export class Watch {
  /** Whether there was a change since the last wait. */
  #changed = false;
  /** Of a watch of all executions: the calls that have changed, with their executions if known; null: any. */
  #calls: Map<string, string | undefined> | null = new Map();
  /** Calls that wait for their execution, by its id. */
  readonly #early = new Map<string, string[]>();
  /** The executions that have changed since calls were taken: a call may have been read before. */
  #executions = new Set<string>();
  #closed = false;
  #settle: { resolve: (result: WaitResult) => void; reject: (error: unknown) => void } | undefined;

  constructor(
    private readonly follower: ExecutionFollower,
    readonly execution: string | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Begins to follow the execution. It must be open before the progress is first read, or changes in between are
   * missed. */
  async open(): Promise<void> {
    this.signal?.throwIfAborted();
    await untilAborted(this.follower.add(this), this.signal);
  }

  /** Waits for a change since the last wait, for about a second. */
  wait(): Promise<WaitResult> {
    if (this.#closed) return Promise.resolve("closed");
    if (this.#changed) {
      this.#changed = false;
      return Promise.resolve("changed");
    }
    const wait = new Promise<WaitResult>((resolve, reject) => (this.#settle = { resolve, reject }));
    this.follower.read(this);
    return untilAborted(wait, this.signal);
  }

  /** Waits for a change since the last wait, however long. Returns early if the watch is closed. */
  async change(): Promise<void> {
    while ((await this.wait()) === "unchanged");
  }

  /** Takes the ids of the calls that have changed since the last time, with their executions if known; null: any call
   * may have. Only a watch of all executions knows them. */
  takeCalls(): ReadonlyMap<string, string | undefined> | null {
    const calls = this.#calls;
    this.#calls = new Map();
    this.#executions = new Set();
    return calls;
  }

  /** Has a call count as changed again with the next change of its execution: an import writes the call before. */
  awaitExecution(call: string, execution: string | undefined): void {
    if (execution === undefined) return;
    if (this.#executions.has(execution)) {
      this.#calls?.set(call, execution);
      this.#changed = true;
    } else this.#early.set(execution, [...(this.#early.get(execution) ?? []), call]);
  }

  /** Ends the watch, and its wait. */
  close(): void {
    this.#closed = true;
    this.follower.remove(this);
    this.end("closed", []);
  }

  /** @internal Ends the wait. A change without a wait ends the next one. Null: anything may have changed. */
  end(result: WaitResult, changes: readonly ExecutionChange[] | null): void {
    if (this.execution === undefined) this.#collect(changes);
    if (this.#settle === undefined) this.#changed ||= result === "changed";
    else this.#settle.resolve(result);
    this.#settle = undefined;
  }

  #collect(changes: readonly ExecutionChange[] | null): void {
    for (const { kind, id, executionId } of changes ?? []) {
      if (kind === "call" && id !== undefined) this.#calls?.set(id, executionId);
      if (kind !== "execution" || executionId === undefined) continue;
      this.#executions.add(executionId);
      for (const call of this.#early.get(executionId) ?? []) this.#calls?.set(call, undefined);
      this.#early.delete(executionId);
    }
    if (changes === null || (this.#calls?.size ?? 0) > MAX_CALLS) this.#calls = null;
    if (this.#executions.size > MAX_CALLS) this.#calls = null;
  }

  /** @internal */
  fail(error: unknown): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}
