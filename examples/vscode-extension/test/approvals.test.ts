// Calls of tools that await an approval, and "Run as Code".

import assert from "node:assert/strict";
import { test } from "node:test";

import { type Code, tool } from "runstate";

import type { Page } from "../src/editor.ts";
import type { RunPageData } from "../src/run-page.ts";
import { scene } from "./agent-scene.ts";
import { FakeWindow, file, waitUntil } from "./fake-editor.ts";

const PAY = "console.log('pays');\nreturn await tools.pay.refund({ order: 7 });";

/** Starts a script that waits for the approval of a payment; `code` serves its tools. */
async function startPayment(window: FakeWindow): Promise<{ code: Code; run: string }> {
  const rs = await window.store.open();
  const refund = tool({ approve: true, run: async ({ order }) => `refunded ${order}` });
  const code = rs.code({ tools: { pay: { refund } } });
  const { run, status } = await code.run(PAY);
  assert.equal(status, "waiting");
  return { code, run: run ?? "" };
}

async function rowOf(window: FakeWindow) {
  const [execution] = await window.nodes();
  return execution?.children[0];
}

test("a call that awaits an approval is in the tree, and is approved there", async () => {
  await using window = new FakeWindow();
  const { code, run } = await startPayment(window);
  const node = await rowOf(window);
  assert.ok(node);
  const { label, description, tooltip, context } = node.row;
  assert.deepEqual([label, description, context], ["pay.refund", '{"order":7} · waits for your approval', "call approval"]);
  assert.equal(tooltip, 'pay.refund {"order":7}\n\nwaits for your approval, line 2');
  await waitUntil(() => window.editor.statusText === "$(comment-unresolved) 1");
  assert.equal(window.editor.statusTooltip, "Runstate: 1 call waiting for your approval");
  await window.run("approve", node);
  const result = await code.result(run);
  assert.deepEqual(result.status === "complete" && result.result, "refunded 7");
  const rs = await window.store.open();
  const { items: [call] } = await rs.runs.calls({ execution: run });
  assert.equal(call?.approval?.by, "Ada");
  await waitUntil(() => window.editor.statusText === "$(comment)");
  await window.run("approve", node);
  assert.match(window.editor.messages.at(-1) ?? "", /^“pay\.refund” was already answered.*Nothing was changed\.$/);
  await code.close();
});

test("the page shows the tool, its arguments and its line, and rejects it", async () => {
  await using window = new FakeWindow();
  const { code, run } = await startPayment(window);
  let data: RunPageData | undefined;
  let handle: (message: unknown) => void = () => {};
  const send = (message: unknown) => void (data = message as RunPageData);
  const page: Page = { setTitle() {}, send, onMessage: (listener) => void (handle = listener), onClose() {} };
  window.editor.pageSource?.attach(run, page);
  handle({ type: "ready" });
  await waitUntil(() => data !== undefined);
  const [call] = data?.calls ?? [];
  assert.deepEqual([call?.text, call?.approval, call?.action], ["pay.refund", { args: '{\n  "order": 7\n}', line: 2 }, "decide"]);
  window.editor.onInput = ({ title }) => (title === "Reject pay.refund" ? { text: "too much" } : undefined);
  handle({ type: "reject", call: call?.id });
  await waitUntil(() => data?.status === "error");
  const result = await code.result(run);
  assert.deepEqual(result.status === "failed" && [result.error.name, result.error.message], ["RejectedError", "too much"]);
  await code.close();
});

test("a new call that awaits an approval is announced, and decided from there", async () => {
  await using window = new FakeWindow();
  window.editor.onOffer = () => "Review…";
  window.editor.onPick = (title, labels) => (title === 'pay.refund {"order":7}' ? labels[0] : undefined);
  const { code, run } = await startPayment(window);
  await waitUntil(() => window.editor.asked.length > 0);
  assert.equal((await code.result(run)).status, "complete");
  assert.match(window.editor.offered.join(), /^“script [0-9a-f]{6}” waits for your approval of pay\.refund\.$/);
  await code.close();
});

test("the list of what waits has questions and approvals", async () => {
  await using window = new FakeWindow();
  const { code } = await startPayment(window);
  await window.runProgram('CC("Continue?");');
  await window.waiting();
  await waitUntil(() => window.editor.statusTooltip === "Runstate: 1 open question, 1 call waiting for your approval");
  let shown: string[] = [];
  window.editor.onPick = (_, labels) => void (shown = labels);
  await window.run("answer");
  assert.deepEqual(shown, ['pay.refund {"order":7}', "Continue?"]);
  await code.close();
});

test("a window without trust approves nothing", async () => {
  await using window = new FakeWindow("memory:", (editor) => (editor.isTrusted = false));
  const { code } = await startPayment(window);
  await window.run("approve", await rowOf(window));
  assert.match(window.editor.messages.at(-1) ?? "", /read-only/);
  assert.deepEqual(window.editor.offered, []);
  assert.equal((await window.waiting()).length, 1);
  await code.close();
});

test("a file is run as a script with the tools of its workspace", async (t) => {
  const { window: open, base } = await scene(t, { "a.txt": "one\ntwo" });
  await using window = open();
  window.editor.active = file("count.ts", 'const { text } = await workspace.readFile({ path: "a.txt" });\nreturn text.split("\\n").length;');
  await window.run("runAsCode");
  const rs = await window.store.open();
  assert.equal(await (await rs.run(window.editor.shownPages[0] ?? "")).result(), 2);
  // What a tool refuses is an error of the script.
  window.editor.active = file("outside.ts", `return await workspace.readFile({ path: "../${base.split("/").at(-1)}" });`);
  await window.run("runAsCode");
  await assert.rejects(async () => (await rs.run(window.editor.shownPages[1] ?? "")).result(), /not a plain path/);
});

test("a script that does not compile is not run, and its problems are at their places", async (t) => {
  const { window: open } = await scene(t);
  await using window = open();
  window.editor.active = file("bad.ts", "return await workspace.writeFile({});\nreturn nothing;");
  await window.run("runAsCode");
  assert.deepEqual(window.editor.shownPages, []);
  const problems = window.editor.shownProblems.get("file:///bad.ts") ?? [];
  assert.deepEqual(problems.map(({ line, column }) => [line, column]), [[1, 24], [2, 8]]);
  assert.match(window.editor.messages.at(-1) ?? "", /bad\.ts was not run: 2 compile errors, the first in line 1\./);
});
