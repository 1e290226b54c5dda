// The service worker of the demo page: no file is downloaded twice, and the page opens without a network. A newer version is activated only
// when the visitor asks for it.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { withBrowser } from "./support/chromium.js";
import { DIST, demo, waitUntilCached, waitUntilOpen, runExample, visit } from "./support/demo.js";
import { serve } from "./support/serve.js";

/** The limit of a first visit in bytes, without what programs use: the WebAssembly, which is larger in tests, and the
 * built-ins that are written in the language. The bench measures the whole page. */
const MAX_BYTES = 160_000;
const OF_PROGRAMS = /\.wasm|\/built-ins-/;

test("each file is downloaded once, and a later visit downloads nothing", () =>
  withBrowser(async (browser) => {
    const downloads = [];
    const counting = await demo({ cache: "no-cache", compress: true, sent: (path, bytes) => downloads.push({ path, bytes }) });
    try {
      const page = await visit(browser, counting.url);
      await runExample(page, "review");
      await page.getByTestId("question").first().waitFor();
      await waitUntilCached(page);
      const assets = downloads.map(({ path }) => path).filter((path) => path.startsWith("/assets/"));
      assert.deepEqual(assets.filter((path, at) => assets.indexOf(path) !== at), [], "no file is downloaded twice");
      const bytes = downloads.filter(({ path }) => !OF_PROGRAMS.test(path)).reduce((sum, { bytes }) => sum + bytes, 0);
      assert.ok(bytes <= MAX_BYTES, `${bytes} bytes: ${JSON.stringify(downloads)}`);
      downloads.length = 0;
      await page.reload();
      await waitUntilOpen(page);
      assert.deepEqual(downloads.filter(({ path }) => path !== "/sw.js"), [], "a later visit downloads nothing");
    } finally {
      await counting.stop();
    }
  }));

test("the page works without a network after its first load", () =>
  withBrowser(async (browser) => {
    const offline = await demo();
    const page = await visit(browser, offline.url);
    // This includes the compiler, which otherwise only a run loads.
    await waitUntilCached(page);
    await offline.stop();
    await page.reload();
    await waitUntilOpen(page);
    await page.getByTestId("editor-field").fill("1;");
    assert.equal(await page.getByTestId("program-name").inputValue(), "my-review");
    const id = await runExample(page, "code_review");
    await page.getByTestId("question").first().waitFor();
    await page.reload();
    await waitUntilOpen(page);
    await page.getByTestId("question").first().waitFor();
    assert.ok(page.url().endsWith(encodeURIComponent(id)));
    assert.deepEqual(page.errors, []);
  }));

test("a newer version waits for the visitor and downloads no file again", () =>
  withBrowser(async (browser) => {
    const folder = await mkdtemp(join(tmpdir(), "runstate-demo-"));
    const downloads = [];
    await cp(DIST, folder, { recursive: true });
    const server = await serve({ "/": folder }, { cache: "no-cache", sent: (path) => downloads.push(path) });
    try {
      const page = await visit(browser, server.url);
      await waitUntilCached(page);
      downloads.length = 0;
      await replace(join(folder, "sw.js"), /runstate-www-[0-9a-f]{16}/, "runstate-www-0000000000000000");
      await replace(join(folder, "index.html"), "</head>", '<meta name="version" content="newer" /></head>');
      await page.reload();
      await waitUntilOpen(page);
      const isNewer = () => page.evaluate(() => document.querySelector('meta[name="version"]') !== null);
      assert.equal(await isNewer(), false, "the cached version is opened");
      await page.getByTestId("update").getByRole("button").click();
      await page.waitForFunction(() => document.querySelector('meta[name="version"]') !== null && window.rs !== undefined);
      assert.deepEqual(downloads.filter((path) => path.startsWith("/assets/")), []);
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }));

async function replace(file, old, text) {
  const before = await readFile(file, "utf8");
  const after = before.replace(old, text);
  assert.notEqual(after, before, `${file} has no ${old}`);
  await writeFile(file, after);
}
