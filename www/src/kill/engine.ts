// A second engine in a worker, on the database of the page, which can be killed. The worker is terminated between any two instructions, with
// transactions in progress. Nothing is closed, and the engine is not notified.

import { RunstateError, type ErrorInit } from "runstate/slim";

import type { BurstAnswer } from "./ledger";

/** The first request to a worker. */
export interface OpenRequest {
  module: WebAssembly.Module;
  store: string;
  execution: string;
  /** The name that is recorded with its answers. */
  by: string;
}

/** A message from the page to the worker. */
export type WorkerRequest = { open: OpenRequest } | { answer: BurstAnswer };

/** A message from the worker to the page. `key` is the key of an answer, or "" for the opening. */
export type WorkerResponse = { key: string; error: ErrorInit | null };

interface PendingReply {
  resolve(acknowledged: boolean): void;
  reject(error: RunstateError): void;
}

export class WorkerEngine {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "engine" });
  readonly #pending = new Map<string, PendingReply>();

  /** Opens the store in the worker. */
  static async open(opening: OpenRequest): Promise<WorkerEngine> {
    const engine = new WorkerEngine();
    await engine.#send("", { open: opening });
    return engine;
  }

  private constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<WorkerResponse>) => this.#settle(data));
    this.#worker.addEventListener("error", ({ message }) => {
      const error: ErrorInit = { code: "internal", message: `the worker failed: ${message}` };
      for (const key of this.#pending.keys()) this.#settle({ key, error });
    });
  }

  /** Answers a question. Resolves to true when the store has acknowledged it, and to false if the engine was killed before. */
  answer(line: BurstAnswer): Promise<boolean> {
    return this.#send(line.key, { answer: line });
  }

  kill(): void {
    this.#worker.terminate();
    for (const { resolve } of this.#pending.values()) resolve(false);
    this.#pending.clear();
  }

  #send(key: string, request: WorkerRequest): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#pending.set(key, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  #settle({ key, error }: WorkerResponse): void {
    const reply = this.#pending.get(key);
    this.#pending.delete(key);
    if (error === null) reply?.resolve(true);
    else reply?.reject(new RunstateError(error));
  }
}
