// Serves the packed package and the pages of the tests to browsers.

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { serve } from "./serve.js";

const packed = process.env.RUNSTATE_PACKED;

/** Unpacks the package to a folder; `remove` deletes it. */
export async function unpacked() {
  if (packed === undefined) throw new Error("RUNSTATE_PACKED is not set to a packed package; run `cargo xtask test browser`, which builds it");
  const folder = await mkdtemp(join(tmpdir(), "runstate-unpacked-"));
  execFileSync("tar", ["--extract", "--strip-components=1", "--file", packed, "--directory", folder]);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Serves the pages of `tests/browser/pages` with the package and other folders; `stop` ends the server. */
export async function site(others = {}) {
  const package_ = await unpacked();
  const pages = fileURLToPath(new URL("../pages", import.meta.url));
  const server = await serve({ "/": pages, "/runstate/": package_.folder, ...others });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      await package_.remove();
    },
  };
}

/** Opens a tab with the package, and in it the store `store` if one is named. */
export async function tab(browser, url, store, options) {
  const page = await browser.newPage();
  await load(page, url);
  if (store !== undefined) await page.evaluate(([store, options]) => openStore(store, options), [store, options]);
  return page;
}

/** Loads the application into an existing page. */
export async function load(page, url) {
  await page.goto(url);
  await page.waitForFunction(() => window.ready === true);
}

/** The timeout of a condition, in milliseconds. It is long because machines are shared; no test measures it. */
const TIMEOUT_MS = 120_000;

/** Calls `condition`, which may be asynchronous, in the page repeatedly until it returns a truthy value. Returns that value. */
export async function waitUntil(page, condition, argument) {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const value = await page.evaluate(condition, argument);
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`this condition was not met within ${TIMEOUT_MS} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
