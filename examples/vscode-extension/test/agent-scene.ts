// A workspace with an agent: windows on it, and answers to its steps.

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

import { type FakeEditor, FakeWindow, waitUntil } from "./fake-editor.ts";
import { FakeWorkspace } from "./fake-workspace.ts";

/** A workspace with files, and a store on the disk. */
export async function scene(t: TestContext, files: { [path: string]: string } = { "src/a.ts": "const a = 1;\n", "b.md": "# B\n" }) {
  const base = await mkdtemp(join(tmpdir(), "runstate-agent-"));
  t.after(() => rm(base, { recursive: true, force: true }));
  const folder = join(base, "workspace");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const read = (path: string) => readFile(join(folder, path), "utf8");
  const store = `file:${join(base, "store")}`;
  /** A window on the workspace. */
  const window = (prepare: (editor: FakeEditor) => void = () => {}, url = store) =>
    new FakeWindow(url, (editor) => {
      editor.workspace = new FakeWorkspace(folder);
      editor.onInput = () => ({ text: "Make a two" });
      prepare(editor);
    });
  return { base, folder, store, read, window };
}

/** Starts an agent by its command; returns the id of the execution. */
export async function ask(window: FakeWindow, label?: string): Promise<string> {
  window.editor.onPick = (_, labels) => label ?? labels[0];
  await window.run("askAgent");
  return window.editor.shownPages.at(-1) ?? "";
}

export async function ended(window: FakeWindow, id: string) {
  const rs = await window.store.open();
  const run = await rs.run(id);
  await waitUntil(async () => (await run.refresh()).ended);
  return run.show({ hash: false });
}

export async function calls(window: FakeWindow, execution: string) {
  const rs = await window.store.open();
  return (await rs.runs.calls({ execution })).items;
}

/** Answers steps in turn; the last one is repeated. */
export function steps(...answers: object[]) {
  let n = 0;
  return () => JSON.stringify(answers[Math.min(n++, answers.length - 1)]);
}

/** Answers, as the person, the open question of an agent. */
export async function answerStep(window: FakeWindow, execution: string, step: object): Promise<void> {
  const rs = await window.store.open();
  const run = await rs.run(execution);
  await waitUntil(async () => (await rs.runs.calls({ execution, open: true, kind: "cc" })).items.length > 0);
  await run.answer({ ...step }, { by: "Ada" });
}

export const EDIT = { tool: "applyEdit", path: "src/a.ts", oldText: "1", newText: "2" };
export const FINISH = { tool: "finish", summary: "a is two" };
