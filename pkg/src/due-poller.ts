// Does due work at its time. It polls at least once a second, because other processes and tabs write too.

import type { DueOperations } from "./generated.js";

/** The longest time between two polls, in milliseconds: the longest delay until a command of another process or tab is
 * noticed. */
const POLL_MS = 1000;

/** The longest backoff after errors (a full store, for example), in milliseconds. */
const MAX_BACKOFF_MS = 30_000;

/** Does due work while it is started. */
export class DuePoller {
  #on = false;
  #busy = false;
  /** `nudge` was called during a poll. */
  #nudged = false;
  #failures = 0;
  /** The time of the last poll that read the store, in milliseconds of the host's own clock. */
  #lastPoll = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly operations: DueOperations,
    private readonly now: () => number,
    /** Receives each error and the number of successive errors. */
    private readonly onError: (error: unknown, times: number) => void,
  ) {}

  start(): void {
    this.#on = true;
    this.#failures = 0;
    this.#lastPoll = -Infinity;
    this.nudge();
  }

  stop(): void {
    this.#on = false;
    clearTimeout(this.#timer);
  }

  /** Polls as soon as possible: work may be due. */
  nudge(): void {
    if (!this.#on) return;
    this.#nudged = true;
    if (!this.#busy) this.#schedule(0, true);
  }

  #schedule(span: number, nudged: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#poll(nudged), span);
    // In Node the timer must not keep the process alive: due work can wait for the next process.
    if (typeof this.#timer === "object") this.#timer.unref();
  }

  async #poll(nudged: boolean): Promise<void> {
    this.#busy = true;
    this.#nudged = false;
    const wait = await this.#runDue(nudged);
    this.#busy = false;
    if (this.#on) this.#schedule(this.#nudged ? 0 : wait, this.#nudged);
  }

  /** Does due work. Returns the time until the next poll, in milliseconds. */
  async #runDue(nudged: boolean): Promise<number> {
    try {
      // A nudge follows a command of this process, which the cache knows. Commands of others require a read of the
      // store once per POLL_MS.
      const useCache = nudged && performance.now() < this.#lastPoll + POLL_MS;
      if (!useCache) this.#lastPoll = performance.now();
      let due = await this.operations.next({ known: useCache });
      while (this.#on && due !== null && due <= this.now()) {
        const done = await this.operations.run();
        if (!done.more && done.resumed + done.deleted + done.swept === 0) {
          // The due work cannot be done: others have claimed it, or it is damaged.
          due = null;
          break;
        }
        due = await this.operations.next();
      }
      this.#failures = 0;
      return due === null ? POLL_MS : Math.min(Math.max(due - this.now(), 0), POLL_MS);
    } catch (error) {
      this.#failures += 1;
      this.onError(error, this.#failures);
      return Math.min(POLL_MS * 2 ** Math.min(this.#failures, 10), MAX_BACKOFF_MS);
    }
  }
}
