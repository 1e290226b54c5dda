// The story of the demo page: an engine that is killed in the middle of a save, and a tab that dies in it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { withBrowser } from "./support/chromium.js";
import { demo, reaches, visit } from "./support/demo.js";

let server;
before(async () => void (server = await demo()));
after(() => server?.stop());

/** The figures of the line after a kill. */
const proofOf = async (page) => {
  const line = page.getByTestId("afterlife");
  await line.waitFor();
  return line.evaluate(({ dataset }) => ({ ...dataset }));
};

function assertHolds(proof) {
  assert.equal(proof.holds, "true", JSON.stringify(proof));
  assert.ok(Number(proof.acknowledged) > 0, JSON.stringify(proof));
  assert.deepEqual([proof.lost, proof.twice], ["0", "0"]);
}

test("the large button kills an engine in mid-save and finds every answer", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.evaluate(() => void (window.sameDocument = true));
    const worker = page.waitForEvent("worker", (worker) => worker.url().includes("/assets/worker"));
    await page.getByTestId("play").click();
    const engine = await worker;
    const closed = new Promise((resolve) => engine.on("close", resolve));
    await page.locator('[data-testid="story"][data-at="killed"]').waitFor();
    await closed;
    const proof = await proofOf(page);
    assertHolds(proof);
    assert.ok(Number(proof.underWay) > 0, `nothing was being saved: ${JSON.stringify(proof)}`);
    assert.equal(await page.evaluate(() => window.sameDocument), true, "the page was not reloaded");
    await page.getByTestId("story-next").click();
    await reaches(page, "waiting_cc");
    await page.getByTestId("text-answer").first().waitFor();
    assert.deepEqual(page.troubles, []);
  }));

test("a kill leaves the shown execution unchanged and ends in one line", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.evaluate(async () => {
      await rs.cvm.load({ name: "ask", source: 'CC("Who is there?")' });
      await rs.cvm.start("ask", { id: "run" });
      location.hash = "#/x/run";
    });
    await page.getByTestId("question").first().waitFor();
    await page.getByTestId("kill").click();
    await page.getByTestId("kill-now").click();
    assertHolds(await proofOf(page));
    await page.getByTestId("kill-dialog").waitFor({ state: "hidden" });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 740 });
      const { height } = await page.getByTestId("afterlife").boundingBox();
      assert.ok(height <= 48, `at ${width} px the line is ${height} px high`);
    }
    await page.getByTestId("afterlife").locator("summary").click();
    assert.match(await page.getByTestId("afterlife").innerText(), /run, which was shown meanwhile, is exactly what it was/);
    await page.getByTestId("finish-killed").click();
    await page.getByTestId("show-killed").click();
    await reaches(page, "complete");
    await page.getByTestId("dismiss-afterlife").click();
    await page.getByTestId("afterlife").waitFor({ state: "hidden" });
  }));

test("a tab that dies while it saves has lost nothing when it comes back", () =>
  withBrowser(async (browser) => {
    const page = await visit(browser, server.url);
    await page.getByTestId("kill-how").click();
    await page.getByTestId("kill-yourself").click();
    await page.waitForFunction(() => Number(document.querySelector(".burst-count")?.textContent) >= 5);
    const devtools = await browser.newCDPSession(page);
    const dead = page.waitForEvent("crash");
    devtools.send("Page.crash").catch(() => {});
    await dead;
    assertHolds(await proofOf(await visit(browser, server.url)));
  }));
