import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeWindow, file, waitUntil } from "./fake-editor.ts";

const ASK = 'console.log(CC("Continue?"));';
const PROGRAM = file("trip.run.ts", `// A trip.\nfunction main() { ${ASK} }`);

function titles(window: FakeWindow, program = PROGRAM): string[] {
  return window.editor.lensSource?.lenses(program).map(({ line, title }) => `${line} ${title}`) ?? [];
}

/** Clicks "Resume" above a program. */
async function resume(window: FakeWindow): Promise<void> {
  const lens = window.editor.lensSource?.lenses(PROGRAM).find(({ title }) => title.includes("Resume"));
  assert.equal(lens?.command, "runstate.resumeProgram");
  await window.run("resumeProgram", lens.argument);
}

test("resume is offered above main while an execution of the program waits", async () => {
  await using window = new FakeWindow();
  let drawn = 0;
  window.editor.lensSource?.onChange(() => drawn++);
  assert.deepEqual(titles(window), ["2 $(play) Run"]);
  const id = await window.runProgram(ASK);
  await waitUntil(() => drawn === 1);
  assert.deepEqual(titles(window), ["2 $(play) Run", "2 $(debug-continue) Resume"]);
  assert.deepEqual(titles(window, file("other.run.ts", ASK)), ["1 $(play) Run"]);
  assert.deepEqual(titles(window, file("trip.md", ASK, "markdown")), []);
  const rs = await window.store.open();
  await (await rs.run(id)).answer("yes");
  await waitUntil(() => drawn === 2);
  assert.deepEqual(titles(window), ["2 $(play) Run"]);
});

test("an answer in an editor has a link that sends it", async () => {
  await using window = new FakeWindow();
  const answer = { ...file("a.json", "{}", "json"), uri: "runstate-answer:/call/a.json" };
  const lenses = window.editor.lensSource?.lenses(answer);
  assert.deepEqual(lenses, [{ line: 1, title: "$(send) Send", command: "runstate.sendAnswer" }]);
});

test("resume shows the page of the execution and asks its question", async () => {
  await using window = new FakeWindow();
  const id = await window.runProgram(ASK);
  await window.store.refresh();
  window.editor.onInput = () => ({ text: "yes" });
  await resume(window);
  assert.deepEqual(window.editor.shownPages, [id, id]);
  const rs = await window.store.open();
  assert.deepEqual(await (await rs.run(id)).output(), ["yes"]);
});

test("a paused execution is continued, and one of several is chosen", async () => {
  await using window = new FakeWindow();
  const first = await window.runProgram(ASK);
  const second = await window.runProgram(ASK);
  const rs = await window.store.open();
  await (await rs.run(first)).pause();
  await window.store.refresh();
  assert.deepEqual(titles(window), ["2 $(play) Run", "2 $(debug-continue) Resume (2)"]);
  window.editor.pick = async (title, _placeholder, choices) => {
    assert.equal(title, "Resume an execution");
    return choices.find(({ description }) => description?.includes("paused"));
  };
  await resume(window);
  assert.equal(window.editor.shownPages.at(-1), first);
  assert.deepEqual(await Promise.all([first, second].map(async (id) => (await rs.run(id)).status)), ["waiting_cc", "waiting_cc"]);
});

test("resume of an execution that has ended meanwhile says so", async () => {
  await using window = new FakeWindow();
  await window.run("resumeProgram", "trip");
  assert.deepEqual(window.editor.messages, ["No execution of this program waits any more."]);
});
