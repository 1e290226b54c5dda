// Elects the leader among the tabs that have a database open: the tab that holds a Web Lock. The browser releases the
// lock of a closed or killed tab.
//
// Browsers throttle hidden tabs, so a visible tab steals the lock from a hidden leader, which the browser notifies.
// Tabs report their visibility on a BroadcastChannel; a leader that does not answer is frozen and counts as hidden. A
// leader whose store keeps failing hands the lock over. Two leaders at the same time do no harm: all their work is
// commands with leases and revisions.

import { Visibility } from "./visibility.js";

/** How long to wait for the leader's reply that it is visible, in milliseconds. */
const ANSWER_TIMEOUT_MS = 300;

/** A message between tabs: the question for the leader's visibility, or the leader's reply. */
type TabMessage = "who" | "visible" | "hidden";

/** One tab's participation in the election. */
export class LeaderElection {
  readonly #name: string;
  readonly #visibility = new Visibility(() => this.#handleVisibilityChange());
  readonly #channel: BroadcastChannel | undefined;
  /** Aborts the pending lock request. */
  #lockRequest = new AbortController();
  /** Releases the lock; undefined while this tab does not lead. */
  #release: (() => void) | undefined;
  /** Runs until the leader answers. */
  #stealTimer: ReturnType<typeof setTimeout> | undefined;
  /** This tab handed the lock over, so it does not steal it back. */
  #handedOver = false;
  #stopped = false;

  constructor(
    database: string,
    private readonly onChange: (leads: boolean) => void,
  ) {
    this.#name = `runstate:${database}:driver`;
    this.#channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(this.#name);
    this.#channel?.addEventListener("message", ({ data }) => this.#handleMessage(data as TabMessage));
  }

  start(): void {
    this.#requestInLine();
    this.#visibility.start();
    this.#handleVisibilityChange();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#stealTimer);
    this.#visibility.stop();
    this.#lockRequest.abort();
    this.#release?.();
    this.#channel?.close();
  }

  /** Releases the lock if another tab waits for it, and queues behind that tab. */
  async handOver(): Promise<void> {
    const release = this.#release;
    if (release === undefined || !(await this.#hasWaiters()) || this.#stopped || this.#release !== release) return;
    this.#handedOver = true;
    this.#release = undefined;
    this.onChange(false);
    release();
    this.#requestInLine();
  }

  async #hasWaiters(): Promise<boolean> {
    if (typeof navigator === "undefined" || navigator.locks === undefined) return false;
    // A browser that denies locks here also rejects this query.
    const { pending = [] } = await navigator.locks.query().catch(() => ({ pending: [] }));
    return pending.some(({ name }) => name === this.#name);
  }

  get #leads(): boolean {
    return this.#release !== undefined;
  }

  /** Queues for the lock. */
  #requestInLine(): void {
    if (typeof navigator === "undefined" || navigator.locks === undefined) {
      // Without Web Locks every tab leads; several leaders do no harm.
      this.#becomeLeader();
      return;
    }
    this.#lockRequest = new AbortController();
    this.#request({ signal: this.#lockRequest.signal });
  }

  /** Takes the lock from its holder. */
  #steal(): void {
    if (this.#stopped || this.#leads || typeof navigator === "undefined" || navigator.locks === undefined) return;
    this.#lockRequest.abort();
    this.#request({ steal: true });
  }

  #request(options: LockOptions): void {
    // The release function of this request. When its lock is lost, another request of this tab may already hold the
    // lock.
    let requestRelease: (() => void) | undefined;
    const hold = () => this.#becomeLeader((release) => (requestRelease = release));
    navigator.locks.request(this.#name, options, hold).then(
      () => {},
      (error: unknown) => this.#handleLostLock(options, requestRelease, error),
    );
  }

  /** Leads until the lock is released. */
  #becomeLeader(onAcquired: (release: () => void) => void = () => {}): Promise<void> | undefined {
    if (this.#stopped) return undefined;
    return new Promise((release) => {
      this.#release = release;
      this.#handedOver = false;
      onAcquired(release);
      clearTimeout(this.#stealTimer);
      this.#post(this.#visibility.visible ? "visible" : "hidden");
      this.onChange(true);
    });
  }

  /** Handles a failed lock request: its lock was stolen, its wait was aborted, or the browser denies locks here. */
  #handleLostLock(options: LockOptions, requestRelease: (() => void) | undefined, error: unknown): void {
    // This tab aborted the request itself, or another request of this tab holds the lock.
    if (this.#stopped || options.signal?.aborted || (this.#leads && this.#release !== requestRelease)) return;
    if (requestRelease === undefined && (error as Error).name !== "AbortError") {
      // The browser would deny every further request at once. Several leaders do no harm.
      this.#becomeLeader();
      return;
    }
    if (requestRelease !== undefined) {
      this.#release = undefined;
      this.onChange(false);
    }
    this.#requestInLine();
  }

  #handleVisibilityChange(): void {
    if (this.#leads) {
      this.#post(this.#visibility.visible ? "visible" : "hidden");
    } else if (this.#visibility.visible) {
      // The cause of the failures may be gone since the tab was last visible.
      this.#handedOver = false;
      this.#queryLeader();
    }
  }

  /** Asks the leader whether it is visible, and takes over if it does not answer that it is. */
  #queryLeader(): void {
    if (this.#channel === undefined) return;
    this.#post("who");
    clearTimeout(this.#stealTimer);
    this.#stealTimer = setTimeout(() => this.#steal(), ANSWER_TIMEOUT_MS);
  }

  #handleMessage(message: TabMessage): void {
    if (message === "who") {
      if (this.#leads) this.#post(this.#visibility.visible ? "visible" : "hidden");
      return;
    }
    // The channel of another database may have the same name, so unknown messages are ignored.
    if (message !== "visible" && message !== "hidden") return;
    clearTimeout(this.#stealTimer);
    if (message === "hidden" && !this.#leads && !this.#handedOver && this.#visibility.visible) {
      // The random delay lets the first of several visible tabs take the lock and announce it before the others try.
      this.#stealTimer = setTimeout(() => this.#steal(), Math.random() * 100);
    }
  }

  #post(message: TabMessage): void {
    if (!this.#stopped) this.#channel?.postMessage(message);
  }
}
