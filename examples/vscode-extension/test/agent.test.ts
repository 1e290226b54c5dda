import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { open } from "runstate";

import { EDIT, FINISH, answerStep, ask, calls, ended, scene, steps } from "./agent-scene.ts";
import { type FakeEditor, FakeWindow, waitUntil } from "./fake-editor.ts";
import { readRunPage } from "../src/run-page.ts";
import { FakeWorkspace } from "./fake-workspace.ts";

test("a model reads, searches, edits and summarizes", async (t) => {
  const { window: open, read } = await scene(t);
  await using window = open((editor) => {
    editor.models.offer("Fake", steps({ tool: "listFiles" }, { tool: "search", text: "CONST" }, { tool: "readFile", path: "src/a.ts" }, EDIT, FINISH));
    editor.onOffer = () => "Apply";
  });
  const id = await ask(window, "Fake");
  const { status, result, output } = await ended(window, id);
  assert.equal(status, "complete");
  assert.deepEqual(result, { summary: "a is two", edited: ["src/a.ts"] });
  assert.deepEqual(output, [
    "1. listFiles → 2 files",
    '2. search "CONST" → 1 matches',
    "3. readFile src/a.ts → 2 lines",
    "4. applyEdit src/a.ts → applied",
    "a is two",
  ]);
  assert.equal(await read("src/a.ts"), "const a = 2;\n");
  assert.deepEqual(new Set((await calls(window, id)).map(({ response }) => response?.by)), new Set(["Fake", "VS Code"]));
  assert.match(window.editor.models.asked[2]?.[0] ?? "", /"path":"src\/a\.ts","line":1/, "results are in the next question");
  assert.deepEqual(window.editor.offered, ["An agent wants to edit src/a.ts."]);
  assert.equal(window.editor.workspace.shown.size, 0, "the difference is closed");
  await waitUntil(async () => (await window.nodes())[0]?.row.description === "complete · just now · answered by Fake");
});

test("an agent runs on a store in memory, and stops after its last step", async (t) => {
  const { window: open } = await scene(t);
  const onAsk = (messages: string[]) => (messages[0]?.startsWith("No step is left") ? "nothing more" : '{"tool":"listFiles"}');
  await using window = open((editor) => editor.models.offer("Fake", onAsk), "memory:");
  const { result, output } = await ended(window, await ask(window, "Fake"));
  assert.deepEqual(result, { summary: "nothing more", edited: [] });
  assert.equal(output.length, 26);
});

test("a question that the model fails to answer waits for the person", async (t) => {
  const { window: open } = await scene(t);
  let failure = Object.assign(new Error("the quota is used up"), { code: "Blocked" });
  await using window = open((editor) =>
    editor.models.offer("Fake", () => {
      throw failure;
    }),
  );
  const id = await ask(window, "Fake");
  await waitUntil(async () => (await calls(window, id))[0]?.error != null);
  const [node] = await window.nodes();
  assert.equal(node?.children[0]?.row.description, "Fake failed: the quota is used up");
  assert.equal(node?.children[0]?.row.context, "call answerable");
  assert.match(window.editor.logged.join("\n"), /Fake did not answer “Step 1 of at most 25: Make a two.*the quota is used up \(Blocked\)/);
  await using second = open((editor) => editor.models.offer("Fake", () => assert.fail("the model is not asked again")));
  await second.store.refresh();
  await answerStep(second, id, { tool: "listFiles" });
  await waitUntil(async () => (await calls(window, id)).filter(({ kind, error }) => kind === "cc" && error !== null).length === 2);
  await answerStep(window, id, FINISH);
  assert.equal((await ended(window, id)).status, "complete");
  assert.equal(window.editor.models.asked.length + second.editor.models.asked.length, 2);
});

test("an answer that does not fit is asked for once more with the reason", async (t) => {
  const { window: open } = await scene(t);
  const answers = ["I think that", '```json\n{ "tool": "finish" }\n```'];
  await using window = open((editor) => editor.models.offer("Fake", () => answers.shift() ?? ""));
  assert.equal((await ended(window, await ask(window, "Fake"))).status, "complete");
  assert.match(window.editor.models.asked[1]?.[2] ?? "", /^This answer is not accepted: Unexpected token.*Answer again/s);
});

test("a model whose answers never fit is asked twice, then the person", async (t) => {
  const { window: open } = await scene(t);
  await using window = open((editor) => editor.models.offer("Fake", () => '{ "tool": "format the disk" }'));
  const id = await ask(window, "Fake");
  await waitUntil(async () => (await calls(window, id))[0]?.error != null);
  assert.match((await calls(window, id))[0]?.error?.message ?? "", /at \/tool/);
  assert.equal(window.editor.models.asked.length, 2);
});

test("without a model the person answers, and is asked the first question", async (t) => {
  const { window: open } = await scene(t);
  await using window = open();
  const id = await ask(window);
  assert.match(window.editor.activeAnswer ?? "", /Step 1 of at most 25/);
  await answerStep(window, id, FINISH);
  assert.equal((await ended(window, id)).status, "complete");
  await waitUntil(async () => (await window.nodes())[0]?.row.description?.endsWith("answered by you") === true);
});

test("a model that is not available yet answers as soon as it is", async (t) => {
  const { window: open } = await scene(t);
  let id = "";
  {
    await using first = open((editor) => editor.models.offer("Fake", (_, signal) => new Promise((_, reject) => signal.addEventListener("abort", reject))));
    id = await ask(first, "Fake");
    await waitUntil(() => first.editor.models.asked.length === 1);
  }
  await using second = open();
  await waitUntil(() => second.editor.logged.some((line) => line.includes("the model fake/Fake is not available")));
  second.editor.models.offer("Fake", steps(FINISH));
  assert.equal((await ended(second, id)).status, "complete");
});

test("a refused edit changes nothing, and the agent learns that", async (t) => {
  const { window: open, read } = await scene(t);
  await using window = open((editor) => {
    editor.models.offer("Fake", steps(EDIT, FINISH));
    editor.onOffer = () => "Refuse";
  });
  const { output } = await ended(window, await ask(window, "Fake"));
  assert.deepEqual(output, ["1. applyEdit src/a.ts → the person refused the edit", "a is two"]);
  assert.equal(await read("src/a.ts"), "const a = 1;\n");
});

test("a dismissed question about an edit stays open and is asked again", async (t) => {
  const { window: open, read } = await scene(t);
  await using window = open((editor) => editor.models.offer("Fake", steps(EDIT, FINISH)));
  const id = await ask(window, "Fake");
  await waitUntil(() => window.editor.offered.length === 1);
  const row = async () => (await window.nodes())[0]?.children[0];
  await waitUntil(async () => (await row())?.row.context === "call edit");
  assert.equal((await row())?.row.label, "applyEdit");
  assert.equal((await row())?.row.description, "src/a.ts · waits for your consent");
  assert.equal(window.editor.statusText, "$(comment) $(edit) 1");
  const rs = await window.store.open();
  assert.equal((await readRunPage(rs, id, true)).calls.at(-1)?.action, "review");
  window.editor.onOffer = () => "Apply";
  await window.run("reviewEdit", await row());
  await ended(window, id);
  assert.equal(await read("src/a.ts"), "const a = 2;\n");
  await window.run("reviewEdit", "another");
  assert.match(window.editor.messages.at(-1) ?? "", /does not ask about that edit/);
  await waitUntil(() => window.editor.statusText === "$(comment)");
});

test("an edit whose question windows that close interrupt waits for the person", async (t) => {
  const { window: open, read } = await scene(t);
  let id = "";
  for (let reload = 0; reload < 4; reload += 1) {
    await using window = open((editor) => {
      editor.models.offer("Fake", steps(EDIT));
      editor.onOffer = () => Promise.reject(Object.assign(new Error("Canceled"), { name: "Canceled" }));
    });
    if (id === "") id = await ask(window, "Fake");
    await waitUntil(() => window.editor.logged.some((line) => line.includes("interrupted")));
    const [call] = (await calls(window, id)).filter(({ kind }) => kind !== "cc");
    assert.deepEqual([call?.outcome, call?.response], [null, null]);
  }
  await using last = open((editor) => {
    editor.models.offer("Fake", steps(FINISH));
    editor.onOffer = () => "Apply";
  });
  assert.equal((await ended(last, id)).status, "complete");
  assert.equal(await read("src/a.ts"), "const a = 2;\n");
});

test("an interrupted tool is tried again, however often", async (t) => {
  const { window: open } = await scene(t);
  let reads = 0;
  await using window = open((editor) => {
    editor.models.offer("Fake", steps({ tool: "readFile", path: "b.md" }, FINISH));
    const { workspace } = editor;
    const read = workspace.read.bind(workspace);
    workspace.read = (path) => (++reads < 4 ? Promise.reject(Object.assign(new Error("Canceled"), { name: "Canceled" })) : read(path));
  });
  const { output } = await ended(window, await ask(window, "Fake"));
  assert.match(output[0] ?? "", /^1\. readFile b\.md → \d+ lines$/);
});

test("an edit of a window that died before its answer is applied once", async (t) => {
  const { window: open, read } = await scene(t, { "src/a.ts": "a\n" });
  // The new text contains the old one, so applying it twice would be visible.
  const edit = { tool: "applyEdit", path: "src/a.ts", oldText: "a", newText: "a\na" };
  let id = "";
  {
    await using first = open((editor) => {
      editor.models.offer("Fake", steps(edit));
      editor.onOffer = () => "Apply";
      editor.workspace.afterWrite = () => new Promise(() => {});
    });
    id = await ask(first, "Fake");
    await waitUntil(() => first.editor.workspace.written.length === 1);
  }
  await using second = open((editor) => editor.models.offer("Fake", steps(FINISH)));
  const { result } = await ended(second, id);
  assert.deepEqual(result, { summary: "a is two", edited: ["src/a.ts"] });
  assert.equal(await read("src/a.ts"), "a\na\n");
  assert.deepEqual(second.editor.offered, [], "the person is not asked again");
  assert.deepEqual(second.editor.workspace.written, []);
});

test("an approved edit of a file that changed meanwhile is not applied", async (t) => {
  const { window: open, read, folder } = await scene(t);
  let id = "";
  {
    await using first = open((editor) => {
      editor.models.offer("Fake", steps(EDIT));
      editor.onOffer = () => "Apply";
      editor.workspace.write = () => new Promise(() => {});
    });
    id = await ask(first, "Fake");
    await waitUntil(() => first.editor.offered.length === 1);
    await waitUntil(async () => (await (await first.store.open()).documents.query("edit_decisions", {})).items.length === 1);
  }
  await writeFile(join(folder, "src/a.ts"), "const a = 10;\n");
  await using second = open((editor) => editor.models.offer("Fake", steps(FINISH)));
  const { output } = await ended(second, id);
  assert.match(output[0] ?? "", /approved the edit, but "src\/a\.ts" was changed by something else/);
  assert.equal(await read("src/a.ts"), "const a = 10;\n");
});

test("an edit that waits for the person is asked again by the next window", async (t) => {
  const { window: open, read } = await scene(t);
  let id = "";
  {
    await using first = open((editor) => {
      editor.models.offer("Fake", steps(EDIT));
      editor.onOffer = () => new Promise(() => {});
    });
    id = await ask(first, "Fake");
    await waitUntil(() => first.editor.offered.length === 1);
  }
  await using second = open((editor) => {
    editor.models.offer("Fake", steps(FINISH));
    editor.onOffer = () => "Apply";
  });
  await ended(second, id);
  assert.equal(await read("src/a.ts"), "const a = 2;\n");
});

test("a call of a window that was killed is claimed after its lease", async (t) => {
  const { window: opens, store } = await scene(t);
  let id = "";
  {
    await using first = opens((editor) => (editor.isTrusted = true));
    id = await ask(first);
  }
  // The killed window claims the question, then the tool call, and sends no heartbeat.
  const rs = await open(store);
  const run = await rs.run(id);
  await run.answer({ tool: "readFile", path: "b.md" }, { by: "Ada" });
  const [call] = (await rs.runs.calls({ execution: id, open: true })).items;
  const dead = await rs.runs.claim({ call: call?.id ?? "", owner: "killed", leaseMs: 1500 });
  assert.ok(dead);
  await using second = opens();
  await waitUntil(async () => (await calls(second, id))[1]?.outcome === "answered");
  await assert.rejects(rs.runs.complete(dead, { text: "late" }), { code: "stale_claim" });
  rs.close();
  const [, read, next] = await calls(second, id);
  assert.equal((read?.response?.result as { text: string }).text, "# B\n");
  assert.match(next?.prompt ?? "", /Step 2 of at most 25/);
});

test("an edit that cannot be written is reported after some attempts", async (t) => {
  const { window: open, read } = await scene(t);
  await using window = open((editor) => {
    editor.models.offer("Fake", steps(EDIT, FINISH));
    editor.onOffer = () => "Apply";
    editor.workspace.write = () => Promise.reject(new Error("the file is read-only"));
  });
  const { output } = await ended(window, await ask(window, "Fake"));
  assert.deepEqual(output, ["1. applyEdit src/a.ts → the file is read-only", "a is two"]);
  assert.equal(window.editor.offered.length, 1, "the person is asked once");
  assert.equal(await read("src/a.ts"), "const a = 1;\n");
});

test("of two windows one serves each call", async (t) => {
  const { window: open, read } = await scene(t);
  const prepare = (editor: FakeEditor): void => {
    const answers = [{ tool: "listFiles" }, { tool: "readFile", path: "b.md" }, { tool: "search", text: "B" }, EDIT, FINISH];
    editor.models.offer("Fake", ([prompt = ""]) => JSON.stringify(answers[Number(/Step (\d+)/.exec(prompt)?.[1]) - 1]));
    editor.onOffer = () => "Apply";
  };
  await using first = open(prepare);
  await using second = open(prepare);
  const { output } = await ended(first, await ask(first, "Fake"));
  assert.equal(output.length, 5);
  assert.equal(first.editor.models.asked.length + second.editor.models.asked.length, 5);
  assert.equal(first.editor.offered.length + second.editor.offered.length, 1);
  assert.equal(await read("src/a.ts"), "const a = 2;\n");
});

test("windows of another workspace serve nothing", async (t) => {
  const { window: open, base } = await scene(t);
  const other = join(base, "other");
  await mkdir(other);
  const serve = (editor: FakeEditor) => editor.models.offer("Fake", () => assert.fail("another workspace"));
  await using second = open((editor) => {
    serve(editor);
    editor.workspace = new FakeWorkspace(other);
  });
  let id = "";
  {
    await using first = open((editor) => editor.models.offer("Fake", steps({ tool: "listFiles" })));
    first.editor.models.onAsk = (_, signal) => new Promise((_, reject) => signal.addEventListener("abort", reject));
    id = await ask(first, "Fake");
    await waitUntil(() => first.editor.models.asked.length === 1);
  }
  await answerStep(second, id, { tool: "listFiles" });
  await second.store.refresh();
  await using third = open((editor) => editor.models.offer("Fake", steps(FINISH)));
  const { output } = await ended(third, id);
  assert.deepEqual(output, ["1. listFiles → 2 files", "a is two"]);
  assert.equal(second.editor.models.asked.length, 0);
});

test("a window without trust starts no agent and serves none", async (t) => {
  const { window: open } = await scene(t);
  let id = "";
  {
    await using first = open();
    id = await ask(first);
  }
  await using window = open((editor) => (editor.isTrusted = false));
  await window.run("askAgent");
  assert.match(window.editor.messages.at(-1) ?? "", /read-only/);
  await answerStep(window, id, { tool: "listFiles" });
  await window.store.refresh();
  assert.equal((await calls(window, id))[1]?.claim, null);
  window.editor.trust();
  await waitUntil(async () => (await calls(window, id))[1]?.outcome === "answered");
});

test("without a folder no agent is started", async () => {
  await using window = new FakeWindow();
  await window.run("askAgent");
  assert.match(window.editor.messages.at(-1) ?? "", /Open a folder first/);
});

test("the tools of a workspace serve agents only", async (t) => {
  const { window: open } = await scene(t);
  await using window = open();
  const agent = await ask(window);
  await answerStep(window, agent, { tool: "readFile", path: "b.md" });
  await waitUntil(async () => (await calls(window, agent)).some(({ kind, outcome }) => kind.startsWith("readFile@") && outcome === "answered"));
  const kind = (await calls(window, agent)).find(({ kind }) => kind.startsWith("readFile@"))?.kind;
  const rs = await window.store.open();
  await rs.load({ name: "spy", source: `function main() { return call("${kind}", { path: "b.md" }); }` });
  const { id } = await rs.start("spy");
  assert.deepEqual((await ended(window, id)).result, { error: "only an agent may use the tools of a workspace" });
});

test("a model answers an agent although many other questions are open", async (t) => {
  const { window: open } = await scene(t);
  await using window = open((editor) => editor.models.offer("Fake", steps(FINISH)), "memory:");
  const rs = await window.store.open();
  await rs.load({ name: "ask", source: 'CC("a?");' });
  for (let n = 0; n <= 500; n++) await rs.start("ask", {});
  assert.equal((await ended(window, await ask(window, "Fake"))).status, "complete");
});

test("an edit of a closed window, whose host goes on, waits in the next window", async (t) => {
  const { window: open, read } = await scene(t);
  await using first = open((editor) => {
    editor.models.offer("Fake", steps(EDIT));
    editor.onOffer = () => new Promise(() => {});
  });
  const id = await ask(first, "Fake");
  await waitUntil(() => first.editor.offered.length === 1);
  first.editor.isClosed = true;
  await using second = open((editor) => {
    editor.models.offer("Fake", steps(FINISH));
    editor.onOffer = () => "Apply";
  });
  assert.deepEqual((await ended(second, id)).result, { summary: "a is two", edited: ["src/a.ts"] });
  assert.deepEqual([first.editor.offered.length, second.editor.offered.length], [1, 1]);
  assert.equal(await read("src/a.ts"), "const a = 2;\n");
});
