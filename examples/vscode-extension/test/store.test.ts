import assert from "node:assert/strict";
import { test } from "node:test";

import type { Run } from "runstate";

import { FakeWindow, waitUntil } from "./fake-editor.ts";

test("changes one by one lead to the same rows as a new list", async () => {
  await using window = new FakeWindow();
  const { store } = window;
  const rs = await store.open();
  await rs.cvm.load({ name: "ask", source: 'CC("a?"); CC("b?");' });
  const runs: Run[] = [];
  for (let n = 0; n < 6; n++) runs.push(await rs.cvm.start("ask", { id: `run-${n}` }));
  await waitUntil(() => store.snapshot.executions.length === 6);
  const [answered, completed, paused, cancelled, deleted] = runs;
  await answered?.answer("1");
  await completed?.answer("1");
  await completed?.answer("2");
  await paused?.pause();
  await cancelled?.cancel();
  await deleted?.cancel();
  await deleted?.delete();
  const expected = ["waiting_cc", "complete", "paused", "cancelled", undefined, "waiting_cc"].join();
  await waitUntil(() => runs.map(({ id }) => store.snapshot.executions.find((execution) => execution.id === id)?.status).join() === expected);
  const updated = store.snapshot;
  await store.refresh();
  assert.deepEqual(updated, store.snapshot);
});
