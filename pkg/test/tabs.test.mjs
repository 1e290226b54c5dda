// Which tab leads, and the beat by which it does what is due. Node has no tabs: the locks here are a stand-in for those of a browser, which says
// so by its name. How it goes in a real browser is tried in tests/browser.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";

import { build } from "esbuild";

/** As `LockManager`, as far as `Lead` uses it. */
class StandInLocks {
  /** Those who hold a name, and those who wait for it, in line. */
  #held = new Map();
  #pending = [];

  request(name, { signal, steal = false }, hold) {
    return new Promise((resolve, reject) => {
      const asked = { name, hold, resolve, reject };
      if (steal) {
        this.#held.get(name)?.reject(new DOMException("stolen", "AbortError"));
        this.#held.delete(name);
        this.#pending.unshift(asked);
      } else {
        this.#pending.push(asked);
      }
      signal?.addEventListener("abort", () => {
        if (!this.#pending.includes(asked)) return;
        this.#pending.splice(this.#pending.indexOf(asked), 1);
        reject(signal.reason);
      });
      queueMicrotask(() => this.#grant(name));
    });
  }

  async query() {
    const told = ({ name }) => ({ name, mode: "exclusive", clientId: "stand-in" });
    return { held: [...this.#held.values()].map(told), pending: this.#pending.map(told) };
  }

  #grant(name) {
    const at = this.#pending.findIndex((asked) => asked.name === name);
    if (at < 0 || this.#held.has(name)) return;
    const [asked] = this.#pending.splice(at, 1);
    this.#held.set(name, asked);
    Promise.resolve(asked.hold({ name })).then((value) => {
      // One that was robbed frees nothing.
      if (this.#held.get(name) !== asked) return;
      this.#held.delete(name);
      asked.resolve(value);
      this.#grant(name);
    });
  }
}

const bundled = await build({
  stdin: {
    contents: 'export * from "./driver.js"; export * from "./tabs/lead.js"; export * from "./pulse.js";',
    resolveDir: "src",
    loader: "ts",
  },
  bundle: true,
  write: false,
  format: "esm",
  absWorkingDir: new URL("..", import.meta.url).pathname,
});
const code = Buffer.from(bundled.outputFiles[0].contents).toString("base64");
const { Driver, Lead, Pulse } = await import(`data:text/javascript;base64,${code}`);

Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks: new StandInLocks() } });

let databases = 0;

/** Tabs of a new database; all of them are shown, since a process without a page is. */
function tabs(t, count) {
  databases += 1;
  const name = `db-${databases}`;
  return Array.from({ length: count }, () => {
    const told = new EventEmitter();
    const tab = { told, leads: false, changes: 0 };
    tab.lead = new Lead(name, (leads) => {
      tab.leads = leads;
      tab.changes += 1;
      told.emit(leads ? "leads" : "stands by");
    });
    t.after(() => tab.lead.stop());
    return tab;
  });
}

async function begun(tab) {
  const leads = once(tab.told, "leads");
  tab.lead.start();
  await leads;
}

test("one tab leads, and the next one does when it is closed", async (t) => {
  const [one, two] = tabs(t, 2);
  await begun(one);
  two.lead.start();
  const leads = once(two.told, "leads");
  one.lead.stop();
  await leads;
  assert.deepEqual([one.leads, two.leads], [true, true], "one that is closed says nothing any more");
  assert.equal(one.changes, 1);
});

test("a leader that can do nothing passes the lead on, and takes it back from nobody", async (t) => {
  const [one, two] = tabs(t, 2);
  await begun(one);
  two.lead.start();
  const leads = once(two.told, "leads");
  await one.lead.pass();
  await leads;
  assert.deepEqual([one.leads, two.leads], [false, true]);
  // It stands in line: when the other one can do nothing either it is tried again.
  const again = once(one.told, "leads");
  await two.lead.pass();
  await again;
  assert.deepEqual([one.leads, two.leads], [true, false]);
});

test("a leader for whom nobody waits keeps the lead", async (t) => {
  const [one] = tabs(t, 1);
  await begun(one);
  await one.lead.pass();
  assert.deepEqual([one.leads, one.changes], [true, 1]);
});

/** A store that fails until it is mended. */
function failing(error) {
  const cvm = { failing: true, looks: 0, nextDue: async () => null, runDue: async () => ({}) };
  cvm.nextDue = async () => {
    cvm.looks += 1;
    if (cvm.failing) throw error;
    return null;
  };
  return cvm;
}

test("failures are counted in succession, and looked for more and more rarely", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const error = new Error("no store");
  const cvm = failing(error);
  const told = [];
  const pulse = new Pulse(cvm, () => 0, (thrown, times) => told.push([thrown, times]));
  const settled = () => new Promise((done) => setImmediate(done));
  const after = async (ms) => {
    t.mock.timers.tick(ms);
    await settled();
  };
  pulse.start();
  await after(0);
  await after(1999);
  assert.equal(cvm.looks, 1);
  await after(1);
  await after(4000);
  assert.deepEqual(told, [[error, 1], [error, 2], [error, 3]]);
  cvm.failing = false;
  await after(8000);
  cvm.failing = true;
  await after(1000);
  assert.deepEqual(told.at(-1), [error, 1], "what went well in between ends the succession");
  pulse.stop();
  const { looks } = cvm;
  await after(60_000);
  assert.equal(cvm.looks, looks, "who was stopped looks no more");
  pulse.start();
  await after(0);
  assert.deepEqual(told.at(-1), [error, 1], "a new beginning counts anew");
  pulse.stop();
});

test("a tab whose store keeps failing lets another one drive", async (t) => {
  // Two tabs in the background: neither takes the lock from the other for being seen.
  const page = { visibilityState: "hidden", addEventListener() {}, removeEventListener() {} };
  Object.defineProperty(globalThis, "document", { configurable: true, value: page });
  t.after(() => delete globalThis.document);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const settled = () => new Promise((done) => setImmediate(done));
  const error = new Error("the database is gone");
  const one = new Driver(failing(error), "indexeddb:gone", () => 0, "auto");
  await settled();
  const fine = failing(error);
  fine.failing = false;
  const two = new Driver(fine, "indexeddb:gone", () => 0, "auto");
  t.after(() => [one, two].forEach((driver) => driver.stop()));
  const told = [];
  one.addEventListener("error", ({ detail }) => told.push(detail));
  for (const wait of [0, 2000]) {
    t.mock.timers.tick(wait);
    await settled();
    assert.deepEqual([one.state, two.state], ["leading", "standby"]);
  }
  t.mock.timers.tick(4000);
  await settled();
  assert.deepEqual([one.state, two.state], ["standby", "leading"]);
  assert.deepEqual(told, [error, error, error]);
});

test("what is due is done when it is, and until nothing is left", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  const due = [300, 300];
  const done = [];
  const cvm = {
    nextDue: async () => due[0] ?? null,
    nextDueKnown: async () => due[0] ?? null,
    runDue: async () => {
      done.push([now, due.shift()]);
      return { woken: 1, deleted: 0, swept: 0, more: false };
    },
  };
  const pulse = new Pulse(cvm, () => now, assert.fail);
  const after = async (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((next) => setImmediate(next));
  };
  pulse.start();
  await after(0);
  await after(299);
  assert.deepEqual(done, []);
  await after(1);
  assert.deepEqual(done, [[300, 300], [300, 300]]);
  due.push(310);
  pulse.nudge();
  await after(0);
  await after(10);
  assert.deepEqual(done.at(-1), [310, 310], "a nudge makes it look at once");
  pulse.stop();
});

test("after a command of its own the driver does not ask the store what others commanded", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = [];
  const cvm = {
    nextDue: async () => (asked.push("store"), null),
    nextDueKnown: async () => (asked.push("known"), null),
  };
  const pulse = new Pulse(cvm, () => 0, assert.fail);
  const after = async (ms) => {
    t.mock.timers.tick(ms);
    await new Promise((next) => setImmediate(next));
  };
  pulse.start();
  await after(0);
  pulse.nudge();
  await after(0);
  assert.deepEqual(asked, ["store", "known"]);
  await after(1000);
  assert.deepEqual(asked, ["store", "known", "store"]);
  pulse.stop();
  pulse.start();
  await after(0);
  assert.equal(asked.at(-1), "store", "a new beginning asks anew");
  pulse.stop();
});
