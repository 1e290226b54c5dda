// The demo page at a first visit: its texts and controls, on a desktop and on a phone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { withBrowser } from "./support/chromium.js";
import { EXAMPLES, demo, waitUntilOpen, runExample, visit } from "./support/demo.js";

const PHONE = { width: 360, height: 740 };

let server;
before(async () => void (server = await demo()));
after(() => server?.stop());

test("a slow connection shows the loading progress of the engine", () =>
  withBrowser(async (browser) => {
    let release;
    const released = new Promise((resolve) => (release = resolve));
    const slow = await demo({ hold: (path) => (path.includes(".wasm") ? released : undefined) });
    try {
      const page = await browser.newPage();
      await page.goto(slow.url);
      await page.waitForFunction(() => Number(document.querySelector('[data-testid="engine-progress"]')?.dataset.percent) > 0);
      const percent = Number(await page.getByTestId("engine-progress").getAttribute("data-percent"));
      assert.ok(percent > 20 && percent < 80, `half of the file is loaded, and the page shows ${percent} %`);
      release();
      await page.getByTestId("play").waitFor();
      await waitUntilOpen(page);
    } finally {
      release();
      await slow.stop();
    }
  }));

test("the first screen has the sentence, the command and the large button", () =>
  withBrowser(async (browser) => {
    for (const viewport of [PHONE, { width: 1280, height: 800 }]) {
      const page = await visit(browser, server.url);
      await page.setViewportSize(viewport);
      const hero = page.getByTestId("hero");
      assert.match(await hero.innerText(), /durable execution in your browser tab/i);
      assert.match(await hero.innerText(), /npm i runstate/);
      const { y, height } = await page.getByTestId("play").boundingBox();
      assert.ok(y + height < viewport.height && height >= 48, "the large button is on the first screen");
      const link = await page.getByTestId("source-link").evaluate(({ href }) => href);
      // Tests do not request addresses outside of this machine, such as that of the repository.
      if (link.startsWith(server.url)) assert.equal((await page.request.head(link)).status(), 200, link);
      else assert.match(link, /^https?:/);
      assert.doesNotMatch(await page.locator("header").innerText(), /IndexedDB|best effort|timers/i);
    }
  }));

test("on a phone the list of executions is one press away", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.setViewportSize(PHONE);
    const id = await runExample(page, "review");
    await page.getByTestId("question").first().waitFor();
    assert.equal(await page.getByTestId("executions").isVisible(), false);
    await page.getByTestId("to-list").click();
    const row = page.locator(`[data-testid="execution-row"][data-id="${id}"]`);
    const { y } = await row.boundingBox();
    assert.ok(y < PHONE.height, "the row is on the screen");
    await row.click();
    await page.getByTestId("question").first().waitFor();
    assert.equal(await page.getByTestId("executions").isVisible(), false);
  }));

test("every control on a phone is at least 44 px high and wide", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.setViewportSize(PHONE);
    const found = [await tooSmall(page, "the start")];
    await page.getByTestId("kill").click();
    found.push(await tooSmall(page, "the kill dialog"));
    await page.getByTestId("kill-dialog").getByTestId("close-dialog").click();
    for (const name of ["review", ...EXAMPLES]) {
      await runExample(page, name);
      await page.getByTestId("question").first().waitFor();
      found.push(await tooSmall(page, name));
    }
    await page.getByTestId("to-list").click();
    found.push(await tooSmall(page, "the list"));
    assert.deepEqual(found.flat(), []);
  }));

test("the kill dialog is closed by its button and by Escape", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    const shown = page.locator('dialog[open][data-testid="kill-dialog"]');
    for (const close of [() => shown.getByTestId("close-dialog").click(), () => page.keyboard.press("Escape")]) {
      await page.getByTestId("kill").click();
      await shown.waitFor();
      await close();
      await shown.waitFor({ state: "hidden" });
    }
  }));

test("an execution is deleted only after a confirmation", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    const id = await runExample(page, "review");
    page.once("dialog", (dialog) => dialog.dismiss());
    await page.getByTestId("action-delete").click();
    assert.equal(await page.evaluate(async (id) => (await rs.run(id)).status, id), "waiting_cc");
    page.once("dialog", (dialog) => dialog.accept());
    await page.getByTestId("action-delete").click();
    await page.getByTestId("hero").waitFor();
    await page.locator(`[data-testid="execution-row"][data-id="${id}"]`).waitFor({ state: "detached" });
  }));

test("a toast has its title and its text on separate lines", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.getByTestId("install").click();
    const title = await page.getByTestId("notice-title").boundingBox();
    const text = await page.getByTestId("notice-text").boundingBox();
    assert.ok(text.y >= title.y + title.height, JSON.stringify({ title, text }));
  }));

test("a changed example gets a name of its own", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    assert.equal(await page.getByTestId("program-name").inputValue(), "review");
    await page.getByTestId("editor-field").click();
    await page.keyboard.press("ControlOrMeta+End");
    await page.keyboard.type("// mine");
    assert.equal(await page.getByTestId("program-name").inputValue(), "my-review");
    await page.getByTestId("run").click();
    await page.getByTestId("question").first().waitFor();
    assert.match(await page.getByTestId("execution-title").innerText(), /^my-review/);
  }));

test("the text of the editor covers its highlighted lines", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    for (const viewport of [PHONE, { width: 1280, height: 800 }]) {
      await page.setViewportSize(viewport);
      await page.getByTestId("editor-field").fill(`function main() {\n  const text = "${"word ".repeat(60)}";${" ".repeat(90)}\n}\n`);
      await page.locator('[data-testid="editor"] .tok-keyword').first().waitFor();
      const [lines, text] = await page.getByTestId("editor").evaluate((editor) => {
        const [field, lines] = [editor.querySelector("textarea"), editor.querySelector(".lines")];
        // Both are as high as their text now, not as high as the editor.
        for (const { style } of [field, lines]) Object.assign(style, { alignSelf: "start", height: "auto", minHeight: "0" });
        field.rows = 1;
        return [lines.getBoundingClientRect().height, field.scrollHeight];
      });
      assert.ok(Math.abs(lines - text) < 2, `the lines are ${lines} px high, the text ${text} px`);
    }
  }));

/** Finds visible controls that are smaller than 44 px. */
async function tooSmall(page, where) {
  const found = await page.evaluate(() => {
    const all = document.querySelectorAll("a[href], button, input, select, textarea, summary");
    // An open dialog covers all other controls. A box is measured by its label, which can be pressed too.
    const dialog = document.querySelector("dialog[open]");
    return [...all]
      .filter((element) => (dialog ?? document).contains(element) && element.closest(".skip, .cm-editor") === null)
      .filter((element) => element.checkVisibility())
      .map((element) => (/^(radio|checkbox)$/.test(element.type) ? (element.closest("label") ?? element) : element))
      .map((element) => ({ element, ...element.getBoundingClientRect().toJSON() }))
      .filter(({ width, height }) => width < 44 || height < 44)
      .map(({ element, width, height }) => `${element.outerHTML.slice(0, 90)}: ${Math.round(width)} × ${Math.round(height)}`);
  });
  return found.map((one) => `${where}: ${one}`);
}
