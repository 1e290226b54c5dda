// Failures of a database in a browser: no space, an edited record, a newer version, no IndexedDB.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { withBrowser } from "./support/chromium.js";
import { site, tab, waitUntil } from "./support/site.js";

let server;
before(async () => void (server = await site()));
after(() => server?.stop());

/** In the page: loads a program that asks and starts it under an id. */
async function ask(id) {
  await store.load({ name: "ask", source: 'console.log(CC("one?"), CC("two?"))' });
  await store.start("ask", { id });
}

test("a full disk is an error, and nothing is half written", () =>
  withBrowser(async (browser) => {
    const page = await tab(browser, server.url);
    const session = await browser.newCDPSession(page);
    const origin = new URL(server.url).origin;
    // Set before the database is used, because the browser caches the available space for a while.
    await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 500_000 });
    await page.evaluate(() => openStore("indexeddb:full"));
    await page.evaluate(ask, "run");
    // The browser compresses data before it counts the space, so the answer is random.
    await page.evaluate(() => {
      const bytes = Array.from({ length: 600_000 }, () => Math.floor(Math.random() * 256));
      window.large = btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
    });
    const refused = await page.evaluate(async () => refusal((await store.run("run")).answer(window.large)));
    assert.equal(refused?.code, "full", JSON.stringify(refused));
    const readRun = (page) => page.evaluate(async () => {
      const { status, calls, output } = await (await store.run("run")).show();
      return { status, prompts: calls.map((call) => call.prompt), output };
    });
    assert.deepEqual(await readRun(page), { status: "waiting_cc", prompts: ["one?"], output: [] });
    // With space again the execution continues, in the same tab and in another one.
    await session.send("Storage.overrideQuotaForOrigin", { origin });
    const large = () => store.run("run").then((run) => run.answer(window.large)).then(() => true, (error) => error.code !== "full" && Promise.reject(error));
    await waitUntil(page, large);
    const other = await tab(browser, server.url, "indexeddb:full");
    await other.evaluate(async () => (await store.run("run")).answer("2"));
    const { status, output } = await readRun(other);
    assert.deepEqual([status, output[0].length, output[0].at(-1)], ["complete", 800_002, "2"]);
  }));

test("an edited record is reported as damage and not used", () =>
  withBrowser(async (browser) => {
    const page = await tab(browser, server.url, "indexeddb:edited");
    await page.evaluate(ask, "run");
    await page.evaluate(ask, "other");
    const edited = await page.evaluate(edit, ["edited", "waiting_cc", "complete"]);
    assert.ok(edited > 0, "a record was edited");
    const other = await tab(browser, server.url, "indexeddb:edited");
    for (const id of ["run", "other"]) {
      const refused = await other.evaluate(async (id) => refusal(store.run(id).then((run) => run.show())), id);
      assert.equal(refused?.code, "corrupt", JSON.stringify(refused));
      assert.match(refused.message, /cvm\.executions/);
      assert.ok(refused.message.includes(id), refused.message);
    }
  }));

test("verify finds an edited record, and nothing in an intact database", () =>
  withBrowser(async (browser) => {
    const page = await tab(browser, server.url, "indexeddb:verified");
    await page.evaluate(ask, "run");
    await page.evaluate(ask, "ended");
    await page.evaluate(async () => {
      const run = await store.run("ended");
      for (const answer of ["1", "2"]) await run.answer(answer);
    });
    const intact = await page.evaluate(() => store.verify());
    assert.deepEqual(intact.findings, []);
    assert.ok(intact.documents > 5 && intact.entries > 5, JSON.stringify(intact));
    assert.equal(await page.evaluate(edit, ["verified", "waiting_cc", "complete"]), 1);
    const { findings } = await page.evaluate(() => store.verify());
    assert.deepEqual(findings.map(({ at, severity }) => [at, severity]), [["cvm.executions/run", "damage"]]);
    assert.match(findings[0].why, /checksum/);
  }));

/** In the page: replaces a word in all documents of executions, as a user of the developer tools could. Returns the number of changed documents. */
async function edit([name, from, to]) {
  const wait = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const database = await wait(indexedDB.open(name));
  let edited = 0;
  const names = [...database.objectStoreNames].filter((store) => store.includes("cvm.executions"));
  const transaction = database.transaction(names, "readwrite");
  for (const at of names) {
    const [store, keys, records] = [transaction.objectStore(at), await wait(transaction.objectStore(at).getAllKeys()), await wait(transaction.objectStore(at).getAll())];
    for (const [i, record] of records.entries()) {
      const changed = { ...record, doc: record.doc.replaceAll(from, to) };
      edited += changed.doc === record.doc ? 0 : 1;
      await wait(store.keyPath === null ? store.put(changed, keys[i]) : store.put(changed));
    }
  }
  database.close();
  return edited;
}

test("a database of a newer version can be read and not written", () =>
  withBrowser(async (browser) => {
    const page = await tab(browser, server.url, "indexeddb:newer");
    await page.evaluate(ask, "run");
    await page.evaluate(() => store.close());
    await page.evaluate(declareLaterVersion, ["newer", "cvm.executions"]);
    const older = await tab(browser, server.url, "indexeddb:newer");
    const refused = await older.evaluate(async () => refusal((await store.run("run")).answer("1")));
    assert.equal(refused?.code, "read_only", JSON.stringify(refused));
    assert.match(refused.message, /newer runstate/);
    assert.equal(await older.evaluate(async () => (await store.health())?.code), "newer_version");
    const prompts = await older.evaluate(async () => (await (await store.run("run")).show()).calls.map((call) => call.prompt));
    assert.deepEqual(prompts, ["one?"]);
  }));

/** In the page: writes the declaration of a later version of a collection, as a newer version of the package would. */
async function declareLaterVersion([name, collection]) {
  const wait = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const database = await wait(indexedDB.open(name));
  const store = database.transaction(["runstate"], "readwrite").objectStore("runstate");
  const declaration = await wait(store.get(collection));
  const later = (older) => ({ ...older, version: older.version + 1 });
  await wait(store.put(typeof declaration === "string" ? JSON.stringify(later(JSON.parse(declaration))) : later(declaration), collection));
  database.close();
}

test("a page that imports runstate/full takes keys and stores artifacts", () =>
  withBrowser(async (browser) => {
    const page = await tab(browser, server.url);
    const stored = await page.evaluate(async () => {
      const { open } = await import("/runstate/dist/full.js");
      const keys = `k1:${btoa("k".repeat(32))}`;
      const rs = await open("indexeddb:full", { keys });
      const configuration = { steps: [{ id: 1, name: "make" }] };
      await rs.apps.configuration.save(1, { appName: "suite", version: "1", configuration, activate: true });
      await rs.apps.execution.start(1, { userId: "ada", id: "e1" });
      const content = new Blob(["two ", "circles"]).stream();
      const id = await rs.apps.artifacts.put(content, { execution: "e1", step: 1, type: "log", name: "a.txt" });
      await rs.close();
      const again = await open("indexeddb:full", { keys, mustExist: true });
      return [await again.apps.artifacts.text(id), await again.apps.artifacts.text(id, { start: 4 })];
    });
    assert.deepEqual(stored, ["two circles", "circles"]);
  }));

test("without IndexedDB opening fails as unsupported, and memory works", () =>
  withBrowser(async (browser) => {
    await browser.addInitScript(() => Object.defineProperty(globalThis, "indexedDB", { value: undefined, configurable: true }));
    const page = await tab(browser, server.url);
    const refused = await page.evaluate(() => refusal(runstate.open("indexeddb:none")));
    assert.equal(refused.code, "unsupported");
    assert.match(refused.message, /IndexedDB/);
    assert.equal(await page.evaluate(() => openStore("memory:")), "memory:");
  }));

test("a browser that refuses storage is reported as unavailable", () =>
  withBrowser(async (browser) => {
    // A sandboxed frame has an opaque origin without storage, like a private window that blocks storage.
    const page = await browser.newPage();
    await page.goto(`${server.url}frame.html`);
    const frame = await (await page.waitForSelector("iframe")).contentFrame();
    await frame.waitForFunction(() => window.ready === true);
    const refused = await frame.evaluate(() => refusal(runstate.open("indexeddb:refused")));
    assert.equal(refused.code, "unavailable", JSON.stringify(refused));
    assert.match(refused.message, /refuse|private|block|storage/i);
  }));

test("unknown schemes and missing stores have distinct errors", () =>
  withBrowser(async (browser) => {
    const page = await tab(browser, server.url);
    const code = (url) => page.evaluate(async (url) => (await refusal(runstate.open(url)))?.code, url);
    assert.equal(await code("fiel:x"), "invalid_url");
    assert.equal(await code("file:x"), "unsupported");
    assert.equal(await code("mongodb://x"), "unsupported");
    for (const url of ["indexeddb:", "indexeddb://x", "indexeddb:x?mode=1"]) assert.equal(await code(url), "invalid_url", url);
  }));
