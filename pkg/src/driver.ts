// The driver of due work: timers, deadlines, executions of dead processes. Over IndexedDB one of the tabs that have
// the database open is the driver; tabs/leader-election.ts chooses it. Over files and memory every process is one:
// work that two of them do at the same time takes effect once.

import { RunstateError } from "./errors.js";
import type { DueOperations } from "./generated.js";
import { LeaderElection } from "./tabs/leader-election.js";
import { DuePoller } from "./due-poller.js";

/** `leading`: this driver does due work. `standby`: the driver of another tab does. `off`: this driver does none. */
export type DriverState = "leading" | "standby" | "off";

/** Errors after which this driver stops for good. */
const FATAL_CODES: ReadonlySet<string> = new Set(["closed", "internal", "read_only", "newer_version"]);

/** The number of successive errors after which another tab takes over, if there is one. */
const MAX_FAILURES = 3;

/** The scheme of an IndexedDB URL; the rest is the name of the database. */
const INDEXED_DB = "indexeddb:";

/**
 * Does due work such as timers and deadlines. The event `change` reports a new {@link Driver.state}. The event `error`
 * reports a failure as its `detail`; the driver retries by itself.
 */
export class Driver extends EventTarget {
  readonly #poller: DuePoller;
  readonly #election: LeaderElection | undefined;
  #state: DriverState = "off";

  /** @internal */
  constructor(operations: DueOperations, url: string, now: () => number, timers: "auto" | "off") {
    super();
    this.#poller = new DuePoller(operations, now, (error, times) => this.#handleError(error, times));
    if (timers === "off") return;
    if (url.startsWith(INDEXED_DB)) {
      this.#election = new LeaderElection(url.slice(INDEXED_DB.length), (leads) => this.#setState(leads ? "leading" : "standby"));
      this.#state = "standby";
      this.#election.start();
    } else {
      this.#setState("leading");
    }
  }

  /** Whether this driver does due work. */
  get state(): DriverState {
    return this.#state;
  }

  /** @internal Polls now: work may be due earlier than the driver knows. */
  nudge(): void {
    this.#poller.nudge();
  }

  /** @internal Stops the driver, so that another tab takes over. */
  stop(): void {
    this.#setState("off");
    this.#election?.stop();
  }

  #setState(state: DriverState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state === "leading") this.#poller.start();
    else this.#poller.stop();
    this.dispatchEvent(new Event("change"));
  }

  #handleError(error: unknown, times: number): void {
    // This driver can do nothing with a store that is closed, failed or read-only to this version: another tab must
    // lead.
    if (error instanceof RunstateError && FATAL_CODES.has(error.code)) this.stop();
    else if (times >= MAX_FAILURES) void this.#election?.handOver();
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }
}
