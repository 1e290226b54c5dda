// Opens a store on a host. The entries (node.ts, browser.ts, slim.ts, testing.ts) share this code.

import { untilAborted } from "./abort.js";
import { Driver } from "./driver.js";
import { type CheckTypesFunction, type CompileFunction, Engine } from "./engine.js";
import { DueOperations, SETTINGS, type Settings } from "./generated.js";
import type { Glue, Instance, RawRunstate } from "./instance.js";
import { encodeParams } from "./json-encoding.js";
import { WAIT, requireText } from "./options.js";
import { Runstate } from "./runstate.js";
import { type OptionValidators, anything, flag, objectOf, oneOf, validateOptions } from "./validation.js";

/** Options of `open`. All are optional. Every process that runs due work of a store should have the same settings. */
export interface OpenOptions extends Omit<Settings, "sliceInstructions" | "sliceBytes"> {
  /**
   * When a running execution is saved: after this number of `instructions` (default: 250,000), or sooner after this
   * number of `bytes` of changed memory (default: 524,288). A crash loses at most the work since the last save.
   */
  saveEvery?: { instructions?: number; bytes?: number };
  /**
   * `auto` (the default): this process, or one of the tabs that have the database open, runs timers, deadlines and
   * executions of dead processes. `off`: you call `rs.due.run()`.
   */
  timers?: "auto" | "off";
  /** Writes the log of the engine, and what handlers of workers throw, to the console, from this level on. Default:
   * `warn`. */
  log?: "off" | "error" | "warn" | "info" | "debug";
  /**
   * In Node and by `runstate/full`: the keys of secret fields, `ID:BASE64,…`, the current one first; `hash:BASE64` is
   * the key of hashes. Other pages have no encryption and refuse the option.
   */
  keys?: string;
  /** Fails if the store does not exist, instead of creating it. Default: false. */
  mustExist?: boolean;
  /** Whether a page asks the browser to keep its data when space runs out (`navigator.storage.persist()`). Default:
   * true. */
  requestPersistence?: boolean;
  /** Aborts waiting for the store. */
  signal?: AbortSignal;
}

/** The engine validates the settings. Those of slices have a friendlier form here. */
const { sliceInstructions: _, sliceBytes: __, ...SETTING_VALIDATORS } = Object.fromEntries(
  SETTINGS.map((name) => [name, anything]),
) as OptionValidators<Settings>;

const OPEN: OptionValidators<OpenOptions> = {
  ...SETTING_VALIDATORS,
  saveEvery: objectOf({ instructions: anything, bytes: anything }),
  timers: oneOf<NonNullable<OpenOptions["timers"]>>({ auto: true, off: true }),
  log: oneOf<NonNullable<OpenOptions["log"]>>({ off: true, error: true, warn: true, info: true, debug: true }),
  keys: anything,
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
  readonly checkTypes?: CheckTypesFunction;
  /** The current time, in milliseconds since 1970. Default: the clock of the machine. */
  readonly now?: () => number;
}

/** The modules whose log level is set. */
const LOGGING = new WeakSet<Glue>();

export async function openStore(host: Host, url: string, options: OpenOptions = {}): Promise<Runstate> {
  // Validated first: an error after the store is opened would leave it open.
  const json = encodeOpenOptions(url, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const glue = await untilAborted(host.instantiate(), signal);
  // The level is that of the module. A store that names none does not change it.
  if (options.log !== undefined || !LOGGING.has(glue)) glue.logTo?.(logToConsole, options.log ?? "warn");
  LOGGING.add(glue);
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
  const { saveEvery, timers, log, requestPersistence, signal, ...settings } = validateOptions("open", options, OPEN);
  return encodeParams("open", { ...settings, sliceInstructions: saveEvery?.instructions, sliceBytes: saveEvery?.bytes });
}

/** Creates the public handle of a store that the WebAssembly has opened. */
export function createRunstate(host: Host, raw: RawRunstate, url: string, options: OpenOptions): Runstate {
  const now = host.now ?? Date.now;
  const engine = new Engine(host.instance, raw, url, host.compile, now, warnFrom(options.log), host.checkTypes);
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

/** Writes warnings of this package to the console, unless `level` is above them. */
function warnFrom(level: OpenOptions["log"]): (message: string, cause: unknown) => void {
  if (level === "off" || level === "error") return () => {};
  return (message, cause) => console.warn(`runstate: ${message}`, cause);
}

function logToConsole(level: string, message: string): void {
  const log = level === "error" ? console.error : level === "warn" ? console.warn : level === "info" ? console.info : console.debug;
  log(`runstate: ${message}`);
}
