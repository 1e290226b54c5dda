// The election of the leading tab, and the poller of due work. Node has no Web Locks, so these tests use a stand-in;
// tests/browser uses a real browser.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";

import { build } from "esbuild";

/** A stand-in for the parts of `LockManager` that `LeaderElection` uses. */
class StandInLocks {
  /** The requests that hold a name; `#pending` has those that wait, in their order. */
  #held = new Map();
  #pending = [];

  request(name, { signal, steal = false }, hold) {
    return new Promise((resolve, reject) => {
      const request = { name, hold, resolve, reject };
      if (steal) {
        this.#held.get(name)?.reject(new DOMException("stolen", "AbortError"));
        this.#held.delete(name);
        this.#pending.unshift(request);
      } else {
        this.#pending.push(request);
      }
      signal?.addEventListener("abort", () => {
        if (!this.#pending.includes(request)) return;
        this.#pending.splice(this.#pending.indexOf(request), 1);
        reject(signal.reason);
      });
      queueMicrotask(() => this.#grant(name));
    });
  }

  async query() {
    const toLockInfo = ({ name }) => ({ name, mode: "exclusive", clientId: "stand-in" });
    return { held: [...this.#held.values()].map(toLockInfo), pending: this.#pending.map(toLockInfo) };
  }

  #grant(name) {
    const at = this.#pending.findIndex((request) => request.name === name);
    if (at < 0 || this.#held.has(name)) return;
    const [request] = this.#pending.splice(at, 1);
    this.#held.set(name, request);
    Promise.resolve(request.hold({ name })).then((value) => {
      // A request whose lock was stolen must not free the lock of its successor.
      if (this.#held.get(name) !== request) return;
      this.#held.delete(name);
      request.resolve(value);
      this.#grant(name);
    });
  }
}

const bundled = await build({
  stdin: {
    contents: 'export * from "./driver.js"; export * from "./tabs/leader-election.js"; export * from "./due-poller.js";',
    resolveDir: "src",
    loader: "ts",
  },
  bundle: true,
  write: false,
  format: "esm",
  absWorkingDir: new URL("..", import.meta.url).pathname,
});
const code = Buffer.from(bundled.outputFiles[0].contents).toString("base64");
const { Driver, LeaderElection, DuePoller } = await import(`data:text/javascript;base64,${code}`);

Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks: new StandInLocks() } });

let databases = 0;

/** Creates tabs of a new database. All of them are visible, because a process without a page counts as visible. */
function tabs(t, count) {
  databases += 1;
  const name = `db-${databases}`;
  return Array.from({ length: count }, () => {
    const events = new EventEmitter();
    const tab = { events, leads: false, changes: 0 };
    tab.lead = new LeaderElection(name, (leads) => {
      tab.leads = leads;
      tab.changes += 1;
      events.emit(leads ? "leads" : "standby");
    });
    t.after(() => tab.lead.stop());
    return tab;
  });
}

async function startLeading(tab) {
  const leads = once(tab.events, "leads");
  tab.lead.start();
  await leads;
}

test("when the leading tab closes, the next tab leads", async (t) => {
  const [one, two] = tabs(t, 2);
  await startLeading(one);
  two.lead.start();
  const leads = once(two.events, "leads");
  one.lead.stop();
  await leads;
  assert.deepEqual([one.leads, two.leads], [true, true], "a closed tab reports nothing more");
  assert.equal(one.changes, 1);
});

test("a failing leader hands over and does not steal the lock back", async (t) => {
  const [one, two] = tabs(t, 2);
  await startLeading(one);
  two.lead.start();
  const leads = once(two.events, "leads");
  await one.lead.handOver();
  await leads;
  assert.deepEqual([one.leads, two.leads], [false, true]);
  // The tab that handed over is queued again, so it leads when the other one fails too.
  const again = once(one.events, "leads");
  await two.lead.handOver();
  await again;
  assert.deepEqual([one.leads, two.leads], [true, false]);
});

test("a leader keeps the lead while no tab waits for it", async (t) => {
  const [one] = tabs(t, 1);
  await startLeading(one);
  await one.lead.handOver();
  assert.deepEqual([one.leads, one.changes], [true, 1]);
});

/** Creates due operations that throw `error` while `failing` is true. */
function createFailingDue(error) {
  const due = { failing: true, polls: 0, run: async () => ({}) };
  due.next = async () => {
    due.polls += 1;
    if (due.failing) throw error;
    return null;
  };
  return due;
}

test("successive failures are counted and polled for less often", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const error = new Error("no store");
  const operations = createFailingDue(error);
  const errors = [];
  const poller = new DuePoller(operations, () => 0, (thrown, times) => errors.push([thrown, times]));
  const settled = () => new Promise((done) => setImmediate(done));
  const after = async (ms) => {
    t.mock.timers.tick(ms);
    await settled();
  };
  poller.start();
  await after(0);
  await after(1999);
  assert.equal(operations.polls, 1);
  await after(1);
  await after(4000);
  assert.deepEqual(errors, [[error, 1], [error, 2], [error, 3]]);
  operations.failing = false;
  await after(8000);
  operations.failing = true;
  await after(1000);
  assert.deepEqual(errors.at(-1), [error, 1], "a success restarts the count");
  poller.stop();
  const { polls } = operations;
  await after(60_000);
  assert.equal(operations.polls, polls, "a stopped poller does not poll");
  poller.start();
  await after(0);
  assert.deepEqual(errors.at(-1), [error, 1], "a start restarts the count");
  poller.stop();
});

test("a tab whose store keeps failing hands the timers over", async (t) => {
  // Both tabs are hidden, so that neither steals the lock because it is visible.
  const page = { visibilityState: "hidden", addEventListener() {}, removeEventListener() {} };
  Object.defineProperty(globalThis, "document", { configurable: true, value: page });
  t.after(() => delete globalThis.document);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const settled = () => new Promise((done) => setImmediate(done));
  const error = new Error("the database is gone");
  const one = new Driver(createFailingDue(error), "indexeddb:gone", () => 0, "auto");
  await settled();
  const working = createFailingDue(error);
  working.failing = false;
  const two = new Driver(working, "indexeddb:gone", () => 0, "auto");
  t.after(() => [one, two].forEach((driver) => driver.stop()));
  const errors = [];
  one.addEventListener("error", ({ detail }) => errors.push(detail));
  for (const wait of [0, 2000]) {
    t.mock.timers.tick(wait);
    await settled();
    assert.deepEqual([one.state, two.state], ["leading", "standby"]);
  }
  t.mock.timers.tick(4000);
  await settled();
  assert.deepEqual([one.state, two.state], ["standby", "leading"]);
  assert.deepEqual(errors, [error, error, error]);
});

test("due work runs when it is due, until none is left", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  const due = [300, 300];
  const done = [];
  const operations = {
    next: async () => due[0] ?? null,
    run: async () => {
      done.push([now, due.shift()]);
      return { resumed: 1, deleted: 0, swept: 0, more: false };
    },
  };
  const poller = new DuePoller(operations, () => now, assert.fail);
  const after = async (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((next) => setImmediate(next));
  };
  poller.start();
  await after(0);
  await after(299);
  assert.deepEqual(done, []);
  await after(1);
  assert.deepEqual(done, [[300, 300], [300, 300]]);
  due.push(310);
  poller.nudge();
  await after(0);
  await after(10);
  assert.deepEqual(done.at(-1), [310, 310], "a nudge polls at once");
  poller.stop();
});

test("after its own command the driver uses the cached due time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sources = [];
  const operations = { next: async ({ known }) => (sources.push(known ? "known" : "store"), null) };
  const poller = new DuePoller(operations, () => 0, assert.fail);
  const after = async (ms) => {
    t.mock.timers.tick(ms);
    await new Promise((next) => setImmediate(next));
  };
  poller.start();
  await after(0);
  poller.nudge();
  await after(0);
  assert.deepEqual(sources, ["store", "known"]);
  await after(1000);
  assert.deepEqual(sources, ["store", "known", "store"]);
  poller.stop();
  poller.start();
  await after(0);
  assert.equal(sources.at(-1), "store", "a start reads the store");
  poller.stop();
});
