// Opening a store on a host: what the entries (node.ts, browser.ts, slim.ts, testing.ts) have in common.

import { untilAborted } from "./abort.js";
import { Cvm } from "./cvm.js";
import { Driver } from "./driver.js";
import { type Compile, Engine } from "./engine.js";
import { type Shape, flag, heap, index, oneOf, options as checked, shaped, span } from "./given.js";
import { crossing } from "./halves.js";
import type { Glue, Instance, RawRunstate } from "./instance.js";
import { LOG_LEVEL, WAIT, text } from "./options.js";
import { Runstate } from "./runstate.js";
import type { LogLevel } from "./wire.js";

/** How a store is opened. Everything has a default. */
export interface OpenOptions {
  /** How long finished executions are kept, in milliseconds; for ever. */
  retentionMs?: number;
  /** How much of executions is logged, where they do not say themselves; `calls`. */
  logLevel?: LogLevel;
  /** Bytes that the heap of an execution may take, where its start does not say; 67,108,864. */
  heapBytes?: number;
  /**
   * When an execution that does not stop is saved: after so many `instructions` (250,000), or sooner after so many `bytes` of changed memory
   * (524,288). It is what a crash can cost at the most.
   */
  saveEvery?: { instructions?: number; bytes?: number };
  /**
   * `auto`: timers, deadlines and what dead processes left are driven by this process, or by one of the tabs that have the database open.
   * `off`: you call {@link Cvm.runDue}.
   */
  timers?: "auto" | "off";
  /** Tells on the console what the engine does, from this level on; nothing. */
  log?: "error" | "warn" | "info" | "debug";
  /** Refuses to make a store where there is none. */
  mustExist?: boolean;
  /** Whether a page asks the browser to keep its data when space runs out (`navigator.storage.persist()`); true. */
  requestPersistence?: boolean;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

const OPEN: Shape<OpenOptions> = {
  retentionMs: span,
  logLevel: LOG_LEVEL,
  heapBytes: heap,
  saveEvery: shaped({ instructions: index, bytes: index }),
  timers: oneOf<NonNullable<OpenOptions["timers"]>>({ auto: true, off: true }),
  log: oneOf<NonNullable<OpenOptions["log"]>>({ error: true, warn: true, info: true, debug: true }),
  mustExist: flag,
  requestPersistence: flag,
  ...WAIT,
};

/** What an entry brings to opening: its WebAssembly, and what its host can do. */
export interface Host {
  /** Begins the WebAssembly, where that was not done yet. */
  begin(): Promise<Glue>;
  readonly instance: Instance;
  readonly compile: Compile | undefined;
  /** The time, in milliseconds since 1970; that of the machine where nothing is said. */
  readonly now?: () => number;
}

/** Opens the store that `url` names on this host. */
export async function openOn(host: Host, url: string, options: OpenOptions = {}): Promise<Runstate> {
  // Before anything is opened that nobody would close.
  const given = opening(url, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const glue = await untilAborted(host.begin(), signal);
  if (options.log !== undefined) glue.logTo?.(toConsole, options.log);
  const coming = host.instance.run(() => glue.Runstate.open(url, given));
  // Whoever stopped waiting cannot close it.
  const raw = await untilAborted(coming, signal).catch((error: unknown) => {
    coming.then((late) => late.close()).catch(() => {});
    throw error;
  });
  return opened(host, raw, url, options);
}

/** What the WebAssembly is told when it opens a store, as JSON text; refuses what is given otherwise than it may be. */
export function opening(url: string, options: OpenOptions): string {
  text(url, "the URL of a store");
  const { retentionMs, logLevel, heapBytes, mustExist, saveEvery } = checked("open", options, OPEN);
  const [sliceInstructions, sliceBytes] = [saveEvery?.instructions, saveEvery?.bytes];
  return crossing("open", { retentionMs, logLevel, heapBytes, mustExist, sliceInstructions, sliceBytes });
}

/** The face of a store that the WebAssembly has opened. */
export function opened(host: Host, raw: RawRunstate, url: string, options: OpenOptions): Runstate {
  const now = host.now ?? Date.now;
  const engine = new Engine(host.instance, raw, url, host.compile, now);
  const cvm = new Cvm(engine);
  const driver = new Driver(cvm, url, now, options.timers ?? "auto");
  engine.moved = () => driver.nudge();
  if (options.requestPersistence !== false) keepData(url);
  return new Runstate(engine, cvm, driver);
}

/** Asks the browser to keep the database. It may say no, or ask the person; nothing here depends on it. */
function keepData(url: string): void {
  if (!url.startsWith("indexeddb:") || typeof document === "undefined") return;
  globalThis.navigator?.storage?.persist?.().catch(() => {});
}

function toConsole(level: string, message: string): void {
  const tell = level === "error" ? console.error : level === "warn" ? console.warn : level === "info" ? console.info : console.debug;
  tell(`runstate: ${message}`);
}
