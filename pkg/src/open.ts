// Opens a store on a host. The entries (node.ts, browser.ts, slim.ts, testing.ts) share this code.

import { untilAborted } from "./abort.js";
import { Driver } from "./driver.js";
import { type CompileFunction, Engine } from "./engine.js";
import { DueOperations } from "./generated.js";
import type { Glue, Instance, RawRunstate } from "./instance.js";
import { encodeParams } from "./json-validation.js";
import { WAIT, requireText } from "./options.js";
import { Runstate } from "./runstate.js";
import { type OptionValidators, anything, flag, objectOf, oneOf, validateOptions } from "./validation.js";
import type { LogLevel } from "./wire.js";

/** Options of `open`. All are optional. */
export interface OpenOptions {
  /** The retention of finished executions, in milliseconds. Default: forever. */
  retentionMs?: number;
  /** The log level of executions that are started without one. Default: `calls`. */
  logLevel?: LogLevel;
  /** The maximum heap size of executions that are started without one, in bytes. Default: 67,108,864. */
  heapBytes?: number;
  /**
   * When a running execution is saved: after this number of `instructions` (default: 250,000), or sooner after this number of `bytes` of changed
   * memory (default: 524,288). A crash loses at most the work since the last save.
   */
  saveEvery?: { instructions?: number; bytes?: number };
  /**
   * `auto` (the default): this process, or one of the tabs that have the database open, runs timers, deadlines and executions of dead processes.
   * `off`: you call `rs.due.run()`.
   */
  timers?: "auto" | "off";
  /** Writes the log of the engine to the console, from this level on. Default: nothing. */
  log?: "error" | "warn" | "info" | "debug";
  /** Fails if the store does not exist, instead of creating it. Default: false. */
  mustExist?: boolean;
  /** Whether a page asks the browser to keep its data when space runs out (`navigator.storage.persist()`). Default: true. */
  requestPersistence?: boolean;
  /** Aborts waiting for the store. */
  signal?: AbortSignal;
}

const OPEN: OptionValidators<OpenOptions> = {
  retentionMs: anything,
  logLevel: anything,
  heapBytes: anything,
  saveEvery: objectOf({ instructions: anything, bytes: anything }),
  timers: oneOf<NonNullable<OpenOptions["timers"]>>({ auto: true, off: true }),
  log: oneOf<NonNullable<OpenOptions["log"]>>({ error: true, warn: true, info: true, debug: true }),
  mustExist: anything,
  requestPersistence: flag,
  ...WAIT,
};

/** The host of an entry: its WebAssembly, its compiler and its clock. */
export interface Host {
  /** Instantiates the WebAssembly if that was not done yet. */
  instantiate(): Promise<Glue>;
  readonly instance: Instance;
  readonly compile: CompileFunction | undefined;
  /** The current time, in milliseconds since 1970. Default: the clock of the machine. */
  readonly now?: () => number;
}

/** Opens the store of a URL on this host. */
export async function openStore(host: Host, url: string, options: OpenOptions = {}): Promise<Runstate> {
  // Validated first: an error after the store is opened would leave it open.
  const json = encodeOpenOptions(url, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const glue = await untilAborted(host.instantiate(), signal);
  if (options.log !== undefined) glue.logTo?.(logToConsole, options.log);
  const opening = host.instance.run(() => glue.Runstate.open(url, json));
  // A caller that aborted the wait has no handle to close the store, so it is closed here.
  const raw = await untilAborted(opening, signal).catch((error: unknown) => {
    opening.then((store) => store.close()).catch(() => {});
    throw error;
  });
  return createRunstate(host, raw, url, options);
}

/** Validates the options of `open` and encodes those that the WebAssembly needs as JSON text. */
export function encodeOpenOptions(url: string, options: OpenOptions): string {
  requireText(url, "the URL of a store");
  const { retentionMs, logLevel, heapBytes, mustExist, saveEvery } = validateOptions("open", options, OPEN);
  const [sliceInstructions, sliceBytes] = [saveEvery?.instructions, saveEvery?.bytes];
  return encodeParams("open", { retentionMs, logLevel, heapBytes, mustExist, sliceInstructions, sliceBytes });
}

/** Creates the public handle of a store that the WebAssembly has opened. */
export function createRunstate(host: Host, raw: RawRunstate, url: string, options: OpenOptions): Runstate {
  const now = host.now ?? Date.now;
  const engine = new Engine(host.instance, raw, url, host.compile, now);
  const driver = new Driver(new DueOperations(engine), url, now, options.timers ?? "auto");
  engine.onDueChange = () => driver.nudge();
  if (options.requestPersistence !== false) requestPersistence(url);
  return new Runstate(engine, driver);
}

/** Asks the browser to keep the database. The browser may refuse or ask the user; the store works in either case. */
function requestPersistence(url: string): void {
  if (!url.startsWith("indexeddb:") || typeof document === "undefined") return;
  globalThis.navigator?.storage?.persist?.().catch(() => {});
}

function logToConsole(level: string, message: string): void {
  const log = level === "error" ? console.error : level === "warn" ? console.warn : level === "info" ? console.info : console.debug;
  log(`runstate: ${message}`);
}
