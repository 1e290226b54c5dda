import assert from "node:assert/strict";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import type { Run } from "runstate";

import { FakeWindow, waitUntil } from "./fake-editor.ts";

test("changes one by one lead to the same rows as a new list", async () => {
  await using window = new FakeWindow();
  const { store } = window;
  const rs = await store.open();
  await rs.load({ name: "ask", source: 'CC("a?"); CC("b?");' });
  const runs: Run[] = [];
  for (let n = 0; n < 6; n++) runs.push(await rs.start("ask", { id: `run-${n}` }));
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

test("a store whose folder is gone is opened anew", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "runstate-extension-"));
  const away = `${folder}-away`;
  t.after(() => Promise.all([folder, away].map((path) => rm(path, { recursive: true, force: true, maxRetries: 10 }))));
  await using window = new FakeWindow(`file:${folder}`, (editor) => (editor.project = { id: "file:///app", name: "app" }));
  const ask = 'console.log(CC("a?"));';
  const isMine = async () => (await window.rows()).includes("app [session active mine]");
  await waitUntil(isMine);
  window.editor.onInput = ({ onChange }) => (onChange?.("b"), undefined);
  await window.runProgram(ask);
  await window.run("answer", (await window.waiting())[0]?.id);
  await rename(folder, away);
  await waitUntil(() => window.store.failure !== undefined || window.store.snapshot.executions.length === 0);
  await waitUntil(() => window.store.failure === undefined && window.store.snapshot.executions.length === 0);
  await waitUntil(() => isMine().catch(() => false));
  // The collections of drafts and windows are declared in the new store too.
  window.editor.onInput = () => ({ text: "b" });
  const id = await window.runProgram(ask);
  const rs = await window.store.open();
  assert.deepEqual(await (await rs.run(id)).output(), ["b"]);
  assert.deepEqual(window.editor.messages, []);
});

test("the status counts all open questions", async () => {
  await using window = new FakeWindow();
  const rs = await window.store.open();
  await rs.load({ name: "ask", source: 'CC("a?");' });
  for (let n = 0; n <= 500; n++) await rs.start("ask", {});
  await waitUntil(() => window.editor.statusText === "$(comment-unresolved) 501");
});
