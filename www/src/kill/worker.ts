// The engine that is killed. It runs in a worker, opens the database as any tab does, and answers questions as fast as
// it can save. The worker is terminated between any two instructions, with transactions in progress. Nothing is
// closed, and the engine is not notified.

import { init, open } from "runstate/full";

import { answerTo, keyOf } from "./proof";

export interface BurstOrder {
  module: WebAssembly.Module;
  store: string;
  execution: string;
  /** The name that is recorded with the answers. */
  by: string;
  /** The number of questions, which are answered from 1. */
  questions: number;
  /** The pause after each answer, in milliseconds. */
  pauseMs: number;
}

/** A message of the worker: about the answer to a question, that all are answered, or an error. */
export type BurstEvent = { event: "sent" | "acknowledged"; question: number } | { event: "done" } | { event: "failed"; message: string };

/** The number of concurrent answers. The program asks one question at a time, so the others are early answers. */
const CONCURRENCY = 3;

addEventListener("message", ({ data }: MessageEvent<BurstOrder>) => {
  answerAll(data).then(
    () => report({ event: "done" }),
    (error: unknown) => report({ event: "failed", message: error instanceof Error ? error.message : String(error) }),
  );
});

async function answerAll({ module, store, execution, by, questions, pauseMs }: BurstOrder): Promise<void> {
  await init(module);
  const rs = await open(store, { mustExist: true, timers: "off" });
  const run = await rs.run(execution);
  let last = 0;
  async function answerNext(): Promise<void> {
    while (last < questions) {
      const question = ++last;
      report({ event: "sent", question });
      await run.answer(answerTo(question), { key: keyOf(question), by });
      report({ event: "acknowledged", question });
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, answerNext));
}

function report(event: BurstEvent): void {
  postMessage(event);
}
