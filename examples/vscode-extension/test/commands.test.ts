import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import type { Page } from "../src/editor.ts";
import type { RunPageData } from "../src/run-page.ts";
import { runPageHtml } from "../src/run-page-html.ts";
import { FakeWindow, waitUntil } from "./fake-editor.ts";

const ASK = 'console.log("hi"); const a = CC("Continue?", { choices: ["yes"] });';

test("an execution is paused, resumed, cancelled and deleted from its node", async () => {
  await using window = new FakeWindow();
  await window.runProgram(ASK);
  const act = async (name: string) => window.run(name, (await window.nodes())[0]);
  await act("pause");
  assert.deepEqual(await window.rows(), ["trip [execution paused]", "  Continue? [call answerable]"]);
  await act("resume");
  assert.equal((await window.rows())[0], "trip [execution waiting_cc]");
  window.editor.confirms = false;
  await act("cancel");
  assert.equal((await window.rows())[0], "trip [execution waiting_cc]");
  window.editor.confirms = true;
  await act("cancel");
  assert.deepEqual(await window.rows(), ["trip [execution cancelled]"]);
  await act("delete");
  assert.deepEqual(await window.rows(), []);
});

test("a failed execution is retried at the instruction that failed", async () => {
  await using window = new FakeWindow();
  const id = await window.runProgram('throw new Error("no");');
  assert.deepEqual(await window.rows(), ["trip [execution error]"]);
  await window.run("retry", (await window.nodes())[0]);
  const rs = await window.store.open();
  assert.equal((await rs.run(id)).status, "error");
  assert.deepEqual(window.editor.messages, []);
});

test("a command without a node asks for an execution that it suits", async () => {
  await using window = new FakeWindow();
  await window.runProgram(ASK);
  window.editor.onPick = (_, labels) => labels[0];
  await window.run("pause");
  assert.equal(window.editor.asked.at(-1), "Pause an execution");
  await window.run("retry");
  assert.match(window.editor.messages.at(-1) ?? "", /No execution has a status/);
});

test("the tree and the count follow changes", async () => {
  await using window = new FakeWindow();
  await window.runProgram(ASK);
  await waitUntil(() => window.editor.statusText === "$(comment-unresolved) 1");
  const rs = await window.store.open();
  const [call] = await window.waiting();
  await (await rs.run(call?.executionId ?? "")).answer("yes");
  await waitUntil(() => window.editor.statusText === "$(comment)");
});

test("a store is exported, imported into another window and verified", async () => {
  await using first = new FakeWindow();
  await first.runProgram(ASK);
  await first.run("export");
  await using second = new FakeWindow();
  second.editor.chosen = first.editor.saved;
  await second.run("import");
  assert.deepEqual(await second.rows(), await first.rows());
  await second.run("verify");
  assert.match(second.editor.messages.at(-1) ?? "", /The storage is intact/);
});

test("answers that another window had begun are imported with consent only", async () => {
  await using first = new FakeWindow();
  first.editor.onInput = (input) => void input.onChange?.("half an ans");
  await first.runProgram('CC("A letter?");');
  await first.run("export");
  await using second = new FakeWindow();
  second.editor.chosen = first.editor.saved;
  second.editor.confirms = false;
  await second.run("import");
  assert.deepEqual(await second.rows(), []);
  second.editor.confirms = true;
  await second.run("import");
  assert.deepEqual(await second.rows(), await first.rows());
});

test("an untrusted window shows executions and changes nothing", async () => {
  await using window = new FakeWindow("memory:", (editor) => (editor.isTrusted = false));
  await window.runProgram(ASK);
  assert.match(window.editor.messages.at(-1) ?? "", /read-only, because the workspace is not trusted/);
  assert.deepEqual(await window.rows(), []);
  window.editor.trust();
  await window.runProgram(ASK);
  assert.equal((await window.rows()).length, 2);
});

test("a store that cannot be opened is shown, and opened as soon as it can b", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "runstate-extension-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "store");
  await writeFile(path, "in the way");
  await using window = new FakeWindow(`file:${path}`);
  await waitUntil(() => window.editor.statusText === "$(warning) Runstate");
  assert.deepEqual((await window.editor.source?.roots())?.map(({ row }) => row.label), ["The store cannot be read"]);
  await rm(path);
  await waitUntil(() => window.editor.statusText === "$(comment)");
  assert.deepEqual(await window.rows(), []);
});

/** Attaches a page to an execution; `data()` is what it drew last. */
function attach(window: FakeWindow, id: string) {
  let last: RunPageData | undefined;
  let handle: (message: unknown) => void = () => {};
  const page: Page = {
    setTitle() {},
    send: (message) => void (last = message as RunPageData),
    onMessage: (listener) => void (handle = listener),
    onClose() {},
  };
  window.editor.pageSource?.attach(id, page);
  handle({ type: "ready" });
  return { data: () => last, handle: (message: unknown) => handle(message) };
}

test("the page shows calls, output, variables and the line that waits", async () => {
  await using window = new FakeWindow();
  const id = await window.runProgram(ASK);
  const page = attach(window, id);
  await waitUntil(() => page.data() !== undefined);
  const data = page.data();
  assert.deepEqual(data?.output, ["hi"]);
  assert.deepEqual(data?.calls.map(({ text, action }) => [text, action]), [["Continue?", "answer"]]);
  assert.deepEqual(data?.lines, [{ line: 1, text: "Continue?", kind: "waiting" }]);
  assert.ok(data?.frames.some(({ variables }) => variables.some(({ name }) => name === "a")));
  window.editor.onPick = () => "yes";
  page.handle({ type: "answer", call: data?.calls[0]?.id });
  await waitUntil(() => page.data()?.status === "complete");
  assert.deepEqual(page.data()?.calls.map(({ answer, by }) => [answer, by]), [["yes", "Ada"]]);
});

test("the page of a deleted execution says so", async () => {
  await using window = new FakeWindow();
  const page = attach(window, "missing");
  await waitUntil(() => page.data() !== undefined);
  assert.match(JSON.stringify(page.data()), /deleted/);
});

test("the page allows no network and no inline code", () => {
  const html = runPageHtml({ id: '"><script>', state: '"><script>', script: "s.js", style: "s.css", origin: "https://x" });
  assert.match(html, /default-src 'none'; style-src https:\/\/x; script-src https:\/\/x"/);
  assert.doesNotMatch(html, /"><script>|unsafe/);
});
