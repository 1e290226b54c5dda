// Who drives what comes by time: timers, deadlines, what dead processes left. Over IndexedDB that is one tab of all that have the database
// open (tabs/lead.ts chooses it); over files and memory it is every process, since what two of them do at once is done once.

import type { Cvm } from "./cvm.js";
import { RunstateError } from "./errors.js";
import { Lead } from "./tabs/lead.js";
import { Pulse } from "./pulse.js";

/** `leading`: this one drives. `standby`: another tab does. `off`: nobody does here. */
export type DriverState = "leading" | "standby" | "off";

/** Errors after which this one drives nothing any more. */
const FINAL: ReadonlySet<string> = new Set(["closed", "internal", "read_only", "newer_version"]);

/** After so many errors in succession another tab is to try, where there is one. */
const PATIENCE = 3;

/** Begins an IndexedDB URL; the rest is the name of the database. */
const INDEXED_DB = "indexeddb:";

/**
 * Drives timers and deadlines. It tells of a new {@link Driver.state} by the event `change`, of what fails by the event `error`, whose
 * `detail` is the error; it goes on by itself.
 */
export class Driver extends EventTarget {
  readonly #pulse: Pulse;
  readonly #lead: Lead | undefined;
  #state: DriverState = "off";

  /** @internal */
  constructor(cvm: Cvm, url: string, now: () => number, timers: "auto" | "off") {
    super();
    this.#pulse = new Pulse(cvm, now, (error, times) => this.#failed(error, times));
    if (timers === "off") return;
    if (url.startsWith(INDEXED_DB)) {
      this.#lead = new Lead(url.slice(INDEXED_DB.length), (leads) => this.#become(leads ? "leading" : "standby"));
      this.#state = "standby";
      this.#lead.start();
    } else {
      this.#become("leading");
    }
  }

  /** Who drives. */
  get state(): DriverState {
    return this.#state;
  }

  /** @internal Something may be due sooner than was known. */
  nudge(): void {
    this.#pulse.nudge();
  }

  /** @internal Ends it, and lets another tab take over. */
  stop(): void {
    this.#become("off");
    this.#lead?.stop();
  }

  #become(state: DriverState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state === "leading") this.#pulse.start();
    else this.#pulse.stop();
    this.dispatchEvent(new Event("change"));
  }

  #failed(error: unknown, times: number): void {
    // Nothing will be driven through a store that is closed or dead, or that only another version may write: another tab is to lead.
    if (error instanceof RunstateError && FINAL.has(error.code)) this.stop();
    else if (times >= PATIENCE) void this.#lead?.pass();
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }
}
