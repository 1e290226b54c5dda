// The packed package and the test's own pages, served for browsers.

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { serve } from "./serve.js";

const packed = process.env.RUNSTATE_PACKED;

/** The unpacked package; `remove` when it is not needed any more. */
export async function unpacked() {
  if (packed === undefined) throw new Error("RUNSTATE_PACKED names no packed package; `cargo xtask test browser` builds it");
  const folder = await mkdtemp(join(tmpdir(), "runstate-unpacked-"));
  execFileSync("tar", ["--extract", "--strip-components=1", "--file", packed, "--directory", folder]);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Serves the pages of `tests/browser/pages` with the package, and other folders beside; `stop` ends it. */
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

/** A tab with the package loaded, and with a store open where `store` names one. */
export async function tab(browser, url, store, options) {
  const page = await browser.newPage();
  await load(page, url);
  if (store !== undefined) await page.evaluate(([store, options]) => openStore(store, options), [store, options]);
  return page;
}

/** Loads the application into a page that is there. */
export async function load(page, url) {
  await page.goto(url);
  await page.waitForFunction(() => window.ready === true);
}

/** How long a condition is waited for, in ms: long, since machines are shared; nothing is measured by it. */
const PATIENCE_MS = 120_000;

/** Asks the page again and again until `look`, which may be asynchronous there, says something true; that. */
export async function until(page, look, argument) {
  const giveUp = Date.now() + PATIENCE_MS;
  for (;;) {
    const said = await page.evaluate(look, argument);
    if (said) return said;
    if (Date.now() > giveUp) throw new Error(`it never came to: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
