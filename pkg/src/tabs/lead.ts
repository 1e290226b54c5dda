// Which of the tabs that have a database open leads: the one that holds a Web Lock. A tab that is closed or killed frees it by itself.
//
// Browsers throttle what is hidden, so a visible tab takes the lead from a hidden one: it steals the lock, and the one that held it is
// told. Whether the holder is visible is told on a channel; one that does not answer is frozen, and counts as hidden. A holder that can do
// nothing passes the lock on. Two that lead for a moment do no harm: everything they do is commands with leases and revisions.

import { Visibility } from "./visibility.js";

/** How long a holder may take to say that it is visible, in milliseconds. */
const ANSWER_MS = 300;

/** What tabs tell each other. */
type Said = "who" | "visible" | "hidden";

/** One tab's part in the choice. */
export class Lead {
  readonly #name: string;
  readonly #visibility = new Visibility(() => this.#turned());
  readonly #channel: BroadcastChannel | undefined;
  /** Ends the waiting for the lock. */
  #waiting = new AbortController();
  /** Lets the lock go. */
  #release: (() => void) | undefined;
  /** Runs while the holder has not answered. */
  #patience: ReturnType<typeof setTimeout> | undefined;
  /** It could do nothing as the holder, and takes the lock from nobody now. */
  #passed = false;
  #stopped = false;

  constructor(
    database: string,
    private readonly changed: (leads: boolean) => void,
  ) {
    this.#name = `runstate:${database}:driver`;
    this.#channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(this.#name);
    this.#channel?.addEventListener("message", ({ data }) => this.#heard(data as Said));
  }

  start(): void {
    this.#queue();
    this.#visibility.start();
    this.#turned();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#patience);
    this.#visibility.stop();
    this.#waiting.abort();
    this.#release?.();
    this.#channel?.close();
  }

  /** Lets the lock go where another tab waits for it, and waits in line behind that one. */
  async pass(): Promise<void> {
    const release = this.#release;
    if (release === undefined || !(await this.#isAwaited()) || this.#stopped || this.#release !== release) return;
    this.#passed = true;
    this.#release = undefined;
    this.changed(false);
    release();
    this.#queue();
  }

  async #isAwaited(): Promise<boolean> {
    if (typeof navigator === "undefined" || navigator.locks === undefined) return false;
    // A browser that refuses locks here says nothing of them either.
    const { pending = [] } = await navigator.locks.query().catch(() => ({ pending: [] }));
    return pending.some(({ name }) => name === this.#name);
  }

  get #leads(): boolean {
    return this.#release !== undefined;
  }

  /** Waits in line for the lock. */
  #queue(): void {
    if (typeof navigator === "undefined" || navigator.locks === undefined) {
      // Nothing chooses here; two that lead do no harm.
      this.#hold();
      return;
    }
    this.#waiting = new AbortController();
    this.#request({ signal: this.#waiting.signal });
  }

  /** Takes the lock from whoever holds it. */
  #steal(): void {
    if (this.#stopped || this.#leads || typeof navigator === "undefined" || navigator.locks === undefined) return;
    this.#waiting.abort();
    this.#request({ steal: true });
  }

  #request(options: LockOptions): void {
    // What this very request holds: a lock that it lost must not be taken for one that another request has won since.
    let held: (() => void) | undefined;
    const hold = () => this.#hold((release) => (held = release));
    navigator.locks.request(this.#name, options, hold).then(
      () => {},
      (error: unknown) => this.#lost(options, held, error),
    );
  }

  /** Leads until it is told to let go. */
  #hold(held: (release: () => void) => void = () => {}): Promise<void> | undefined {
    if (this.#stopped) return undefined;
    return new Promise((release) => {
      this.#release = release;
      this.#passed = false;
      held(release);
      clearTimeout(this.#patience);
      this.#say(this.#visibility.visible ? "visible" : "hidden");
      this.changed(true);
    });
  }

  /** The lock that a request held was stolen, or the waiting for it was ended, or the browser refuses locks here. */
  #lost(options: LockOptions, held: (() => void) | undefined, error: unknown): void {
    // Ended by this tab itself, or won by another request of it.
    if (this.#stopped || options.signal?.aborted || (this.#leads && this.#release !== held)) return;
    if (held === undefined && (error as Error).name !== "AbortError") {
      // Asked again it would be refused again, at once and for ever. Two that lead do no harm.
      this.#hold();
      return;
    }
    if (held !== undefined) {
      this.#release = undefined;
      this.changed(false);
    }
    this.#queue();
  }

  /** This tab was shown or hidden. */
  #turned(): void {
    if (this.#leads) {
      this.#say(this.#visibility.visible ? "visible" : "hidden");
    } else if (this.#visibility.visible) {
      // Much may have changed since it was seen last.
      this.#passed = false;
      this.#ask();
    }
  }

  /** Asks the holder whether it is visible; takes over where it does not say so. */
  #ask(): void {
    if (this.#channel === undefined) return;
    this.#say("who");
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#steal(), ANSWER_MS);
  }

  #heard(said: Said): void {
    if (said === "who") {
      if (this.#leads) this.#say(this.#visibility.visible ? "visible" : "hidden");
      return;
    }
    // A database may be called so that what its tabs tell each other comes here too.
    if (said !== "visible" && said !== "hidden") return;
    clearTimeout(this.#patience);
    if (said === "hidden" && !this.#leads && !this.#passed && this.#visibility.visible) {
      // Of several visible tabs the first takes it, and says so before the others do.
      this.#patience = setTimeout(() => this.#steal(), Math.random() * 100);
    }
  }

  #say(said: Said): void {
    if (!this.#stopped) this.#channel?.postMessage(said);
  }
}
