// Several tabs on one database: concurrent commands, the driver of timers, and killed, hidden and frozen tabs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { withBrowser } from "./support/chromium.js";
import { FULL } from "./support/full.js";
import { site, tab, waitUntil } from "./support/site.js";

/** The number of commands that each tab sends. */
const EACH = FULL ? 200 : 80;

/** The number of sessions that both tabs assign. */
const SESSIONS = FULL ? 1000 : 300;

let server;
before(async () => void (server = await site()));
after(() => server?.stop());

test(`two tabs send ${EACH} commands each to one execution, and none is lost`, () =>
  withBrowser(async (browser) => {
    const program = `function main() { let sum = 0; for (let i = 0; i < ${2 * EACH}; i++) sum += CC("n?", { key: "n" }); return sum; }`;
    const tabs = [await tab(browser, server.url, "indexeddb:tabs"), await tab(browser, server.url, "indexeddb:tabs")];
    await tabs[0].evaluate(async (source) => {
      await store.load({ name: "sum", source });
      await store.start("sum", { id: "run" });
    }, program);
    // Each tab answers its own occurrences of the key, most of them before the call exists. All commands are concurrent.
    const sendAll = ([first, each]) => {
      const answer = async (n) => (await store.run("run")).answer(n, { key: "n", occurrence: n, commandId: `answer-${n}` });
      return Promise.all(Array.from({ length: each }, (_, i) => refusal(answer(first + 2 * i)))).then((all) => all.filter((refused) => refused !== null));
    };
    const refused = await Promise.all(tabs.map((page, n) => page.evaluate(sendAll, [1 + n, EACH])));
    assert.deepEqual(refused, [[], []]);
    const [result, calls] = await tabs[1].evaluate(async () => {
      const run = await store.run("run");
      const { items: rows } = await store.runs.calls({ execution: "run", limit: 1000 });
      return [await run.result(), rows.filter((call) => call.outcome === "answered").map((call) => call.response.result)];
    });
    const all = Array.from({ length: 2 * EACH }, (_, i) => i + 1);
    assert.equal(result, all.reduce((a, b) => a + b));
    assert.deepEqual(calls.sort((a, b) => a - b), all);
  }));

test(`two tabs assign ${SESSIONS} sessions to 10 slots: each has one holder`, () =>
  withBrowser(async (browser) => {
    const tabs = [await tab(browser, server.url, "indexeddb:slots"), await tab(browser, server.url, "indexeddb:slots")];
    const slots = Array.from({ length: 10 }, (_, i) => i + 1);
    await tabs[0].evaluate(async ([slots, sessions]) => {
      const { machine, session } = store.sessions;
      await machine.register("m", { hostname: "host", slots });
      for (let n = 0; n < sessions; n++) await session.create({ id: `s${n}`, project: "p", machine: "m" });
    }, [slots, SESSIONS]);
    // Each tab assigns every second session. All commands are concurrent.
    const assignAll = ([first, each]) => {
      const assign = async (n) => {
        try {
          return (await store.sessions.machine.assign("m", `s${n}`)).dockerSlot;
        } catch (error) {
          return error.code;
        }
      };
      return Promise.all(Array.from({ length: each }, (_, i) => assign(first + 2 * i)));
    };
    const results = (await Promise.all(tabs.map((page, n) => page.evaluate(assignAll, [n, SESSIONS / 2])))).flat();
    const held = results.filter((result) => result !== "no_free_slot");
    assert.deepEqual(held.sort((a, b) => a - b), slots);
    const holders = await tabs[1].evaluate(async () => {
      const holders = Object.entries((await store.sessions.machine.show("m")).slots);
      const slotOf = async (id) => (await store.sessions.session.show(id)).dockerSlot;
      return Promise.all(holders.map(async ([slot, id]) => [Number(slot), await slotOf(id)]));
    });
    assert.deepEqual(holders.sort(([a], [b]) => a - b), slots.map((slot) => [slot, slot]));
  }));

test("an answer in a second tab reaches the first", () =>
  withBrowser(async (browser) => {
    const [first, second] = [await tab(browser, server.url, "indexeddb:two"), await tab(browser, server.url, "indexeddb:two")];
    const outcome = first.evaluate(async () => {
      await store.load({ name: "two", source: 'console.log(CC("one?"), CC("two?"))' });
      const run = await store.start("two", { id: "run" });
      const asked = [];
      window.asked = asked;
      for await (const question of run.questions()) asked.push(question.prompt);
      return [asked, run.status, await run.output()];
    });
    await waitUntil(first, () => window.asked?.length === 1);
    await second.evaluate(async () => (await store.run("run")).answer("1"));
    await waitUntil(first, () => window.asked.length === 2);
    await second.evaluate(async () => (await store.run("run")).answer("2"));
    assert.deepEqual(await outcome, [["one?", "two?"], "complete", ["1 2"]]);
  }));

const leading = () => store.driver.state === "leading";

/** In the page: starts a program that prints a line at each of its timers, forever. */
async function startBeats() {
  await store.load({ name: "beats", source: 'for (let i = 0; ; i++) { sleep(50); console.log("beat", i); }' });
  await store.start("beats", { id: "run" });
}

/** In the page: whether the program has printed at least this number of lines. */
const hasBeats = async (count) => (await (await store.run("run")).output()).length >= count;

/** In the page: the number of lines that the program has printed. */
const countBeats = async () => (await (await store.run("run")).output()).length;

/** Cancels the program. Returns the lines that it has printed. */
const lastBeats = (page) =>
  page.evaluate(async () => {
    const run = await store.run("run");
    await run.cancel();
    return run.output();
  });

/** The expected lines, each once and in order. */
const expectedBeats = (output) => output.map((_, i) => `beat ${i}`);

test("a tab takes over the timers when the leading tab is killed", () =>
  withBrowser(async (browser) => {
    const [owner, other] = [await tab(browser, server.url, "indexeddb:lead"), await tab(browser, server.url, "indexeddb:lead")];
    await waitUntil(owner, leading);
    await other.evaluate(startBeats);
    await waitUntil(other, hasBeats, 3);
    assert.equal(await other.evaluate(() => store.driver.state), "standby");
    await crash(owner);
    await waitUntil(other, leading);
    await waitUntil(other, hasBeats, (await other.evaluate(countBeats)) + 5);
    const output = await lastBeats(other);
    assert.deepEqual(output, expectedBeats(output));
  }));

/** Kills the process of a page without notice to the page. */
async function crash(page) {
  const session = await page.context().newCDPSession(page);
  const crashed = new Promise((resolve) => page.once("crash", resolve));
  session.send("Page.crash").catch(() => {});
  await crashed;
}

test("a visible tab takes over the timers from a hidden one", () =>
  withBrowser(async (browser) => {
    const [owner, other] = [await tab(browser, server.url, "indexeddb:hidden"), await tab(browser, server.url, "indexeddb:hidden")];
    await waitUntil(owner, leading);
    await show(owner, "hidden");
    await show(other, "hidden");
    await show(other, "visible");
    await waitUntil(other, leading);
    await waitUntil(owner, () => store.driver.state === "standby");
  }));

/** Makes a page hidden or visible. In a headless browser all pages are visible, so the test replaces the properties of the document. */
function show(page, state) {
  return page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

test("a frozen tab that resumes loses nothing and repeats nothing", () =>
  withBrowser(async (browser) => {
    const [owner, other] = [await tab(browser, server.url, "indexeddb:frozen"), await tab(browser, server.url, "indexeddb:frozen")];
    await waitUntil(owner, leading);
    await owner.evaluate(startBeats);
    await owner.evaluate(async () => {
      // The tab runs commands without a pause, so it freezes in the middle of one.
      await store.load({ name: "quick", source: "console.log(1)" });
      window.acknowledged = [];
      window.busy = (async () => {
        for (let i = 0; !window.enough; i++) window.acknowledged.push((await store.start("quick", { id: `quick-${i}` })).id);
      })();
    });
    await waitUntil(other, hasBeats, 3);
    await show(owner, "hidden");
    await show(other, "visible");
    const session = await owner.context().newCDPSession(owner);
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    await waitUntil(other, leading);
    await waitUntil(other, hasBeats, (await other.evaluate(countBeats)) + 5);
    await session.send("Page.setWebLifecycleState", { state: "active" });
    await waitUntil(owner, () => store.driver.state === "standby");
    await waitUntil(other, hasBeats, (await other.evaluate(countBeats)) + 5);
    const acknowledged = await owner.evaluate(async () => {
      window.enough = true;
      await window.busy;
      return window.acknowledged;
    });
    const stored = await other.evaluate(async () => {
      const ids = [];
      let page = {};
      do {
        page = await store.list({ program: "quick", limit: 1000, cursor: page.next });
        ids.push(...page.items.map(({ id }) => id));
      } while (page.next !== undefined);
      return ids;
    });
    assert.deepEqual(stored.sort(), acknowledged.sort());
    const output = await lastBeats(other);
    assert.deepEqual(output, expectedBeats(output));
    assert.equal(await other.evaluate(async () => await store.health()), null);
  }));

test("a program that never ends does not freeze its page", () =>
  withBrowser(async (browser) => {
    const page = await tab(browser, server.url, "memory:");
    await page.evaluate(async () => {
      await store.load({ name: "endless", source: "while (true) {}" });
      void store.start("endless", { id: "run" }).catch(() => {});
    });
    // The event loop runs, and other calls are answered. In a frozen page no task would run before the program reaches its limit.
    for (let turn = 0; turn < 20; turn++) await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 0)));
    assert.equal(await page.evaluate(async () => (await store.run("run")).status), "running");
    await page.evaluate(async () => (await store.run("run")).pause());
    assert.equal(await page.evaluate(async () => (await store.run("run")).status), "paused");
  }));
