// Pages that use the package: they are served, visited in Chromium, and say what came of it in `globalThis.said`.

import assert from "node:assert/strict";

import { withBrowser } from "../../browser/support/chromium.js";
import { serve } from "../../browser/support/serve.js";

/** A page with this script; `head` is what else its head has. */
export const html = (src, { type = "module", head = "" } = {}) =>
  `<!doctype html><title>tour</title><link rel="icon" href="data:,">${head}<body><script type="${type}" src="${src}"></script>`;

/** A page that obeys this Content-Security-Policy. */
export const policy = (text) => ({ head: `<meta http-equiv="Content-Security-Policy" content="${text}">` });

/** Serves folders while `act` runs. */
export async function served(folders, act) {
  const server = await serve(folders);
  try {
    return await act(server.url);
  } finally {
    await server.stop();
  }
}

/** Visits a page: its result, and its complaints; `prepare` is called with the page before it is visited. */
export function observe(url, prepare = () => {}) {
  return withBrowser(async (browser) => {
    const page = await browser.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("response", (response) => response.status() >= 400 && complaints.push(`${response.url()}: ${response.status()}`));
    await prepare(page);
    await page.goto(url);
    try {
      await page.waitForFunction(() => globalThis.said !== undefined);
      return { said: await page.evaluate(() => globalThis.said), complaints };
    } catch (error) {
      throw new Error(`${error.message}\n${complaints.join("\n")}`, { cause: error });
    }
  });
}

/** What the page at `url` says in the end; it must not complain about anything. */
export async function visit(url, prepare) {
  const { said, complaints } = await observe(url, prepare);
  assert.deepEqual(complaints, []);
  return said;
}
