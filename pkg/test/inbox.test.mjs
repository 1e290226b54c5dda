// `rs.questions()`: the questions and approvals of all executions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { assertRefused, folder, openStore } from "./support.mjs";

const ASK = `CC("a of " + input); CC("b of " + input)`;
const PAY = `const paid = await tools.pay({ amount: input }); return paid`;

/** Loads the programs of these tests. */
async function load(rs) {
  await rs.load({ name: "ask", source: ASK });
  await rs.load({ name: "pay", source: PAY, script: true, tools: ["pay"] });
}

/** Starts an execution. The question of a later one has a later time. */
async function startAsk(rs, input) {
  const run = await rs.start("ask", { input });
  for (const at = Date.now(); Date.now() === at; ) await null;
  return run;
}

/** Starts an execution whose payment awaits an approval. */
const startPayment = (rs, input) => rs.start("pay", { input, policy: { kinds: ["pay"], approve: ["pay"] } });

test("open questions come first, the oldest first, then new ones, each once", async (t) => {
  const rs = await openStore(t);
  await load(rs);
  const [one, two] = [await startAsk(rs, 1), await startAsk(rs, 2)];
  const questions = rs.questions();
  const first = (await questions.next()).value;
  assert.deepEqual([first.prompt, first.execution, first.kind, first.isApproval, first.choices], ["a of 1", one.id, "cc", false, null]);
  assert.deepEqual([first.id, first.run.id, first.run.status], [first.call.id, one.id, "waiting_cc"]);
  const second = (await questions.next()).value;
  assert.deepEqual([second.prompt, second.execution], ["a of 2", two.id]);
  const next = questions.next();
  assert.equal((await second.answer("x")).status, "waiting_cc");
  assert.equal((await next).value.prompt, "b of 2");
  const later = questions.next();
  await rs.start("ask", { input: 3 });
  assert.equal((await later).value.prompt, "a of 3");
  await assertRefused(second.answer("x"), "already_answered");
  await questions.return();
  assert.equal((await questions.next()).done, true);
  const again = [];
  for await (const q of rs.questions()) if (again.push(q.prompt) === 3) break;
  assert.deepEqual(again, ["a of 1", "b of 2", "a of 3"], "leaving the loop changes nothing");
});

test("calls that await an approval are approved or rejected", async (t) => {
  const rs = await openStore(t);
  await load(rs);
  const [paid, refused] = [await startPayment(rs, 1), await startPayment(rs, 2)];
  for await (const q of rs.questions()) {
    assert.deepEqual([q.isApproval, q.kind, q.prompt], [true, "pay", ""]);
    if (q.args.amount === 1) {
      await assertRefused(q.answer("x"), "awaiting_approval");
      await q.approve({ by: "ann", args: { amount: 3 } });
      await assertRefused(q.approve({ by: "ann" }), "already_approved");
    } else {
      assert.equal(await q.reject({ by: "ann", reason: "too much" }), q.run);
      break;
    }
  }
  // No call was made before its approval.
  const stop = rs.worker({ pay: ({ amount }) => `paid ${amount}` });
  assert.equal(await paid.result(), "paid 3");
  await stop();
  await assert.rejects(refused.result(), /RejectedError: too much/);
});

test("kinds and programs are selected", async (t) => {
  const cases = [
    [{ kinds: ["pay"] }, ["ask", "other", "pay"]],
    [{ kinds: ["cc"], program: "ask" }, ["pay", "other", "ask"]],
    [{ program: "other" }, ["ask", "pay", "other"]],
  ];
  for (const [options, programs] of cases) {
    const rs = await openStore(t);
    await load(rs);
    await rs.load({ name: "other", source: `CC("other?")` });
    const startAll = async () => {
      const runs = [];
      for (const program of programs) runs.push(await (program === "pay" ? startPayment(rs, 1) : rs.start(program, { input: 1 })));
      return runs[2].id;
    };
    const open = await startAll();
    const questions = rs.questions(options);
    assert.equal((await questions.next()).value.execution, open);
    const next = questions.next();
    const later = await startAll();
    assert.equal((await next).value.execution, later);
  }
  const rs = await openStore(t);
  for (const options of [{ kinds: "cc" }, { program: 1 }, { kind: ["cc"] }, { signal: 1 }]) assert.throws(() => rs.questions(options), { code: "usage" });
});

for (const where of ["memory", "files"]) {
  test(`a question that is answered before it is read is left out: ${where}`, async (t) => {
    const url = where === "files" ? `file:${folder(t)}` : "memory:";
    const rs = await openStore(t, url);
    const other = where === "files" ? await openStore(t, url) : rs;
    await load(rs);
    for (const input of [1, 2, 3]) await startAsk(rs, input);
    const questions = rs.questions({ program: "ask" });
    const first = (await questions.next()).value;
    assert.equal(first.prompt, "a of 1");
    // The other handle answers what is listed but not read, and what has been read.
    for await (const q of other.questions()) {
      if (q.prompt === "a of 2") await q.run.cancel();
      else if (q.prompt.startsWith("a")) await q.answer("x");
      else if (q.prompt === "b of 3") break;
    }
    const prompts = [(await questions.next()).value.prompt, (await questions.next()).value.prompt];
    assert.deepEqual(prompts.sort(), ["b of 1", "b of 3"]);
    const next = questions.next();
    await other.start("ask", { input: 4 });
    assert.equal((await next).value.prompt, "a of 4", "a question of another handle");
  });
}

test("a question that a worker has claimed is left out while it has", async (t) => {
  const rs = await openStore(t);
  await load(rs);
  await rs.start("ask", { input: 1 });
  const work = await rs.runs.claim({ kinds: ["cc"], owner: "model", leaseMs: 3_600_000 });
  await rs.start("ask", { input: 2 });
  const questions = rs.questions();
  assert.equal((await questions.next()).value.prompt, "a of 2");
  const next = questions.next();
  await rs.runs.release(work);
  assert.equal((await next).value.prompt, "a of 1");
  const { calls: [{ id }] } = await (await rs.start("ask", { input: 3 })).progress();
  await rs.runs.claim({ call: id, owner: "model", leaseMs: 1_000 });
  assert.equal((await questions.next()).value.id, id, "the end of its lease commits nothing");
});

test("the iteration ends with its signal or its store", async (t) => {
  const rs = await openStore(t);
  await load(rs);
  const ends = new AbortController();
  const [aborted, closed] = [rs.questions({ signal: ends.signal }), rs.questions()];
  const [one, two] = [aborted.next(), closed.next()];
  await rs.info();
  ends.abort();
  assert.equal((await one).done, true);
  assert.equal((await rs.questions({ signal: ends.signal }).next()).done, true);
  await rs.close();
  assert.equal((await two).done, true);
  await assertRefused(rs.questions().next(), "closed");
});

test("earlier names say what they are now", async (t) => {
  const rs = await openStore(t);
  assert.throws(() => rs.cvm.load, { code: "usage", message: /`rs\.runs`/ });
  assert.throws(() => rs.orchestration, { code: "usage", message: /`rs\.sessions`/ });
});

test("questions that are imported come too, also if their execution is written after them", async (t) => {
  const from = await openStore(t);
  await load(from);
  const runs = [];
  for (let n = 0; n < 5; n++) runs.push((await from.start("ask", { input: n })).id);
  const contents = await from.export();
  const rs = await openStore(t);
  const questions = rs.questions();
  const first = questions.next();
  await rs.import(contents);
  const asked = [(await first).value.execution];
  while (asked.length < runs.length) asked.push((await questions.next()).value.execution);
  assert.deepEqual(asked.sort(), runs.sort());
  await questions.return();
});

/** An inbox whose changes and reads come when the test lets them. */
async function controlledInbox(t) {
  const contents = `export { followInbox } from "./inbox.ts"; export { ExecutionFollower } from "./follower.ts"; export { RunstateError } from "./errors.ts";`;
  const stdin = { contents, resolveDir: fileURLToPath(new URL("../src", import.meta.url)) };
  const { outputFiles } = await build({ stdin, bundle: true, format: "esm", platform: "node", write: false });
  const { followInbox, ExecutionFollower, RunstateError } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
  const pages = [];
  let wake = () => {};
  const nextUnlessExpired = async () => {
    while (pages.length === 0) await new Promise((resolve) => (wake = resolve));
    return pages.shift();
  };
  const follower = new ExecutionFollower(() => ({ ready: async () => {}, nextUnlessExpired }));
  const scene = { open: [], read: async () => {}, isThere: false, follower, change: (...page) => (pages.push(page), wake()) };
  const invoke = async (operation) => {
    if (operation === "cvm.calls") return { items: scene.open };
    const { isThere } = scene;
    await scene.read();
    if (!isThere) throw new RunstateError({ code: "not_found", message: "its execution is not there" });
    return { id: "c", executionId: "e", waitsFor: "person", claim: null };
  };
  const calls = followInbox({ follower, invoke, now: Date.now, warn: () => {} }, {}, async (call) => call.id);
  t.after(() => calls.return());
  return { scene, calls };
}

test("a call that is listed before its execution is there comes with it", async (t) => {
  const { scene, calls } = await controlledInbox(t);
  scene.open = [{ id: "c", executionId: "e", requestedAt: 1, step: 1 }];
  const read = new Promise((resolve) => (scene.read = async () => resolve()));
  const first = calls.next();
  await read;
  scene.isThere = true;
  scene.change({ kind: "execution", executionId: "e", id: "e" });
  assert.equal((await first).value, "c");
});

test("a call comes whose execution changes while the call is read", async (t) => {
  const { scene, calls } = await controlledInbox(t);
  const other = scene.follower.watch("other");
  await other.open();
  t.after(() => other.close());
  const first = calls.next();
  void other.change();
  let answer;
  const isRead = new Promise((resolve) => {
    scene.read = () => (resolve(), new Promise((end) => (answer = end)));
  });
  await new Promise((resolve) => setImmediate(resolve));
  scene.change({ kind: "call", executionId: "e", id: "c" });
  await isRead;
  scene.isThere = true;
  scene.read = async () => {};
  scene.change({ kind: "execution", executionId: "e", id: "e" });
  await new Promise((resolve) => setImmediate(resolve));
  answer();
  assert.equal((await first).value, "c");
});
