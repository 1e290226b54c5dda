// The exports of `runstate/testing`: simulated worlds for tests of programs, with their own clock, seed and faults.

import * as glue from "../build/runstate_testing.js";
import { usageError } from "./errors.js";
import { Instance, type Glue, type RawRunstate, type WasmModule } from "./instance.js";
import { type OptionValidators, positiveInteger, validate, timestamp, required, oneOf, validateOptions, fractionalDuration, integerBetween } from "./validation.js";
import { type Host, type OpenOptions, createRunstate, encodeOpenOptions } from "./open.js";
import type { Runstate } from "./runstate.js";
import { NODE_WASM } from "./wasm.js";

export * from "./index.js";

/** The exports of the glue of the WebAssembly for Node. The glue for pages has no `World`. */
interface TestingGlue extends Glue {
  World: new (now: number, seed: number) => RawWorld;
}

interface RawWorld {
  readonly now: number;
  setNow(now: number): void;
  open(url: string, options: string): Promise<RawRunstate>;
  fail(planned: string): void;
  heal(): void;
  calls(on: string): number;
  defect(message: string): Promise<void>;
}

/** Options of {@link simulated}. */
export interface WorldOptions {
  /** The initial time of the clock, in milliseconds since 1970. Default: 2024-01-20T10:00:00Z. */
  now?: number;
  /** The seed of generated ids: worlds with the same seed generate the same ids. Worlds that share a store need
   * different seeds. Default: 0. */
  seed?: number;
}

/** A method of the store. Commands use `commit`; queries use `get`, `query` and `aggregate`. */
export type StoreMethod = "get" | "query" | "aggregate" | "commit" | "outcome" | "changes";

/** A planned fault. */
export interface Fault {
  /** The store method that fails. */
  on: StoreMethod;
  /** The number of the failing call of this method, counted from 1 from now on. Default: the next call. */
  nth?: number;
  /**
   * `unavailable`: the store cannot be reached. `full`: the store has no space left. `lost`: the store executes the
   * call, but its reply is lost. `dies_before`, `dies_after`: the process dies before or after the store executes the
   * call; every call is rejected until {@link World.heal}.
   */
  fault: "unavailable" | "full" | "lost" | "dies_before" | "dies_after";
}

const WORLD: OptionValidators<WorldOptions> = { now: timestamp, seed: integerBetween(0, 2 ** 32 - 1) };
const FAULT: OptionValidators<Fault> = {
  on: required(oneOf<StoreMethod>({ get: true, query: true, aggregate: true, commit: true, outcome: true, changes: true })),
  nth: positiveInteger,
  fault: required(oneOf<Fault["fault"]>({ unavailable: true, full: true, lost: true, dies_before: true, dies_after: true })),
};

const DEFAULT_NOW = Date.UTC(2024, 0, 20, 10);

/** The maximum number of rounds of due work at one time. Work that is repeatedly due at the same time would otherwise
 * never end. */
const MAX_ROUNDS = 1000;

/**
 * A simulated world whose clock changes only when the test advances it. Only {@link World.advance} runs timers, unless
 * a store is opened with `timers: "auto"`. Waits of less than a second between retries pass without advancing the
 * clock.
 *
 * @example
 * const world = await simulated({ now: Date.UTC(2026, 0, 1) });
 * const rs = await world.open("memory:");
 * await rs.load({ name: "nap", source: `sleep(7 * 86_400_000); console.log("rested")` });
 * const run = await rs.start("nap");
 * await world.advance(7 * 86_400_000);
 * console.log(await run.output()); // ["rested"]
 */
export class World {
  readonly #host: Host;
  readonly #raw: RawWorld;
  readonly #open = new Set<Runstate>();

  /** @internal */
  constructor(host: Host, raw: RawWorld) {
    this.#host = { ...host, now: () => raw.now };
    this.#raw = raw;
  }

  /** The current time of the world, in milliseconds since 1970. */
  get now(): number {
    return this.#raw.now;
  }

  /** Opens a store in this world. */
  async open(url: string, options: OpenOptions = {}): Promise<Runstate> {
    const json = encodeOpenOptions(url, options);
    const raw = await this.#host.instance.run(() => this.#raw.open(url, json));
    const store = createRunstate(this.#host, raw, url, { timers: "off", ...options });
    this.#open.add(store);
    return store;
  }

  /** Advances the clock by a number of milliseconds and does all work that becomes due, in the order of its
   * due times. */
  async advance(ms: number): Promise<void> {
    return this.advanceTo(this.now + validate("world.advance: `ms`", ms, fractionalDuration));
  }

  /** Like {@link World.advance}, up to a time in milliseconds since 1970. */
  async advanceTo(time: number): Promise<void> {
    validate("world.advanceTo: `time`", time, timestamp);
    for (let round = 0; ; round += 1) {
      const due = await this.#nextDue();
      if (due === null || due > time) break;
      if (due > this.now) round = 0;
      else if (round === MAX_ROUNDS) throw usageError(`world.advanceTo cannot continue: after ${MAX_ROUNDS} rounds, work is still due at ${new Date(this.now).toISOString()}`);
      this.#raw.setNow(Math.max(due, this.now));
      for (const store of this.#open) await store.due.run();
    }
    this.#raw.setNow(Math.max(time, this.now));
  }

  /** The next due time of all open stores; null if nothing is due. */
  async #nextDue(): Promise<number | null> {
    const times = [];
    for (const store of this.#open) {
      const due = await store.due.next().catch((error: { code?: string }) => {
        if (error.code !== "closed") throw error;
        this.#open.delete(store);
        return null;
      });
      if (due !== null) times.push(due);
    }
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Plans a fault in all open stores. */
  fail(fault: Fault): void {
    const { on, nth = 1, fault: kind } = validateOptions("world.fail", fault, FAULT);
    this.#host.instance.runNow(() => this.#raw.fail(JSON.stringify({ on, nth, fault: kind })));
  }

  /** Removes all faults that have not occurred, and restarts a process that died. */
  heal(): void {
    this.#host.instance.runNow(() => this.#raw.heal());
  }

  /**
   * Simulates an internal error of runstate, to test how your program handles one. This call and every later one is
   * rejected as `internal`, in all worlds of this process or page.
   */
  defect(message: string): Promise<void> {
    return this.#host.instance.run(() => this.#raw.defect(message));
  }

  /** The number of calls of a store method so far. */
  calls(on: StoreMethod): number {
    return this.#host.instance.runNow(() => this.#raw.calls(on));
  }
}

/** Creates a simulated world; see {@link World}. */
export declare function simulated(options?: WorldOptions): Promise<World>;

/**
 * Creates the function `simulated` of an entry. Worlds run in their own instance of the WebAssembly for Node, so that
 * {@link World.defect} does not affect the stores that `runstate` has open. @internal
 */
export function createWorldFactory(
  load: () => Promise<WasmModule>,
  compile: Host["compile"],
  provide: (glue: Glue) => void = () => {},
): typeof simulated {
  const instance = new Instance(glue as unknown as TestingGlue, NODE_WASM);
  return async (options = {}) => {
    const { now = DEFAULT_NOW, seed = 0 } = validateOptions("simulated", options, WORLD);
    const loaded = await instance.instantiate(load);
    provide(loaded);
    return new World({ instance, instantiate: () => instance.instantiate(load), compile }, new loaded.World(now, seed));
  };
}
