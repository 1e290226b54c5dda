// Scripts with thirty calls at once, of which people approve five, and their undoing, in two tabs over one database.
// The browser is killed with SIGKILL at writes to the database, again and again, and tabs are closed. Each tab does
// all there is to do, at the same time: it starts the run, runs tools, approves in random order, and undoes. A
// journal outside of the browser has what was done to the world, and is compared with the database at the end.
//
// A tab that ends between the claim of a call and the commit of its answer leaves the call to the others, which run
// its tool again. What never happens: a call is lost, or answered twice; a tool runs after the answer of its call was
// committed; a call runs again without the end of a tab or of its lease; an approval is recorded twice; an answered
// call is undone twice.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, test } from "node:test";

import { kill, launch, newProfile } from "./support/chromium.js";
import { FULL } from "./support/full.js";
import { load, site } from "./support/site.js";

const KILLS = FULL ? 40 : 3;

/** A run that was killed so often is not killed again: a call that was tried repeatedly without a result fails. */
const KILLS_OF_A_RUN = 2;

/** A tab ends after at most so many writes to the database. */
const WRITES = 80;

/** Longer than the lease of a call. */
const LEASE_MS = 60_000;

/** Every fifth call is a refund. The rule of the tool lets the first one pass. */
const SCRIPT = `
const work = async (n) => {
  const done = n % 5 === 0 ? await tools.pay.refund({ n }) : await tools.crm.find({ n });
  console.log(done);
  return done;
};
return Promise.all(Array.from({ length: 30 }, (_, n) => work(n)));`;

const KINDS = Array.from({ length: 30 }, (_, n) => (n % 5 === 0 ? "pay.refund" : "crm.find"));

const RESULTS = KINDS.map((kind, n) => `${kind} ${n}`);

/** Calls that wait for an approval, and those of them that a person approves. */
const APPROVALS = { all: 6, byPeople: 5 };

/** Random numbers from a seed (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

let server;
before(async () => void (server = await site()));
after(() => server?.stop());

test(`scripts in a browser that is killed ${KILLS} times lose and double nothing`, async (t) => {
  const seed = Number(process.env.RUNSTATE_SEED ?? randomInt(2 ** 31)) | 0;
  t.diagnostic(`seed ${seed}; set RUNSTATE_SEED=${seed} to repeat it`);
  const world = { random: randomFrom(seed), profile: await newProfile(), journal: [], dead: new Set(), kills: new Map(), clock: 0, tabs: 0 };
  try {
    for (let n = 0; n < KILLS; n++) await live(world, true);
    const repeated = check(await live(world, false), world);
    t.diagnostic(`${world.dead.size} tabs ended in ${world.kills.size} runs: ${repeated} tools ran again before their answer`);
    assert.ok(world.kills.size > 1, "one run was killed only");
    // Otherwise nothing was under way when tabs ended. Of few it may be so.
    if (FULL) assert.ok(repeated > 0, "no tool ran again");
  } finally {
    await world.profile.remove();
  }
});

/** Starts a browser with two tabs. Kills it, or waits until all runs have ended and returns them. */
async function live(world, isKilled) {
  const { random, profile, journal, dead } = world;
  // Time has passed: the leases of the tabs before have ended.
  world.clock += LEASE_MS;
  const browser = await launch(profile);
  const open = new Map();
  let end;
  const ended = new Promise((resolve, reject) => (end = { resolve, reject }));
  try {
    await browser.exposeFunction("record", (entry) => void journal.push(entry));
    // The tab that calls this is at the write that was chosen.
    await browser.exposeFunction("die", (name) => (open.has(name) ? act(name) : undefined));
    // A page that is blocked calls no function.
    await browser.route("**/die/*", (route) => act(new URL(route.request().url()).pathname.slice("/die/".length)));

    let killing;
    const act = async (name) => {
      const { plan, page } = open.get(name);
      // Both tabs may be at their last write.
      if (plan.ends === "browser") return end.resolve((killing ??= killAll()));
      await closeTab(name, page).catch(end.reject);
    };
    const killAll = async () => {
      for (const name of open.keys()) dead.add(name);
      const run = firstOpen(journal);
      world.kills.set(run, (world.kills.get(run) ?? 0) + 1);
      await kill(profile);
    };
    const closeTab = async (name, page) => {
      open.delete(name);
      dead.add(name);
      await page.close();
      // The other tab sees the end of the lease of the closed one. It may lose calls of its own by that.
      world.clock += LEASE_MS;
      journal.push({ deed: "jumped" });
      await Promise.all([...open.values()].map((other) => other.page.evaluate((clock) => void (window.clock = clock), world.clock)));
      await openTab(planOf("browser"));
    };
    const planOf = (ends) => {
      const moments = ends === "browser" ? ["before", "during", "after"] : ["during"];
      return isKilled ? { ends, nth: 1 + random(WRITES), moment: moments[random(moments.length)] } : null;
    };
    const openTab = async (plan) => {
      const [page, name] = [await browser.newPage(), `tab-${(world.tabs += 1)}`];
      open.set(name, { page, plan });
      const safe = [...world.kills].filter(([, kills]) => kills >= KILLS_OF_A_RUN).map(([run]) => run);
      await page.addInitScript(prepare, { name, plan, safe, clock: world.clock, random: random(2 ** 31) });
      await load(page, server.url);
      const first = Number(firstOpen(journal).slice("run-".length));
      return page.evaluate(serve, { script: SCRIPT, first, last: isKilled ? Infinity : runsOf(journal).length - 1 });
    };
    // Tabs that were ended reject.
    const tabs = [openTab(planOf("browser")), openTab(planOf(random(2) === 0 ? "tab" : "browser"))];
    if (isKilled) {
      for (const served of tabs) served.catch((error) => /closed|crashed|destroyed/i.test(error.message) || end.reject(error));
      await ended;
      return undefined;
    }
    await Promise.all(tabs);
    const [{ page }] = open.values();
    return await page.evaluate(readAll, runsOf(journal));
  } finally {
    // Closed also after a failure, because a running browser would keep the test process alive.
    await browser.close().catch(() => {});
  }
}

function runsOf(journal) {
  return [...new Set(journal.filter(({ deed }) => deed === "began").map(({ run }) => run))];
}

/** The first run that is not known to have ended. */
function firstOpen(journal) {
  const ended = new Set(journal.filter(({ deed }) => deed === "ended").map(({ run }) => run));
  for (let n = 0; ; n++) if (!ended.has(`run-${n}`)) return `run-${n}`;
}

/** In the page, before its scripts: sets its clock, and ends it at a write to the database. */
function prepare({ name, plan, safe, clock, random }) {
  Object.assign(window, { tab: name, clock, seed: random });
  const now = Date.now.bind(Date);
  Date.now = () => now() + window.clock;
  if (plan === null) return;
  const block = () => {
    const request = new XMLHttpRequest();
    request.open("GET", `/die/${name}`, false);
    request.send();
  };
  const { transaction } = IDBDatabase.prototype;
  let writes = 0;
  IDBDatabase.prototype.transaction = function (stores, mode, ...options) {
    const isWrite = mode === "readwrite" && window.run !== undefined && !safe.includes(window.run);
    const isLast = isWrite && (writes += 1) === plan.nth;
    if (isLast && plan.moment === "before") block();
    const begun = transaction.call(this, stores, mode, ...options);
    // The commit is stored, and its listeners never learn of it.
    if (isLast && plan.moment === "after") begun.addEventListener("complete", block);
    if (isLast && plan.moment === "during") void window.die(name);
    return begun;
  };
}

/** In the page: does what people do for runs, from their start until they are undone, and runs their tools. */
async function serve({ script, first, last }) {
  let state = window.seed;
  const random = (below) => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) % below;
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, random(ms)));
  const record = (entry) => window.record({ by: window.tab, ...entry });

  const work = async ({ call }) => {
    await record({ deed: "ran", call: call.id, token: call.claim.token });
    await pause(30);
  };
  const undo = async (args, result, task) => {
    await work(task);
    if (!String(result).endsWith(` ${args.n}`)) throw new Error(`it is undone with the result ${result}`);
  };
  const toolOf = (kind, options) =>
    runstate.tool({ ...options, revert: undo, run: async ({ n }, task) => (await work(task), `${kind} ${n}`) });
  const store = await runstate.open("indexeddb:scripts");
  const code = store.code({ tools: { crm: { find: toolOf("crm.find") }, pay: { refund: toolOf("pay.refund", { approve: ({ n }) => n !== 0 }) } } });
  Object.assign(window, { store, code });

  let people = 0;
  const approveOne = async (pending) => {
    const awaits = pending.filter(({ kind }) => kind === "approval");
    const call = awaits[random(awaits.length || 1)];
    if (call === undefined) return;
    const by = `${window.tab} ${(people += 1)}`;
    const refused = await refusal(code.approve(call, { by }));
    if (refused === null) await record({ deed: "approved", by, call: call.id });
    // The other tab was faster.
    else if (!["already_approved", "already_answered"].includes(refused.code)) throw new Error(refused.message);
  };
  for (let n = first; n <= last; n++) {
    window.run = `run-${n}`;
    await record({ deed: "began", run: window.run });
    for (let r = await code.run(script, { id: window.run, waitMs: 0 }); r.status === "waiting"; r = await code.result(window.run, { waitMs: 50 })) {
      await approveOne(r.pending);
      await pause(20);
    }
    const undone = await code.revert(window.run, { waitMs: 0 });
    while ((await code.result(undone.run, { waitMs: 50 })).status === "waiting") await pause(20);
    await record({ deed: "ended", run: window.run });
  }
}

/** In the page: reads all that the database has of runs. */
async function readAll(runs) {
  const callsOf = async (execution) => (await store.runs.calls({ execution, limit: 500 })).items;
  const read = async (run) => ({
    run,
    shown: await store.runs.show(run),
    calls: await callsOf(run),
    approvals: (await store.runs.logs({ execution: run, event: "approval", limit: 500 })).items.map(({ details }) => details),
    undo: await store.runs.show(`${run}.revert`),
    undos: await callsOf(`${run}.revert`),
    again: await refusal(store.runs.show(`${run}.revert.2`)),
  });
  const all = [];
  for (const run of runs) all.push(await read(run));
  const { findings } = await store.verify();
  return { all, damage: findings.filter(({ severity }) => severity === "damage") };
}

/** Checks all runs. Returns how often a tool ran again. */
function check({ all, damage }, world) {
  assert.deepEqual(damage, []);
  let repeated = 0;
  for (const { run, shown, calls, approvals, undo, undos, again } of all) {
    // The end is that of a run without deaths, and no line ran twice.
    assert.deepEqual([shown.status, shown.result], ["complete", RESULTS], run);
    assert.deepEqual(shown.output.toSorted(), RESULTS.toSorted(), run);
    assert.deepEqual(calls.map(({ kind }) => kind).toSorted(), KINDS.toSorted(), run);
    checkApprovals(run, calls, approvals, world);
    // All are undone, the latest first, by one run.
    const latestFirst = calls.toSorted((a, b) => b.response.timestamp - a.response.timestamp || b.step - a.step).map(({ id }) => id);
    assert.deepEqual([undo.status, undo.result], ["complete", { undone: latestFirst, failed: [] }], run);
    assert.equal(undos.length, calls.length, run);
    assert.equal(again?.code, "not_found", `${run} was undone twice`);
    for (const call of [...calls, ...undos]) repeated += checkCall(call, world);
  }
  return repeated;
}

/** Checks what was done for a call. Returns how often its tool ran again. */
function checkCall({ id, outcome, claim }, { journal, dead }) {
  assert.equal(outcome, "answered", id);
  const ran = journal.flatMap((entry, at) => (entry.deed === "ran" && entry.call === id ? [{ ...entry, at }] : []));
  const tokens = ran.map(({ token }) => token);
  // No claim follows the answer, so the newest claim is that of the answer. No claim runs the tool twice.
  assert.equal(tokens.at(-1), claim.token, `${id}: ${JSON.stringify(ran)}`);
  assert.deepEqual(tokens, [...new Set(tokens)].toSorted((a, b) => a - b), id);
  // Each earlier run has a reason: its tab has ended, or its lease.
  for (const [n, { by, at }] of ran.slice(0, -1).entries()) {
    const hasExpired = journal.slice(at, ran[n + 1].at).some(({ deed }) => deed === "jumped");
    assert.ok(dead.has(by) || hasExpired, `${id} was repeated: ${JSON.stringify(ran)}`);
  }
  return ran.length - 1;
}

/** Checks that each approval was recorded once: in the call, as one row of the log, and as the person knows it. */
function checkApprovals(run, calls, rows, { journal }) {
  const approved = calls.filter(({ approval }) => approval != null);
  const byPeople = approved.filter(({ approval }) => approval.by !== "rule").length;
  assert.deepEqual({ all: approved.length, byPeople }, APPROVALS, run);
  assert.equal(rows.length, approved.length, `${run}: ${JSON.stringify(rows)}`);
  for (const { id, approval: { by } } of approved) {
    assert.equal(rows.filter((row) => row.callId === id && row.approved && row.by === by).length, 1, `${id}: ${JSON.stringify(rows)}`);
    const acknowledged = journal.filter(({ deed, call }) => deed === "approved" && call === id).map((entry) => entry.by);
    assert.ok(acknowledged.every((person) => person === by) && acknowledged.length <= 1, `${acknowledged} approved ${id}, the database has ${by}`);
  }
}
