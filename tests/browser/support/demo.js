// The demo page, as it was built, and what its visitors do. Elements are found by their `data-testid`.

import { fileURLToPath } from "node:url";

import { serve } from "./serve.js";
import { until } from "./site.js";

/** The page, as it was built. */
export const DIST = fileURLToPath(new URL("../../../www/dist", import.meta.url));

/** Serves the page on a free port; `options` are those of `serve`. */
export const demo = (options) => serve({ "/": DIST }, options);

/** Which of the examples it has. */
export const EXAMPLES = ["code_review", "interview", "triage"];

/** A tab with the page, its store open. Errors of the page are collected in `page.troubles`. */
export async function visit(browser, url) {
  const page = await browser.newPage();
  page.troubles = [];
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  await page.goto(url);
  await opened(page);
  return page;
}

/** Comes back when the page has its store. */
export const opened = (page) => page.waitForFunction(() => window.rs !== undefined);

/** Comes back when everything is kept for later visits: the page itself is kept last. */
export const keptOffline = (page) => until(page, async () => (await caches.match("./")) !== undefined);

/** Picks an example and runs it; the id of its execution when it is shown. */
export async function runExample(page, name) {
  await page.evaluate(() => void (location.hash = "#/new"));
  await page.getByTestId("example").and(page.locator(`[data-name="${name}"]`)).first().click();
  await page.getByTestId("run").click();
  await page.waitForFunction(() => location.hash.startsWith("#/x/"));
  return page.evaluate(() => decodeURIComponent(location.hash.slice("#/x/".length)));
}

/** How the execution that is shown stands, by its badge. */
export const status = (page) => page.getByTestId("status").first().getAttribute("data-status");

/** Comes back when the badge says so. */
export const reaches = (page, ...statuses) =>
  page.waitForFunction(
    (statuses) => statuses.includes(document.querySelector('[data-testid="status"]')?.getAttribute("data-status")),
    statuses,
  );
