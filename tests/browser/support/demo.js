// The built demo page and the actions of its visitors. Elements are found by their `data-testid`.

import { fileURLToPath } from "node:url";

import { serve } from "./serve.js";
import { waitUntil } from "./site.js";

/** The folder of the built page. */
export const DIST = fileURLToPath(new URL("../../../www/dist", import.meta.url));

/** Serves the page on a free port; `options` are those of `serve`. */
export const demo = (options) => serve({ "/": DIST }, options);

/** The examples that the page has. */
export const EXAMPLES = ["code_review", "interview", "triage"];

/** Opens a tab with the page and waits for its store. Errors of the page are collected in `page.errors`. */
export async function visit(browser, url) {
  const page = await browser.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  await page.goto(url);
  await waitUntilOpen(page);
  return page;
}

/** Waits until the page has opened its store. */
export const waitUntilOpen = (page) => page.waitForFunction(() => window.rs !== undefined);

/** Waits until all files are cached for later visits and the service worker serves them. The page itself is cached last. */
export const waitUntilCached = (page) =>
  waitUntil(page, async () => navigator.serviceWorker.controller !== null && (await caches.match("./")) !== undefined);

/** Picks an example and runs it. Returns the id of its execution when the page shows it. */
export async function runExample(page, name) {
  await page.evaluate(() => void (location.hash = "#/new"));
  await page.getByTestId("example").and(page.locator(`[data-name="${name}"]`)).first().click();
  await page.getByTestId("run").click();
  await page.waitForFunction(() => location.hash.startsWith("#/x/"));
  return page.evaluate(() => decodeURIComponent(location.hash.slice("#/x/".length)));
}

/** The status of the shown execution, from its badge. */
export const status = (page) => page.getByTestId("status").first().getAttribute("data-status");

/** Waits until the badge has one of these statuses. */
export const waitForStatus = (page, ...statuses) =>
  page.waitForFunction(
    (statuses) => statuses.includes(document.querySelector('[data-testid="status"]')?.getAttribute("data-status")),
    statuses,
  );
