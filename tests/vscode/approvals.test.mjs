// Scripts of `rs.code` in a real VS Code: the calls of another process wait for approvals in the window, and a file of
// the folder is run as a script. See `extension.test.mjs` for the variables.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { FULL, IN_FULL } from "../browser/support/full.js";
import { newWorkbench, startServer } from "./support/code-server.js";
import { Workbench, inBrowser } from "./support/workbench.js";

const VSIX = process.env.RUNSTATE_VSIX ?? "";
const COUNT = 'const { text } = await workspace.readFile({ path: "notes.md" });\nreturn text.split("\\n").length;\n';
const FILES = { "count.run.ts": COUNT, "notes.md": "# Notes\n\nThe greeting is too short." };
const REFUND = "return await tools.pay.refund({ order: input });";

let bench;
let server;
let store;

before(async () => {
  if (!FULL) return;
  store = await mkdtemp(join(tmpdir(), "runstate-approvals-"));
  bench = await newWorkbench(VSIX, FILES, { settings: { "runstate.storeFolder": store } });
  server = await startServer(bench);
});

after(async () => {
  await server?.stop();
  await bench?.remove();
  if (store !== undefined) await rm(store, { recursive: true, force: true, maxRetries: 10 });
});

test("scripts of another process are approved and rejected in a window", IN_FULL, async () => {
  const { open, tool } = createRequire(new URL("../../examples/vscode-extension/package.json", import.meta.url))("runstate");
  const rs = await open(`file:${store}`);
  const code = rs.code({ tools: { pay: { refund: tool({ approve: true, run: async ({ order }) => `refunded ${order}` }) } } });
  try {
    await inBrowser(async (browser) => {
      const workbench = await Workbench.open(browser, server.url);
      await workbench.showTree();
      const first = await code.run(REFUND.replace("input", "7"));
      await workbench.message("waits for your approval of pay.refund").waitFor();
      await workbench.row("pay.refund").waitFor();
      await workbench.status().locator("text=1").waitFor();
      await workbench.openRow("pay.refund", workbench.choice("Approve"));
      await workbench.screenshot("approval-choice");
      await workbench.choice("Approve").click();
      await workbench.row("complete").waitFor();
      assert.equal((await code.result(first.run)).result, "refunded 7");

      const second = await code.run(REFUND.replace("input", "8"));
      await workbench.row("waiting").waitFor();
      await workbench.openRow("waiting", workbench.webview().locator("button.secondary"));
      assert.match(await workbench.webview().locator("li.waiting").innerText(), /pay\.refund\s+\{\s+"order": 8\s+\}\s+line 1 · waits for your approval/);
      await workbench.screenshot("approval-page");
      await workbench.webview().locator("button.secondary").click();
      await workbench.quickInput("The reason").waitFor();
      await workbench.page.keyboard.type("too much");
      await workbench.page.keyboard.press("Enter");
      await workbench.row("failed").waitFor();
      const { error } = await code.result(second.run);
      assert.deepEqual([error.name, error.message], ["RejectedError", "too much"]);
    });
  } finally {
    await code.close();
    await rs.close();
  }
});

test("a file is run as a script with the tools of its folder", IN_FULL, async () => {
  await inBrowser(async (browser) => {
    const workbench = await Workbench.open(browser, server.url);
    await workbench.openProgram("count.run.ts");
    await workbench.command("Runstate: Run as Code");
    await workbench.webview().locator(".chip.complete").waitFor();
    assert.match(await workbench.webview().locator("#page").innerText(), /Result\s+3/i);
    await workbench.screenshot("run-as-code");
  });
});
