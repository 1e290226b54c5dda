// The worker of `WorkerEngine`: opens the database as any tab does, and answers one question for each order.

import { init, open, RunstateError, type ErrorInit, type Run } from "runstate/slim";

import type { Opening, Order, Report } from "./engine";

let run: Run | null = null;
let author = "";

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  if ("open" in data) void report("", begin(data.open));
  else void report(data.answer.key, run?.answer(data.answer.answer, { key: data.answer.key, by: author }));
});

async function begin({ module, store, execution, by }: Opening): Promise<void> {
  await init(module);
  const rs = await open(store, { mustExist: true, timers: "off" });
  run = await rs.cvm.run(execution);
  author = by;
}

async function report(of: string, work: Promise<unknown> | undefined): Promise<void> {
  let error: ErrorInit | null = null;
  try {
    await work;
  } catch (thrown) {
    error = errorOf(thrown);
  }
  postMessage({ of, error } satisfies Report);
}

function errorOf(thrown: unknown): ErrorInit {
  if (thrown instanceof RunstateError) return { code: thrown.code, message: thrown.message };
  return { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown) };
}
