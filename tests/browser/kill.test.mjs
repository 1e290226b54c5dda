// The story of the demo page: an engine, and then a tab, is killed in the middle of a save and loses nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { withBrowser } from "./support/chromium.js";
import { demo, waitForStatus, visit } from "./support/demo.js";

let server;
before(async () => void (server = await demo()));
after(() => server?.stop());

/** Reads the figures of the report after a kill. */
const readProof = async (page) => {
  const line = page.getByTestId("kill-report");
  await line.waitFor();
  return line.evaluate(({ dataset }) => ({ ...dataset }));
};

function assertHolds(proof) {
  assert.equal(proof.holds, "true", JSON.stringify(proof));
  assert.ok(Number(proof.acknowledged) > 0, JSON.stringify(proof));
  assert.deepEqual([proof.lost, proof.twice], ["0", "0"]);
}

test("the large button kills an engine during a save and loses no answer", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.evaluate(() => void (window.sameDocument = true));
    const worker = page.waitForEvent("worker", (worker) => worker.url().includes("/assets/worker"));
    await page.getByTestId("play").click();
    const engine = await worker;
    const closed = new Promise((resolve) => engine.on("close", resolve));
    await page.locator('[data-testid="story"][data-at="killed"]').waitFor();
    await closed;
    const proof = await readProof(page);
    assertHolds(proof);
    assert.ok(Number(proof.underWay) > 0, `nothing was being saved: ${JSON.stringify(proof)}`);
    assert.equal(await page.evaluate(() => window.sameDocument), true, "the page was not reloaded");
    await page.getByTestId("story-next").click();
    await waitForStatus(page, "waiting_cc");
    await page.getByTestId("text-answer").first().waitFor();
    assert.deepEqual(page.errors, []);
  }));

test("the report after a kill is one line, and the execution continues", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.evaluate(async () => {
      await rs.load({ name: "ask", source: 'CC("Who is there?")' });
      await rs.start("ask", { id: "run" });
      location.hash = "#/x/run";
    });
    await page.getByTestId("question").first().waitFor();
    await page.getByTestId("kill").click();
    await page.getByTestId("kill-now").click();
    assertHolds(await readProof(page));
    await page.getByTestId("kill-dialog").waitFor({ state: "hidden" });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 740 });
      const { height } = await page.getByTestId("kill-report").boundingBox();
      assert.ok(height <= 48, `at ${width} px the line is ${height} px high`);
    }
    await page.getByTestId("kill-report").locator("summary").click();
    assert.match(await page.getByTestId("kill-report").innerText(), /all of them are stored, none twice/);
    await page.getByTestId("show-killed").click();
    await page.getByTestId("text-answer").first().waitFor();
    await page.getByTestId("dismiss-kill-report").click();
    await page.getByTestId("kill-report").waitFor({ state: "hidden" });
  }));

test("a tab killed during a save reopens with every acknowledged answer", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.getByTestId("kill-how").click();
    await page.getByTestId("kill-yourself").click();
    await page.waitForFunction(() => Number(document.querySelector(".burst-count")?.textContent) >= 5);
    const devtools = await browser.newCDPSession(page);
    const dead = page.waitForEvent("crash");
    devtools.send("Page.crash").catch(() => {});
    await dead;
    assertHolds(await readProof(await visit(browser, server.url)));
  }));
