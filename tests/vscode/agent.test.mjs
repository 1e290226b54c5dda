// An agent in a real VS Code. code-server offers no language model, so the person answers each step; the tools are served by the extension. The window
// is reloaded between two steps, and its extension host is killed while an edit waits for the person. See `extension.test.mjs` for the variables.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { FULL, IN_FULL } from "../browser/support/full.js";
import { newWorkbench, startServer } from "./support/code-server.js";
import { Workbench, inBrowser } from "./support/workbench.js";

const VSIX = process.env.RUNSTATE_VSIX ?? "";
const FILES = {
  "greeting.ts": '// The text on the first page.\nexport const greeting = "Hello";\n',
  "notes.md": "# Notes\n\nThe greeting is too short.\n",
};

/** How long the lease of a killed window and the start of the next one may take, in milliseconds. */
const TAKEOVER_MS = 60_000;

let bench;
let server;

before(async () => {
  if (!FULL) return;
  bench = await newWorkbench(VSIX, FILES);
  server = await startServer(bench);
});

after(async () => {
  await server?.stop();
  await bench?.remove();
});

/** Answers an open step in its editor. */
async function answerStep(workbench, number, step) {
  const { page } = workbench;
  await workbench.replaceText(`Step ${number}`, JSON.stringify(step));
  await workbench.command("Runstate: Send Answer");
  await page.locator(`.tab:has-text("Step ${number}")`).waitFor({ state: "detached" });
}

/** Opens a step from the tree. Its rows are drawn again while the extension starts, and a click on one that is replaced is lost. */
async function openStep(workbench, number) {
  const tab = workbench.page.locator(`.tab:has-text("Step ${number}")`).first();
  await workbench.openRow(`Step ${number} of`, tab);
}

/** Opens a window and asks an agent; its first step is open. */
async function startAgent(browser) {
  const workbench = await Workbench.open(browser, server.url);
  const { page } = workbench;
  await workbench.showTree();
  await workbench.command("Runstate: Ask an Agent");
  await workbench.quickInput("The task for this folder").waitFor();
  await page.keyboard.type("Make the greeting longer");
  await workbench.screenshot("agent-task");
  await page.keyboard.press("Enter");
  await page.waitForSelector('.tab:has-text("Step 1")');
  return workbench;
}

async function runAgent(browser) {
  const workbench = await startAgent(browser);
  const { page } = workbench;
  await answerStep(workbench, 1, { tool: "search", text: "greeting" });
  await workbench.row("Step 2 of").waitFor();
  await workbench.webview().locator('text=1. search "greeting" → 2 matches').waitFor();

  await workbench.reload();
  await workbench.showTree();
  await openStep(workbench, 2);
  await answerStep(workbench, 2, { tool: "readFile", path: "greeting.ts" });
  await openStep(workbench, 3);
  await workbench.webview().locator("text=2. readFile greeting.ts → 3 lines").waitFor();
  await workbench.screenshot("agent-step");
  await answerStep(workbench, 3, { tool: "applyEdit", path: "greeting.ts", oldText: '"Hello"', newText: '"Hello, how are you?"' });
  await workbench.message("An agent wants to edit greeting.ts.").waitFor();
  await workbench.row("applyEdit").waitFor();
  await page.waitForSelector(".monaco-diff-editor .char-insert");
  await workbench.screenshot("agent-edit");

  assert.equal(await server.killExtensionHosts(), 1);
  assert.equal(await readFile(join(bench.workspace, "greeting.ts"), "utf8"), FILES["greeting.ts"]);
  await workbench.reload();
  await workbench.showTree();
  await workbench.message("An agent wants to edit greeting.ts.").waitFor({ timeout: TAKEOVER_MS });
  await page.locator('.notification-list-item .monaco-button:has-text("Apply")').click();
  await openStep(workbench, 4);
  assert.equal(await readFile(join(bench.workspace, "greeting.ts"), "utf8"), FILES["greeting.ts"].replace("Hello", "Hello, how are you?"));
  await page.locator('.tab:has-text("proposed edit")').waitFor({ state: "detached" });
  await answerStep(workbench, 4, { tool: "finish", summary: "The greeting asks a question now." });
  await workbench.row("complete").waitFor();
  const text = await workbench.webview().locator("#page").innerText();
  for (const expected of ["3. applyEdit greeting.ts → applied", "The greeting asks a question now."]) {
    assert.ok(text.includes(expected), `${expected} is missing in ${text}`);
  }
  assert.equal(await workbench.webview().locator(".timeline li").count(), 7, "each step was asked once, each tool called once");
  await workbench.screenshot("agent-complete");
}

test("an agent survives a reload and a kill while an edit waits", IN_FULL, () => inBrowser(runAgent));

test("the tools of an agent are served on the web", IN_FULL, async () => {
  await server.stop();
  await bench.remove();
  bench = await newWorkbench(VSIX, FILES, { host: "web", settings: { "workbench.colorTheme": "Default Light Modern" } });
  server = await startServer(bench);
  await inBrowser(async (browser) => {
    const workbench = await startAgent(browser);
    await answerStep(workbench, 1, { tool: "search", text: "greeting" });
    await openStep(workbench, 2);
    await workbench.webview().locator('text=1. search "greeting" → 2 matches').waitFor();
    await answerStep(workbench, 2, { tool: "applyEdit", path: "docs.md", newText: "# Documentation\n" });
    await workbench.message("An agent wants to create docs.md.").waitFor();
    await workbench.page.waitForSelector(".monaco-diff-editor .line-insert");
    await workbench.screenshot("agent-web");
    await workbench.page.locator('.notification-list-item .monaco-button:has-text("Apply")').click();
    await workbench.row("Step 3 of").waitFor();
    assert.equal(await readFile(join(bench.workspace, "docs.md"), "utf8"), "# Documentation\n");
  });
});
