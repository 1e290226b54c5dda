// What `runstate/testing` exports: worlds for the tests of programs, with their own time, chance and faults.

import * as glue from "../build/runstate_testing.js";
import { Cvm } from "./cvm.js";
import { usage } from "./errors.js";
import { Instance, type Glue, type RawRunstate, type WasmModule } from "./instance.js";
import { type Shape, count, given, moment, needed, oneOf, options as checked, passing, whole } from "./given.js";
import { type Host, type OpenOptions, opened, opening } from "./open.js";
import type { Runstate } from "./runstate.js";
import { NODE } from "./wasm.js";

export * from "./index.js";

/** What the glue of the WebAssembly for Node exports beside that of pages. */
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

/** How a world begins. */
export interface WorldOptions {
  /** What its clock shows, in milliseconds since 1970; 2024-01-20T10:00:00Z. */
  now?: number;
  /** Decides the ids that are made: the same seed, the same ids. Worlds that share a store need different ones. */
  seed?: number;
}

/** A method of the store. Commands commit; what is looked at is got, queried or aggregated. */
export type StoreMethod = "get" | "query" | "aggregate" | "commit" | "outcome" | "changes";

/** A fault that is to come. */
export interface Fault {
  /** What fails. */
  on: StoreMethod;
  /** The how-manyth call of it, from 1 and from now; the next one where nothing is said. */
  nth?: number;
  /**
   * `unavailable`: the store cannot be reached. `full`: no space is left. `lost`: the store carries it out, and the answer is lost.
   * `dies_before`, `dies_after`: the process dies before or after the store has carried it out; everything is refused until
   * {@link World.heal}.
   */
  fault: "unavailable" | "full" | "lost" | "dies_before" | "dies_after";
}

const WORLD: Shape<WorldOptions> = { now: moment, seed: whole(0, 2 ** 32 - 1) };
const FAULT: Shape<Fault> = {
  on: needed(oneOf<StoreMethod>({ get: true, query: true, aggregate: true, commit: true, outcome: true, changes: true })),
  nth: count,
  fault: needed(oneOf<Fault["fault"]>({ unavailable: true, full: true, lost: true, dies_before: true, dies_after: true })),
};

const NOW = Date.UTC(2024, 0, 20, 10);

/** How often one moment is looked at for what is due: what is due again and again at the same time would never end. */
const ROUNDS = 1000;

/**
 * A world whose time stands still until the test moves it. Timers are driven by {@link World.advance} alone, unless a store is opened with
 * `timers: "auto"`. Waits of less than a second between attempts pass by themselves.
 *
 * @example
 * const world = await simulated({ now: Date.UTC(2026, 0, 1) });
 * const rs = await world.open("memory:");
 * await rs.cvm.load({ name: "nap", source: `sleep(7 * 86_400_000); console.log("rested")` });
 * const run = await rs.cvm.start("nap");
 * await world.advance(7 * 86_400_000);
 * console.log(await run.output()); // ["rested"]
 */
export class World {
  readonly #host: Host;
  readonly #raw: RawWorld;
  readonly #open = new Set<Cvm>();

  /** @internal */
  constructor(host: Host, raw: RawWorld) {
    this.#host = { ...host, now: () => raw.now };
    this.#raw = raw;
  }

  /** What the clock shows, in milliseconds since 1970. */
  get now(): number {
    return this.#raw.now;
  }

  /** Opens a store in this world. */
  async open(url: string, options: OpenOptions = {}): Promise<Runstate> {
    const told = opening(url, options);
    const raw = await this.#host.instance.run(() => this.#raw.open(url, told));
    const store = opened(this.#host, raw, url, { timers: "off", ...options });
    this.#open.add(store.cvm);
    return store;
  }

  /** Lets time pass, in milliseconds, and does what is due on the way, in the order of its time. */
  async advance(ms: number): Promise<void> {
    return this.advanceTo(this.now + given("the time that passes", ms, passing));
  }

  /** As {@link World.advance}, up to a time in milliseconds since 1970. */
  async advanceTo(time: number): Promise<void> {
    given("the time that is reached", time, moment);
    for (let round = 0; ; round += 1) {
      const due = await this.#next();
      if (due === null || due > time) break;
      if (due > this.now) round = 0;
      else if (round === ROUNDS) throw usage(`${ROUNDS} rounds at ${new Date(this.now).toISOString()}, and still something is due`);
      this.#raw.setNow(Math.max(due, this.now));
      for (const cvm of this.#open) await cvm.runDue();
    }
    this.#raw.setNow(Math.max(time, this.now));
  }

  /** When something is due next in any of its stores. */
  async #next(): Promise<number | null> {
    const times = [];
    for (const cvm of this.#open) {
      const due = await cvm.nextDue().catch((error: { code?: string }) => {
        if (error.code !== "closed") throw error;
        this.#open.delete(cvm);
        return null;
      });
      if (due !== null) times.push(due);
    }
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Plans a fault in all stores that are open. */
  fail(fault: Fault): void {
    const { on, nth = 1, fault: what } = checked("world.fail", fault, FAULT);
    this.#host.instance.runNow(() => this.#raw.fail(JSON.stringify({ on, nth, fault: what })));
  }

  /** Drops all faults that have not come; a process that died was started again. */
  heal(): void {
    this.#host.instance.runNow(() => this.#raw.heal());
  }

  /**
   * A defect of runstate itself. This call and everything after it is refused as `internal`, here and in all worlds of this process or page:
   * what a program of yours does then can be tried.
   */
  defect(message: string): Promise<void> {
    return this.#host.instance.run(() => this.#raw.defect(message));
  }

  /** How often the stores were called so. */
  calls(on: StoreMethod): number {
    return this.#host.instance.runNow(() => this.#raw.calls(on));
  }
}

/** A world; see {@link World}. */
export declare function simulated(options?: WorldOptions): Promise<World>;

/**
 * Makes worlds on a host; each entry has its own. They run in the WebAssembly for Node, begun once more: a defect that a test asks for is not one of the
 * stores that `runstate` has open beside. @internal
 */
export function worlds(
  load: () => Promise<WasmModule>,
  compile: Host["compile"],
  provide: (glue: Glue) => void = () => {},
): typeof simulated {
  const instance = new Instance(glue as unknown as TestingGlue, NODE);
  return async (options = {}) => {
    const { now = NOW, seed = 0 } = checked("simulated", options, WORLD);
    const begun = await instance.begin(load);
    provide(begun);
    return new World({ instance, begin: () => instance.begin(load), compile }, new begun.World(now, seed));
  };
}
