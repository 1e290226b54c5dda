// Serves pages that use the package and visits them in Chromium. A page reports its outcome in `globalThis.outcome`.

import assert from "node:assert/strict";

import { withBrowser } from "../../browser/support/chromium.js";
import { serve } from "../../browser/support/serve.js";

/** A page with this script; `head` is added to its head. */
export const html = (src, { type = "module", head = "" } = {}) =>
  `<!doctype html><title>tour</title><link rel="icon" href="data:,">${head}<body><script type="${type}" src="${src}"></script>`;

/** The options of a page with this Content-Security-Policy. */
export const policy = (text) => ({ head: `<meta http-equiv="Content-Security-Policy" content="${text}">` });

/** Serves folders while `act` runs. */
export async function withServer(folders, act) {
  const server = await serve(folders);
  try {
    return await act(server.url);
  } finally {
    await server.stop();
  }
}

/** Visits a page and returns its outcome and its errors (`errors`). `prepare` is called with the page before the visit. */
export function observe(url, prepare = () => {}) {
  return withBrowser(async (browser) => {
    const page = await browser.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("requestfailed", (request) => errors.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("response", (response) => response.status() >= 400 && errors.push(`${response.url()}: ${response.status()}`));
    await prepare(page);
    await page.goto(url);
    try {
      await page.waitForFunction(() => globalThis.outcome !== undefined);
      return { outcome: await page.evaluate(() => globalThis.outcome), errors };
    } catch (error) {
      throw new Error(`${error.message}\n${errors.join("\n")}`, { cause: error });
    }
  });
}

/** Visits a page, asserts that it has no errors, and returns its outcome. */
export async function visit(url, prepare) {
  const { outcome, errors } = await observe(url, prepare);
  assert.deepEqual(errors, []);
  return outcome;
}
