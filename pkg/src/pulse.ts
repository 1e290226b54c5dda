// The beat by which what is due is done: when it says so, and at the latest after a second, since others write too.

import type { Cvm } from "./cvm.js";

/** The longest time between two looks, in milliseconds: so late is seen at the most what another process or tab commanded. */
const LOOK_MS = 1000;

/** After errors (the store is full, say) the looks become rarer, up to this, in milliseconds. */
const LONGEST_MS = 30_000;

/** Does what is due, while it is on. */
export class Pulse {
  #on = false;
  #busy = false;
  /** Something happened while it was busy. */
  #again = false;
  #failures = 0;
  /** When the store was last asked for what others commanded, in milliseconds of the host's own clock. */
  #asked = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly cvm: Cvm,
    private readonly now: () => number,
    /** Hears what failed, and how often it did in succession. */
    private readonly failed: (error: unknown, times: number) => void,
  ) {}

  start(): void {
    this.#on = true;
    this.#failures = 0;
    this.#asked = -Infinity;
    this.nudge();
  }

  stop(): void {
    this.#on = false;
    clearTimeout(this.#timer);
  }

  /** Looks soon: something may be due. */
  nudge(): void {
    if (!this.#on) return;
    this.#again = true;
    if (!this.#busy) this.#in(0, true);
  }

  #in(span: number, nudged: boolean): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#beat(nudged), span);
    // In Node: what is due can wait for the next process; this one may end.
    if (typeof this.#timer === "object") this.#timer.unref();
  }

  async #beat(nudged: boolean): Promise<void> {
    this.#busy = true;
    this.#again = false;
    const wait = await this.#look(nudged);
    this.#busy = false;
    if (this.#on) this.#in(this.#again ? 0 : wait, this.#again);
  }

  /** Does what is due; when to look again, in milliseconds. */
  async #look(nudged: boolean): Promise<number> {
    try {
      // A nudge is for a command of our own: the store need not be asked what others commanded, but for once in a while.
      const known = nudged && performance.now() < this.#asked + LOOK_MS;
      if (!known) this.#asked = performance.now();
      let due = await (known ? this.cvm.nextDueKnown() : this.cvm.nextDue());
      while (this.#on && due !== null && due <= this.now()) {
        const done = await this.cvm.runDue();
        if (!done.more && done.woken + done.deleted + done.swept === 0) {
          // It is due and cannot be done: others hold it, or it is damaged.
          due = null;
          break;
        }
        due = await this.cvm.nextDue();
      }
      this.#failures = 0;
      return due === null ? LOOK_MS : Math.min(Math.max(due - this.now(), 0), LOOK_MS);
    } catch (error) {
      this.#failures += 1;
      this.failed(error, this.#failures);
      return Math.min(LOOK_MS * 2 ** Math.min(this.#failures, 10), LONGEST_MS);
    }
  }
}
