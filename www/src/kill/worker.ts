// The engine that is killed. It runs in a worker, opens the database as any tab does, and answers questions as fast as it can save. The worker is
// terminated between any two instructions, with transactions in progress. Nothing is closed, and the engine is not notified.

import { init, open, type ErrorInit, type RunstateError } from "runstate/slim";

import type { BurstAnswer } from "./proof";

/** The message that starts the worker. */
export interface BurstOrder {
  module: WebAssembly.Module;
  /** The URL of the store. */
  store: string;
  execution: string;
  /** The name that is recorded with the answers. */
  by: string;
  answers: BurstAnswer[];
  /** The pause after each answer, in milliseconds. */
  pauseMs: number;
}

/** A message of the worker: about an answer, that all are answered, or an error. */
export type BurstEvent = { event: "sent" | "acknowledged"; line: BurstAnswer } | { event: "done" } | { event: "failed"; error: ErrorInit };

/** The number of concurrent answers. The program asks one question at a time, so the others are early answers. */
const CONCURRENCY = 3;

addEventListener("message", ({ data }: MessageEvent<BurstOrder>) => {
  answerAll(data).then(
    () => report({ event: "done" }),
    ({ code = "internal", message = "" }: Partial<RunstateError>) => report({ event: "failed", error: { code, message } }),
  );
});

async function answerAll({ module, store, execution, by, answers, pauseMs }: BurstOrder): Promise<void> {
  await init(module);
  const rs = await open(store, { mustExist: true, timers: "off" });
  const run = await rs.cvm.run(execution);
  const remaining = answers.values();
  async function answerNext(): Promise<void> {
    for (const line of remaining) {
      report({ event: "sent", line });
      await run.answer(line.answer, { key: line.key, by });
      report({ event: "acknowledged", line });
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, answerNext));
}

function report(event: BurstEvent): void {
  postMessage(event);
}
