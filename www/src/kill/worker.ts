// The worker of `WorkerEngine`: opens the database as any tab does, and answers one question per request.

import { init, open, RunstateError, type ErrorInit, type Run } from "runstate/slim";

import type { OpenRequest, WorkerRequest, WorkerResponse } from "./engine";

let run: Run | null = null;
let author = "";

addEventListener("message", ({ data }: MessageEvent<WorkerRequest>) => {
  if ("open" in data) void respond("", openRun(data.open));
  else void respond(data.answer.key, run?.answer(data.answer.answer, { key: data.answer.key, by: author }));
});

async function openRun({ module, store, execution, by }: OpenRequest): Promise<void> {
  await init(module);
  const rs = await open(store, { mustExist: true, timers: "off" });
  run = await rs.cvm.run(execution);
  author = by;
}

async function respond(key: string, work: Promise<unknown> | undefined): Promise<void> {
  let error: ErrorInit | null = null;
  try {
    await work;
  } catch (thrown) {
    error = toErrorInit(thrown);
  }
  postMessage({ key, error } satisfies WorkerResponse);
}

function toErrorInit(thrown: unknown): ErrorInit {
  if (thrown instanceof RunstateError) return { code: thrown.code, message: thrown.message };
  return { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown) };
}
