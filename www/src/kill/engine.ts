// A second engine in a worker, on the page's database, and its death: the worker is terminated between any two instructions, with
// transactions under way. Nothing is closed, and the engine gets no notice.

import { RunstateError, type ErrorInit } from "runstate/slim";

import type { Line } from "./ledger";

/** The first order of a worker. */
export interface Opening {
  module: WebAssembly.Module;
  store: string;
  execution: string;
  /** The author of its answers. */
  by: string;
}

/** A message from the page to the worker. */
export type Order = { open: Opening } | { answer: Line };

/** A message from the worker to the page: `of` is the key of an answer, or "" for the opening. */
export type Report = { of: string; error: ErrorInit | null };

interface Reply {
  resolve(acknowledged: boolean): void;
  reject(why: RunstateError): void;
}

export class WorkerEngine {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" });
  readonly #pending = new Map<string, Reply>();

  /** Opens the store in the worker. */
  static async open(opening: Opening): Promise<WorkerEngine> {
    const engine = new WorkerEngine();
    await engine.#send("", { open: opening });
    return engine;
  }

  private constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Report>) => this.#settle(data));
    this.#worker.addEventListener("error", ({ message }) => {
      const error: ErrorInit = { code: "internal", message: `the worker failed: ${message}` };
      for (const of of this.#pending.keys()) this.#settle({ of, error });
    });
  }

  /** Answers a question: true when the store has acknowledged it, false when the engine was killed before. */
  answer(line: Line): Promise<boolean> {
    return this.#send(line.key, { answer: line });
  }

  kill(): void {
    this.#worker.terminate();
    for (const { resolve } of this.#pending.values()) resolve(false);
    this.#pending.clear();
  }

  #send(of: string, order: Order): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#pending.set(of, { resolve, reject });
      this.#worker.postMessage(order);
    });
  }

  #settle({ of, error }: Report): void {
    const reply = this.#pending.get(of);
    this.#pending.delete(of);
    if (error === null) reply?.resolve(true);
    else reply?.reject(new RunstateError(error));
  }
}
