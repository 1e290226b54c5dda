import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

test("a store whose folder was deleted is opened anew", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "runstate-extension-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  await using window = new FakeWindow(`file:${folder}`);
  await window.runProgram('CC("a?");');
  await rm(folder, { recursive: true });
  await waitUntil(() => window.editor.logged.join().includes("it no longer exists"));
  await waitUntil(() => window.store.failure === undefined && window.store.snapshot.executions.length === 0);
  const id = await window.runProgram('console.log("b");');
  const rs = await window.store.open();
  assert.deepEqual(await (await rs.cvm.run(id)).output(), ["b"]);
});

test("the status says that more questions are open than are shown", async () => {
  await using window = new FakeWindow();
  const rs = await window.store.open();
  await rs.cvm.load({ name: "ask", source: 'CC("a?");' });
  for (let n = 0; n <= 500; n++) await rs.cvm.start("ask", {});
  await window.store.refresh();
  assert.equal(window.editor.statusText, "$(comment-unresolved) 500+");
});
