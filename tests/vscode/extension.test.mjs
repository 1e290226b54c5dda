// The extension of `examples/vscode-extension` in a real VS Code: code-server in headless Chromium. Nothing may be lost or doubled when a window is
// reloaded in mid-question, when the extension host is killed, or when two windows answer.
//
// RUNSTATE_CODE_SERVER is the entry script of code-server, RUNSTATE_VSIX the packed extension. RUNSTATE_SCREENSHOTS is a folder for pictures.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { kill, launch, newProfile } from "../browser/support/chromium.js";
import { IN_FULL } from "../browser/support/full.js";
import { newWorkbench, startServer } from "./support/code-server.js";
import { Workbench, explained, inBrowser } from "./support/workbench.js";

const VSIX = process.env.RUNSTATE_VSIX ?? "";
const TRIP = await readFile(new URL("../../examples/vscode-extension/programs/trip.run.ts", import.meta.url), "utf8");

const FILES = { "trip.run.ts": TRIP, "plan.run.ts": TRIP, "bad.run.ts": "let x = 1;\nlet y: = 2;\n" };

let bench;
let server;

before(async () => {
  bench = await newWorkbench(VSIX, FILES);
  server = await startServer(bench);
});

after(async () => {
  await server?.stop();
  await bench?.remove();
});

/** Runs the example to its first question, which is left open. */
async function startTrip(workbench, file = "trip.run.ts") {
  await workbench.openProgram(file);
  await workbench.showTree();
  await workbench.command("Runstate: Run Current File");
  await workbench.choice("Lisbon").waitFor();
}

test("an execution survives a reload and a killed extension host", async () => {
  await inBrowser(async (browser) => {
    const workbench = await Workbench.open(browser, server.url);
    const { page } = workbench;

    await startTrip(workbench);
    await workbench.webview().locator(".line.waiting").waitFor();
    await workbench.screenshot("quick-pick");
    await workbench.choice("Oslo").click();
    await workbench.quickInput("How many days in Oslo?").waitFor();
    await page.keyboard.type("1");
    await workbench.screenshot("input-box");
    // The draft is stored when typing rests.
    await page.waitForTimeout(800);

    await workbench.reload();
    await workbench.showTree();
    await workbench.row("How many days in Oslo?").waitFor();
    await workbench.webview().locator("text=A trip to Oslo.").waitFor();
    await workbench.status().locator("text=1").waitFor();
    await workbench.openRow("How many days in Oslo?", workbench.quickInput("How many days in Oslo?"));
    assert.equal(await page.locator(".quick-input-widget input").first().inputValue(), "1", "the draft survives the reload");
    await page.keyboard.type("2");
    await page.keyboard.press("Enter");
    await page.waitForSelector('.tab:has-text("Who travels")');
    await workbench.webview().locator(`.prompt:has-text("Who travels?")`).waitFor();
    await page.waitForTimeout(1500);
    await workbench.screenshot("json-editor");
    await workbench.screenshot("run-view");

    assert.equal(await server.killExtensionHosts(), 1);
    await workbench.reload();
    await workbench.showTree();
    await workbench.row("Who travels?").waitFor();
    await page.waitForSelector('.tab:has-text("Who travels")');
    await workbench.replaceText("Who travels", '{ "name": "Ada", "seat": "aisle" }');
    await workbench.command("Runstate: Send Answer");
    await workbench.row("What should the host know?").waitFor();
    await workbench.screenshot("tree");
    await workbench.openRow("What should the host know?", workbench.quickInput("What should the host know?"));
    await page.keyboard.type("She likes coffee.");
    await page.keyboard.press("Enter");
    await workbench.row("complete").waitFor();
    const text = await workbench.webview().locator("#page").innerText();
    for (const expected of ["A trip to Oslo.", "Day 3: find the best coffee.", "Ada sits at the aisle.", '"days": 12', "She likes coffee."]) {
      assert.ok(text.includes(expected), `${expected} is missing in ${text}`);
    }
    assert.equal(await workbench.webview().locator(".timeline li").count(), 4, "each question was asked once");
    await workbench.screenshot("complete");
  });
});

test("the page of a killed extension host goes on with the next host", async () => {
  // Those of closed windows, which wait for them to come back.
  const earlier = await server.extensionHosts();
  await inBrowser(async (browser) => {
    const workbench = await Workbench.open(browser, server.url);
    const { page } = workbench;
    await startTrip(workbench);
    await workbench.webview().locator(".line.waiting").waitFor();
    await page.keyboard.press("Escape");
    await workbench.row("Where do you want to go?").waitFor();
    const hosts = (await server.extensionHosts()).filter((pid) => !earlier.includes(pid));
    assert.equal(await server.killExtensionHosts(hosts), 1);
    // The tree is empty until the window has started another host.
    await page.locator(".sidebar .monaco-list-row").first().waitFor({ state: "detached" });
    assert.equal(await page.locator(".sidebar :text('No program has run yet')").count(), 0);
    await workbench.screenshot("killed-host");
    await workbench.openRow("Where do you want to go?", workbench.choice("Oslo"));
    await workbench.choice("Oslo").click();
    await workbench.webview().locator('.prompt:has-text("How many days in Oslo?")').waitFor();
    assert.equal(await page.locator('.tab:has-text("trip —")').count(), 1, "the page of the dead host is closed");
    await workbench.screenshot("next-host");
  });
});

test("a question that another window has answered says so", IN_FULL, async () => {
  await inBrowser(async (browser) => {
    const first = await Workbench.open(browser, server.url);
    await startTrip(first);
    const second = await Workbench.open(browser, server.url);
    await second.showTree();
    await second.openRow("Where do you want to go?", second.choice("Kyoto"));
    await second.choice("Kyoto").click();
    await second.quickInput("How many days in Kyoto?").waitFor();
    await first.page.bringToFront();
    await first.choice("Lisbon").click();
    await first.message("was already answered by VS Code").waitFor();
    await first.row("How many days in Kyoto?").waitFor();
    await first.screenshot("two-windows");
  });
});

test("compile errors are shown in the editor, and the program is not run", IN_FULL, async () => {
  await inBrowser(async (browser) => {
    const workbench = await Workbench.open(browser, server.url);
    await workbench.openProgram("bad.run.ts");
    await workbench.page.locator(".squiggly-error").first().waitFor();
    await workbench.command("Runstate: Run Current File");
    await workbench.message("bad.run.ts was not run: 1 compile error, the first in line 2.").waitFor();
    await workbench.screenshot("compile-error");
  });
});

test("the editor knows the globals of programs when their types are added", IN_FULL, async () => {
  await inBrowser(async (browser) => {
    const workbench = await Workbench.open(browser, server.url);
    await workbench.openFile("trip.run.ts");
    await workbench.page.locator(".squiggly-error").first().waitFor();
    await workbench.command("Runstate: Add Types of Programs");
    await workbench.message("The declarations are in runstate.d.ts.").waitFor();
    await workbench.page.locator(".squiggly-error").first().waitFor({ state: "detached" });
    await workbench.screenshot("types");
  });
});

test("an execution is resumed from its program, and its turns are compared", IN_FULL, async () => {
  await inBrowser(async (browser) => {
    const workbench = await Workbench.open(browser, server.url);
    const { page } = workbench;
    await startTrip(workbench, "plan.run.ts");
    await workbench.choice("Oslo").click();
    await workbench.quickInput("How many days in Oslo?").waitFor();
    await page.keyboard.press("Escape");
    await workbench.lens("Resume").waitFor();
    await workbench.screenshot("resume-lens");
    await workbench.lens("Resume").click();
    await workbench.quickInput("How many days in Oslo?").waitFor();
    await page.keyboard.type("2");
    await page.keyboard.press("Enter");
    await page.waitForSelector('.tab:has-text("Who travels")');

    const view = workbench.webview();
    await view.locator("summary").click();
    await view.locator('select[aria-label="Earlier turn"]').selectOption("1");
    await view.locator('.changed:has-text("where"):has-text("\'Oslo\'")').waitFor();
    assert.equal(await view.locator(".comparison .added").innerText(), "A trip to Oslo.\nDay 1: find the best coffee.\nDay 2: find the best coffee.");
    assert.deepEqual(await view.locator(".changed th code").allInnerTexts(), ["where", "days", "day"]);
    await workbench.screenshot("compare-dark");
    await workbench.command("Preferences: Toggle between Light/Dark Themes");
    await page.waitForSelector(".monaco-workbench.vs");
    await workbench.screenshot("compare-light");
    await workbench.command("Preferences: Toggle between Light/Dark Themes");
    await page.waitForSelector(".monaco-workbench.vs-dark");
    await workbench.reload();
    await workbench.webview().locator('.changed:has-text("where"):has-text("\'Oslo\'")').waitFor();
  });
});

test("an execution on the web survives a killed browser", async () => {
  await server.stop();
  await bench.remove();
  bench = await newWorkbench(VSIX, FILES, { host: "web", settings: { "workbench.colorTheme": "Default Light Modern" } });
  server = await startServer(bench);
  const profile = await newProfile();
  try {
    const browser = await launch(profile);
    await explained(browser, async () => {
      const workbench = await Workbench.open(browser, server.url);
      await startTrip(workbench);
      await workbench.choice("Oslo").click();
      await workbench.quickInput("How many days in Oslo?").waitFor();
      await workbench.webview().locator("text=A trip to Oslo.").waitFor();
      await workbench.screenshot("web-light");
    });
    await kill(profile);
    const restarted = await launch(profile);
    await explained(restarted, async () => {
      const again = await Workbench.open(restarted, server.url);
      await again.showTree();
      await again.row("How many days in Oslo?").waitFor();
    });
    await restarted.close();
  } finally {
    await kill(profile).catch(() => {});
    await profile.remove();
  }
});
