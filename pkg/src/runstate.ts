// An open store, as callers hold it.
// What `await using` needs to be declared is declared in projects that do not name it, too:
/// <reference lib="esnext.disposable" preserve="true" />

import { Cvm } from "./cvm.js";
import type { Driver } from "./driver.js";
import type { Engine } from "./engine.js";
import { RunstateError, usage } from "./errors.js";
import { Feed, each } from "./feed.js";
import { action, options as checked, text } from "./given.js";
import { refuseHalves } from "./halves.js";
import { WAIT, type WaitOptions } from "./options.js";
import type { ImportResult, Progress, StoreChange, StoreInfo, VerifyReport } from "./wire.js";

/** A committed change of a document. */
export interface Change extends StoreChange {
  /** Whether the document was deleted. */
  deleted: boolean;
}

/** An open store. Every method rejects with a {@link RunstateError}. */
export class Runstate implements AsyncDisposable {
  readonly #engine: Engine;
  #closed = false;
  /** The URL it was opened by. */
  readonly url: string;
  /** Programs and executions. */
  readonly cvm: Cvm;
  /** Who drives timers and deadlines: this tab or process, or another. */
  readonly driver: Driver;

  /** @internal */
  constructor(engine: Engine, cvm: Cvm, driver: Driver) {
    this.#engine = engine;
    this.url = engine.url;
    this.cvm = cvm;
    this.driver = driver;
  }

  /**
   * What is committed from now on, by whomever, or after the position `from`; it goes on until you leave the loop. `position_expired`: the
   * position is older than what the store keeps; read anew and begin without one.
   *
   * @example
   * for await (const change of rs.changes({ collection: "cvm.executions" })) render(change.id);
   */
  changes(
    of: { collection?: string; id?: string; from?: string } & WaitOptions = {},
  ): AsyncIterable<Change> {
    const { collection, id, from, signal } = checked("changes", of, { collection: text, id: text, from: text, ...WAIT });
    const look = async (at: string | undefined, waitMs: number) => {
      const { events, next } = await this.#engine.call("store.changes", { from: at, collection, waitMs }, signal);
      return { next, events: events.map((event): Change => ({ ...event, deleted: event.revision === null })) };
    };
    return each(new Feed(look, from), (change) => id === undefined || change.id === id);
  }

  /** What the store is and holds, in numbers. */
  info(options: WaitOptions = {}): Promise<StoreInfo> {
    return this.#engine.ask("info", {}, options, WAIT);
  }

  /**
   * Why the store cannot be worked with now: it cannot be reached (`unavailable`, `timeout`), or can only be read (`corrupt`, `newer_version`,
   * `read_only`); null: it answers and can be written. What other systems call `isConnected()`: one read of one row.
   */
  async health(options: WaitOptions = {}): Promise<RunstateError | null> {
    if (this.#closed) throw new RunstateError({ code: "closed", message: "the store is closed" });
    const error = await this.#engine.ask("health", {}, options, WAIT);
    return error === null ? null : new RunstateError(error);
  }

  /**
   * Checks all that the store holds: each document with its schema, references, the entries of indexes, executions with their heap, output and
   * calls, the results of commands; before that, what only the backend knows of itself. Everything is read, nothing is changed, and others may use the
   * store meanwhile. The store is whole where no finding has the severity `damage`.
   */
  verify(options: WaitOptions = {}): Promise<VerifyReport> {
    return this.#engine.ask("verify", {}, options, WAIT);
  }

  /** All of the store as lines of JSON, or one execution with its program; the command line reads it too. */
  async export(options: { execution?: string } & WaitOptions = {}): Promise<Blob> {
    const { execution, signal } = checked("export", options, { execution: text, ...WAIT });
    const parts: Blob[] = [];
    const take = (chunk: string | null) => {
      if (chunk === null) parts.length = 0;
      // A blob at once: browsers keep large ones on disk.
      else parts.push(new Blob([chunk]));
    };
    await this.#engine.export({ execution }, take, signal);
    return new Blob(parts, { type: "application/jsonl" });
  }

  /** Takes an export in. It is checked as a whole before anything is written; what is there is never overwritten, and a repeat goes on. */
  async import(
    data: Blob | Uint8Array | string,
    options: { onProgress?: (event: Progress) => void } & WaitOptions = {},
  ): Promise<ImportResult> {
    const { onProgress, signal } = checked("import", options, { onProgress: action, ...WAIT });
    const told = onProgress && ((event: string) => onProgress(JSON.parse(event) as Progress));
    return this.#engine.import(await bytesOf(data), told, signal);
  }

  /** Ends the use of the store: every later call is refused as `closed`. Closing again is fine. */
  async close(): Promise<void> {
    this.#closed = true;
    this.driver.stop();
    await this.#engine.close();
  }

  /** As {@link Runstate.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function bytesOf(data: Blob | Uint8Array | string): Promise<Uint8Array> {
  refuseHalves("what is imported", data);
  if (typeof data === "string") return new TextEncoder().encode(data);
  if (data instanceof Uint8Array) return data;
  if (typeof data?.arrayBuffer !== "function") throw usage("what is imported is a Blob, bytes (Uint8Array) or a string");
  return new Uint8Array(await data.arrayBuffer());
}
