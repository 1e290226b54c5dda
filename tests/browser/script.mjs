// Plays the script on stdin on a fresh database in a page of Chromium and prints its outcome; both are JSON. Run `node script.mjs PACKAGE`, where
// PACKAGE is the folder of the built package.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { withBrowser } from "./support/chromium.js";
import { serve } from "./support/serve.js";

const script = readFileSync(0, "utf8");
const pages = fileURLToPath(new URL("pages", import.meta.url));
const server = await serve({ "/": pages, "/package/": resolve(process.argv[2]) });
try {
  const played = await withBrowser(async (browser) => {
    const page = await browser.newPage();
    await page.goto(`${server.url}blank.html`);
    return page.evaluate(async (script) => {
      const { default: load, playScript } = await import("/package/build/runstate_testing.js");
      await load({ module_or_path: "/package/dist/runstate_node_bg.wasm" });
      return playScript("indexeddb:script", script);
    }, script);
  });
  process.stdout.write(played);
} finally {
  await server.stop();
}
