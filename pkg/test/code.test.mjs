// `rs.code`: scripts that call tools, wait for people, and survive their process.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CallFailure, mcp, open, tool } from "runstate";
import { assertRefused, folder, openStore } from "./support.mjs";

/** Opens a store with scripts over these tools; both are closed when the test has ended. */
async function openCode(t, tools, options = {}, rs = undefined) {
  const store = rs ?? (await openStore(t));
  const code = store.code({ tools, ...options });
  t.after(() => code.close());
  return { rs: store, code };
}

/** The first calls that wait for a person. */
async function firstPending(code, count) {
  const found = [];
  for await (const call of code.pending()) if (found.push(call) === count) return found;
}

test("a script calls tools together and returns its result", async (t) => {
  let [running, most] = [0, 0];
  const find = async ({ q }) => {
    most = Math.max(most, (running += 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    running -= 1;
    return { q, at: new Date(0), skipped: undefined };
  };
  const { code } = await openCode(t, { crm: { find }, plain: () => {} });
  const script = `
    const found = await Promise.all(["a", "b", "c"].map((q) => tools.crm.find({ q, when: new Date(0) })));
    console.log(found.length, await tools.plain());
    return found.map(({ q, at }) => q + at) satisfies string[];`;
  const r = await code.run(script, { input: { n: 1 } });
  assert.deepEqual(r, {
    status: "complete", run: r.run, calls: 4, output: ["3 null"],
    result: ["a", "b", "c"].map((q) => `${q}1970-01-01T00:00:00.000Z`),
  });
  assert.equal(most, 3);
});

test("a script may be a function, and reads its input", async (t) => {
  const { code } = await openCode(t, {});
  for (const script of ["async () => input.n + 1", "export default async function () { return input.n + 1 }", "return input.n + 1"]) {
    const r = await code.run(script, { input: { n: 1 } });
    assert.deepEqual([r.status, r.result], ["complete", 2], script);
  }
});

test("a fence of Markdown around a script is left out, and its lines keep their numbers", async (t) => {
  const { code } = await openCode(t, {});
  assert.equal((await code.run("```js\nreturn 1\n```")).result, 1);
  const thrown = await code.run("```ts\nconst n = null;\nreturn n.x\n```");
  assert.deepEqual([thrown.error.name, thrown.error.line], ["TypeError", 3]);
});

test("a call of a function at the end gives the result", async (t) => {
  const { code } = await openCode(t, { find: () => 5 });
  for (const script of ["async function main() { return tools.find() }\nmain();", "(async () => { return tools.find() })()"]) {
    const r = await code.run(script);
    assert.deepEqual([r.status, r.result, r.warnings], ["complete", 5, undefined], script);
  }
});

test("hints for what scripts lack name what they have", async (t) => {
  const { code } = await openCode(t, { web: { get: () => 1 }, find: () => 1 });
  const r = await code.run("const r = await fetch('https://example.com');\nreturn r");
  assert.deepEqual([r.error.line, r.error.hint], [1, "a script reaches the network only by its tools: tools has web, find"]);
});

test("a script that computes is not waited for longer than `waitMs`", async (t) => {
  const { code } = await openCode(t, {});
  for (const waitMs of [0, 20]) {
    const r = await code.run("for (;;) {}", { waitMs, id: `loop-${waitMs}` });
    assert.deepEqual(r, { status: "waiting", run: `loop-${waitMs}`, pending: [], running: true, output: [], calls: 0 });
    assert.deepEqual(await code.result(r.run, { waitMs: 0 }), r);
    await assertRefused(code.run("return 1", { waitMs, id: r.run }), "already_exists");
    await code.cancel(r.run);
  }
  const r = await code.run("return ask('?')");
  assert.deepEqual([r.status, r.running], ["waiting", undefined]);
});

test("complaints of the compiler come together, with what would work", async (t) => {
  const { code } = await openCode(t, { crm: { find: () => 1 } });
  const r = await code.run("await tools.crm.fnd({});\nawait tools.crn.find({});\nreturn nope");
  assert.deepEqual([r.status, r.run, r.error.kind, r.error.line, r.error.hint], ["failed", null, "compile", 1, "did you mean tools.crm.find?"]);
  assert.deepEqual(r.error.diagnostics.map(({ line }) => line), [1, 2, 3]);
});

test("warnings of the compiler come with the state of the run", async (t) => {
  const { code } = await openCode(t, { find: () => 1 });
  const r = await code.run("tools.find();\nreturn 1");
  assert.equal(r.status, "complete");
  assert.deepEqual(r.warnings?.map((warning) => /script\.ts:1:/.test(warning)), [true], String(r.warnings));
  assert.equal("warnings" in (await code.run("return tools.find()")), false);
});

test("calls that have no answer when a script returns are named", async (t) => {
  const { code } = await openCode(t, { pay: { refund: tool({ approve: true, run: () => 1 }) }, find: () => 1 });
  const script = "const os = [1, 2];\nos.forEach((order) => tools.pay.refund({ order }));\nawait ask('go on?');\nreturn 'refunded ' + os.length";
  const r = await code.run(script, { id: "r" });
  assert.deepEqual([r.status, r.warnings.length], ["waiting", 1]);
  assert.match(r.warnings[0], /^script\.ts:2:\d+: `forEach` does not wait for tools\.pay\.refund.*Promise\.all\(os\.map/);
  await code.answer(r.pending.find(({ kind }) => kind === "question"), "yes");
  const end = await code.result(r.run);
  const lost = "2 calls had no answer when the script returned, and were cancelled: pay.refund (line 2)";
  assert.deepEqual([end.status, end.result, end.warnings], ["complete", "refunded 2", [lost]]);
  assert.deepEqual((await code.run(script, { id: "r" })).warnings, [r.warnings[0], lost]);
  // A timer that lost a race is meant.
  assert.equal("warnings" in (await code.run("return Promise.race([tools.find(), sleep(600_000)])")), false);
});

/** The tools of the tests of types. */
const TYPED = {
  orders: {
    list: tool({
      input: { type: "object", required: ["days"], properties: { days: { type: "integer" }, state: { enum: ["open", "late"] }, at: { type: "string" }, tags: { type: "array", items: { type: "string" } } } },
      output: { type: "array", items: { type: "object", required: ["id"], properties: { id: { type: "string" }, amount: { type: "number" } } } },
      run: () => [{ id: "o-1", amount: 1 }],
    }),
    find: tool({ output: { anyOf: [{ type: "object", properties: { a: { type: "string" } } }, { type: "object", properties: { b: { type: "string" } } }] }, run: () => ({ a: "1" }) }),
  },
};

test("a script with wrong types is refused before it runs, with all complaints", async (t) => {
  const { code } = await openCode(t, TYPED);
  const r = await code.run("const rows = await tools.orders.list({\n  days: 'x' });\nawait tools.orders.list({ days: 1, sate: 'late' });\nreturn rows.map((row) => row.amounts)");
  assert.deepEqual([r.status, r.run, r.error.kind, r.error.name, r.error.line, r.error.column], ["failed", null, "compile", "TypeError", 2, 3]);
  assert.match(r.error.hint, /^it is tools\.orders\.list\(args: \{ days: number;/);
  assert.deepEqual(r.error.diagnostics.map(({ line, kind, message }) => [line, kind, /Did you mean (.*)\?$/.exec(message)?.[1]]), [
    [2, "type", undefined], [3, "type", "to write 'state'"], [4, "type", "'amount'"],
  ]);
  for (const script of ["return tools.orders.list({ days: 1 }).length", "const { orders } = tools;\nawait orders.list({ days: 1, state: 'x' })", "async () => { await tools.orders.list() }"]) {
    assert.equal((await code.run(script)).error?.kind, "compile", script);
  }
  const { code: unchecked } = await openCode(t, TYPED, { checkTypes: false });
  assert.equal((await unchecked.run("return tools.orders.list({ days: 1 }).length")).status, "complete");
});

test("a script is not refused for types that may be right", async (t) => {
  const { code } = await openCode(t, TYPED);
  for (const script of [
    "const sums = {}; sums.a = 1; const rows = await tools.orders.list({ days: 1 }); rows.more = 1; return sums.a",
    "const args = { days: 1, state: 'late' }; return tools.orders.list(args)",
    "return tools.orders.list({ days: 1, at: new Date(0) })",
    "const tags = ['a'] as const; return tools.orders.list({ days: 1, tags })",
    "const found = await tools.orders.find(); return found.a ?? found.b",
    "const days: string | number = input ?? 1; return tools.orders.list({ days })",
    "const rows = await tools.orders.list({ days: 1 }); return rows.reduce((all, row) => ({ ...all, [row.id]: row }), {}).o",
  ]) {
    const r = await code.run(script);
    assert.equal(r.status, "complete", `${script}: ${JSON.stringify(r.error)}`);
  }
});

test("errors of tools are errors of the script", async (t) => {
  class NotThere extends Error {
    name = "NotThere";
    code = "E_GONE";
  }
  let attempts = 0;
  const { code } = await openCode(t, {
    gone: () => { throw new NotThere("no such thing"); },
    text: () => { throw "a text"; },
    big: () => 10n,
    once: () => {
      if ((attempts += 1) === 1) throw new CallFailure("busy", { retryAfterMs: 1 });
      return attempts;
    },
    typed: tool({ input: { type: "object", required: ["n"], properties: { n: { type: "integer" } } }, run: ({ n }) => n }),
    wrong: tool({ output: { type: "string" }, run: () => 1 }),
  }, { checkTypes: false });
  const script = `
    const seen: unknown[] = [];
    for (const one of [tools.gone, tools.text, tools.big, tools.once, () => tools.typed({ n: "1" }), () => tools.typed({ n: 1 }), tools.wrong]) {
      try { seen.push(await one()) } catch (e) { seen.push([e instanceof Error, e.name, e.message.slice(0, 41)]) }
    }
    return seen`;
  const { result } = await code.run(script);
  assert.deepEqual(result, [
    [true, "NotThere", "no such thing"], [true, "Error", "a text"], [true, "TypeError", "Do not know how to serialize a BigInt"], 2,
    [true, "TypeError", "the arguments of tools.typed: at /n: an i"], 1, [true, "TypeError", "the result of tools.wrong: a text is expe"],
  ]);
  const uncaught = await code.run("await tools.gone()");
  assert.deepEqual([uncaught.status, uncaught.error], ["failed", { kind: "error", name: "NotThere", message: "no such thing", line: 1, column: uncaught.error.column }]);
});

test("calls wait for approvals while others go on, and people may change arguments", async (t) => {
  const refunded = [];
  const refund = tool({ approve: true, run: ({ order, amount }) => (refunded.push([order, amount]), "ok") });
  const { code } = await openCode(t, { pay: { refund }, log: ({ n }) => n });
  const script = `
    const logged = tools.log({ n: 7 });
    const all = await Promise.allSettled(["a", "b"].map((order) => tools.pay.refund({ order, amount: 5 })));
    return [await logged, ...all.map((one) => one.value ?? one.reason.name + ": " + one.reason.message)]`;
  const r = await code.run(script);
  assert.equal(r.status, "waiting");
  assert.deepEqual(r.pending.map(({ kind, name, args, line }) => [kind, name, args.order, line]), [["approval", "pay.refund", "a", 3], ["approval", "pay.refund", "b", 3]]);
  const [a, b] = await firstPending(code, 2);
  await assertRefused(code.answer(a, "forged"), "awaiting_approval");
  await code.approve(a, { by: "ann", note: "checked", args: { order: "a", amount: 4 } });
  // Its tool may have run.
  await assert.rejects(code.approve(a, { by: "bob" }), ({ code }) => ["already_approved", "already_answered"].includes(code));
  await code.reject(b, { by: "ann", reason: "too late" });
  const end = await code.result(r.run);
  assert.deepEqual([end.status, end.result], ["complete", [7, "ok", "RejectedError: too late"]]);
  assert.deepEqual(refunded, [["a", 4]]);
});

test("a rule approves by the arguments", async (t) => {
  const seen = [];
  const refund = tool({
    input: { type: "object", required: ["amount"], properties: { amount: { type: "number" } } },
    approve: ({ amount }) => amount > 100,
    run: ({ amount }) => (seen.push(amount), amount),
  });
  const { code, rs } = await openCode(t, { refund });
  const r = await code.run("const all = await Promise.allSettled([1, 500, 'x'].map((amount) => tools.refund({ amount }))); return all.map((one) => one.value ?? one.reason.name)");
  // Arguments that the tool refuses are left to a person: another version of it may take them.
  assert.deepEqual(r.pending.map(({ kind, args }) => [kind, args.amount]), [["approval", 500], ["approval", "x"]]);
  for (const call of r.pending) await code.approve(call, { by: "ann" });
  const { result } = await code.result(r.run);
  assert.deepEqual(result, [1, 500, "TypeError"]);
  assert.deepEqual(seen, [1, 500]);
  const { items } = await rs.runs.calls({ execution: r.run });
  assert.deepEqual(items.map(({ approval }) => approval.by).sort(), ["ann", "ann", "rule"]);
});

test("a question is answered from the list of what is pending", async (t) => {
  const { code } = await openCode(t, {});
  const r = await code.run(`return "hello " + await ask("your name?", { choices: ["Ada", "Bob"] })`);
  assert.deepEqual(r.pending.map(({ kind, args, choices }) => [kind, args, choices]), [["question", "your name?", ["Ada", "Bob"]]]);
  const [question] = await firstPending(code, 1);
  await assertRefused(code.answer(question, "Eve"), "invalid_answer");
  await code.answer(question, "Ada");
  assert.equal((await code.result(r.run)).result, "hello Ada");
});

test("a run continues in another process, and each call runs once", async (t) => {
  const url = `file:${folder(t)}`;
  const ran = [];
  const tools = { a: ({ n }) => (ran.push(n), n), pay: tool({ approve: true, run: ({ n }) => (ran.push(n), n) }) };
  const script = `
    let turns = 0;
    for (let i = 0; i < 100_000; i += 1) turns += 1;
    const a = await tools.a({ n: 1 });
    const b = await tools.pay({ n: 2 });
    return [turns, a, b]`;
  const first = await open(url);
  const code = first.code({ tools });
  const r = await code.run(script, { id: "run-1" });
  assert.equal(r.status, "waiting");
  await code.close();
  await first.close();
  const { code: second } = await openCode(t, tools, {}, await openStore(t, url));
  const again = await second.run(script, { id: "run-1" });
  assert.deepEqual([again.status, again.run, again.pending.length], ["waiting", "run-1", 1]);
  await second.approve(again.pending[0], { by: "ann" });
  assert.deepEqual((await second.result("run-1")).result, [100_000, 1, 2]);
  assert.deepEqual(ran, [1, 2]);
  await assertRefused(second.run("return 1", { id: "run-1" }), "already_exists");
});

test("limits end a run, and further open calls queue", async (t) => {
  let [running, most] = [0, 0];
  const slow = async () => {
    most = Math.max(most, (running += 1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    return 1;
  };
  const { code, rs } = await openCode(t, { slow }, { limits: { calls: 8, open: 2, heap: "1 MiB", instructions: 1e6, output: "1 KiB" } });
  const six = await code.run("return (await Promise.all([1, 2, 3, 4, 5, 6].map(() => tools.slow()))).length");
  assert.deepEqual([six.status, six.result, most], ["complete", 6, 2]);
  for (const [script, text] of [
    ["for (;;) await tools.slow()", /^call limit .*; make fewer calls$/], ["for (;;) {}", /^instruction limit .*; compute less between two calls$/],
    ["let s = 'ab'; for (;;) s += s", /memory|heap/], ["for (;;) console.log('x'.repeat(100))", /^output limit .*; print less$/],
  ]) {
    const r = await code.run(script);
    assert.deepEqual([r.status, r.error.kind], ["failed", "limit"], script);
    assert.match(r.error.message, text);
  }
  assert.throws(() => rs.code({ tools: {}, limits: { heap: "much" } }), /is not a size/);
  for (const limits of [{ ms: 5 }, { calls: 0 }, { open: 1001 }, { instructions: 0.5 }, { heap: "1 KiB" }, { output: 0 }]) {
    assert.throws(() => rs.code({ tools: {}, limits }), { code: "usage", message: new RegExp(`\`${Object.keys(limits)[0]}\` must be a whole number`) });
  }
});

test("the lines of a result have at most 256 KiB", async (t) => {
  const { code } = await openCode(t, {}, { limits: { output: "1 MiB" } });
  const { output } = await code.run("for (let i = 0; i < 4; i += 1) console.log('\u20ac'.repeat(30_000))");
  assert.deepEqual(output.map((line) => line.length), [30_000, 30_000, output[2].length]);
  assert.match(output[2], /left out/);
});

test("calls that the list of tools lacks are refused when they are made", async (t) => {
  const { code } = await openCode(t, { a: () => 1 });
  const r = await code.run(`try { return await call("other", 1) } catch (e) { return e.name }`);
  assert.deepEqual([r.status, r.result], ["complete", "NotAllowedError"]);
});

test("a run is undone, the latest call first, once", async (t) => {
  const log = [];
  const pay = (name) => tool({ run: ({ n }) => ({ id: `${name}${n}` }), revert: ({ n }, { id }) => void log.push(`${id}-${n}`) });
  const { code } = await openCode(t, { a: pay("a"), b: pay("b"), c: () => 1 });
  const r = await code.run("await tools.a({ n: 1 }); await tools.c(); await tools.b({ n: 2 }); await tools.a({ n: 3 }); throw new Error('no')");
  assert.deepEqual([r.status, r.error.message], ["failed", "no"]);
  const undone = await code.revert(r.run);
  assert.equal(undone.status, "complete");
  assert.deepEqual(log, ["a3-3", "b2-2", "a1-1"]);
  assert.deepEqual([undone.result.undone.length, undone.result.failed], [3, []]);
  assert.equal((await code.revert(r.run)).run, undone.run);
  assert.equal(log.length, 3);
  const waiting = await code.run("await ask('?')");
  await assertRefused(code.revert(waiting.run), "illegal_transition");
  await code.cancel(waiting.run);
  assert.deepEqual((await code.result(waiting.run)).error.kind, "cancelled");
});

test("what could not be undone is undone later", async (t) => {
  let isDown = true;
  const log = [];
  const revert = ({ n }) => {
    if (isDown && n === 1) throw new Error("down");
    log.push(n);
  };
  const { code } = await openCode(t, { a: tool({ run: ({ n }) => n, revert }) }, { limits: { calls: 2 } });
  const r = await code.run("await tools.a({ n: 1 }); await tools.a({ n: 2 })");
  const first = await code.revert(r.run);
  assert.deepEqual([first.result.undone.length, first.result.failed[0].message, log], [1, "down", [2]]);
  isDown = false;
  const second = await code.revert(r.run);
  assert.deepEqual([second.run, second.result.undone.length, log], [`${r.run}.revert.2`, 1, [2, 1]]);
  assert.equal((await code.revert(r.run)).run, second.run);
});

test("what a cancelled run has undone is not undone again", async (t) => {
  const log = [];
  let release;
  const revert = async ({ n }) => {
    log.push(n);
    if (n === 1 && release === undefined) await new Promise((resolve) => (release = resolve));
  };
  const { code } = await openCode(t, { a: tool({ run: ({ n }) => n, revert }) });
  const r = await code.run("await tools.a({ n: 1 }); await tools.a({ n: 2 })");
  const first = await code.revert(r.run, { waitMs: 0 });
  while (log.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await code.cancel(first.run);
  release();
  const second = await code.revert(r.run);
  assert.deepEqual([second.run, second.result.undone.length, log], [`${r.run}.revert.2`, 1, [2, 1, 1]]);
});

test("a tool that needs approvals runs no call that has none", async (t) => {
  const url = `file:${folder(t)}`;
  let ran = 0;
  const { code: starter } = await openCode(t, { pay: () => 1 }, { serve: false }, await openStore(t, url));
  await openCode(t, { pay: tool({ approve: true, run: () => (ran += 1) }) }, {}, await openStore(t, url));
  const r = await starter.run("try { return await tools.pay() } catch (e) { return e.name }", { waitMs: 20_000 });
  assert.deepEqual([r.result, ran], ["NotAllowedError", 0]);
});

test("a result that cannot be stored fails its call, and the tool runs once", async (t) => {
  for (const [value, text] of [["x".repeat(2 ** 20), /1048578 bytes/], [{ "a\0": 1 }, /NUL/], ["\ud800", /surrogate/]]) {
    let ran = 0;
    const { code } = await openCode(t, { big: () => ((ran += 1), value) });
    const r = await code.run("try { return await tools.big() } catch (e) { return e.message }");
    assert.match(r.result, text);
    assert.equal(ran, 1);
  }
});

test("numbers beyond 2^53 are the doubles that they are: literals, inputs, arguments, results, answers, and those of a saved run", async (t) => {
  const url = `file:${folder(t)}`;
  const rs = await openStore(t, url);
  const far = [2 ** 53, 1e16, -(2 ** 60), 1e18, 1796073181888000000, 1e19, 1e20, 1e21];
  const { code } = await openCode(t, { echo: (args) => args, far: () => ({ far }) }, {}, rs);
  const script = `
    const kept = [2 ** 53, 1e16, -(2 ** 60), 1000000000000000000];
    const [echoed, given] = [await tools.echo(input), await tools.far()];
    const answer = await ask("how many?");
    return { kept, echoed, given, answer, same: answer === 2 ** 60 }`;
  const { run, pending } = await code.run(script, { input: far });
  // Another process has nothing but the store.
  const { code: other } = await openCode(t, { echo: (args) => args, far: () => ({ far }) }, {}, await openStore(t, url));
  await other.answer(pending[0], 2 ** 60);
  const { result } = await other.result(run);
  assert.deepEqual(result, { kept: [2 ** 53, 1e16, -(2 ** 60), 1e18], echoed: far, given: { far }, answer: 2 ** 60, same: true });
  await rs.load({ name: "far", source: "function main() { return [1e16, 4e17 * 2] }" });
  assert.deepEqual(await (await rs.start("far")).result(), [1e16, 8e17]);
});

test("halves of surrogate pairs are refused on the way in, and replaced on the way out", async (t) => {
  const { code } = await openCode(t, { echo: (args) => args, half: () => "a\ud800", key: () => ({ "\udc00": 1 }) });
  const r = await code.run(`
    const seen = [await tools.echo({ text: "a\\ud800", "\\ud800": 1, "\\ud801": 2 })];
    for (const one of [tools.half, tools.key]) try { seen.push(await one()) } catch (e) { seen.push([e.name, e.message.slice(0, 60)]) }
    return [...seen, "b\\udc00"]`);
  assert.deepEqual(r.result, [
    { text: "a\ufffd", "\ufffdd800": 1, "\ufffdd801": 2 },
    ["TypeError", String.raw`the result of tools.half has half of a surrogate pair in "a\ud800"`.slice(0, 60)],
    ["TypeError", String.raw`the result of tools.key has half of a surrogate pair in "\udc00"`.slice(0, 60)],
    "b\ufffd",
  ]);
  await assertRefused(code.run("return input", { input: "\ud800" }), "invalid");
  await assertRefused(code.run("return '\ud800'"), "invalid");
  const { pending: [question] } = await code.run("return ask('a?')");
  await assertRefused(code.answer(question, { "\ud800": 1 }), "invalid_answer");
});

test("a run under an id is that of its script and input", async (t) => {
  const { code } = await openCode(t, {});
  assert.equal((await code.run("return input", { id: "r", input: { a: 1 } })).result.a, 1);
  assert.equal((await code.run("return input", { id: "r", input: { a: 1 } })).result.a, 1);
  await assertRefused(code.run("return input", { id: "r", input: { a: 2 } }), "already_exists");
  await code.cancel("r");
});

test("a tool whose result is refused does not run again", async (t) => {
  let runs = 0;
  const { code } = await openCode(t, { t: { f: () => ((runs += 1), "text") } });
  const script = `
    if (input !== null) await tools.t.f();
    try { return await call("t.f", null, { schema: { type: "number" } }) } catch (e) { return e.message }`;
  const r = await code.run(script);
  assert.equal(r.status, "complete");
  assert.match(r.result, /number/);
  assert.equal(runs, 1);
});

test("a server whose tools cannot be listed is asked again, and does not hold up a wait", async (t) => {
  let answer = () => Promise.reject(new Error("no connection"));
  const rs = await openStore(t, "memory:", { log: "off" });
  const { code } = await openCode(t, { s: mcp({ listTools: () => answer(), callTool: async () => ({ content: [] }) }) }, {}, rs);
  assert.match((await assertRefused(code.run("return 1"), "unavailable")).message, /`s` cannot be listed: no connection/);
  answer = () => new Promise(() => {});
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(new Error("gone")), 20);
  await assert.rejects(code.run("return 1", { signal: leaving.signal }), /gone/);
  await code.close();
  await assertRefused(code.run("return 1"), "usage");
});

/** A client of an MCP server with these results. It is a fake: it speaks no protocol. */
const fakeClient = (results) => ({
  listTools: async ({ cursor } = {}) =>
    cursor === undefined
      ? { tools: [{ name: "search-issues", description: "Finds issues. By words.", inputSchema: { type: "object", required: ["q"], properties: { q: { type: "string", description: "words", maxLength: 9 } } } }], nextCursor: "2" }
      : { tools: [{ name: "2fa" }] },
  callTool: async ({ name, arguments: args }) => results(name, args),
});

test("the tools of an MCP server are tools of scripts", async (t) => {
  const client = fakeClient((name, args) => {
    if (name === "2fa") return { isError: true, content: [{ type: "text", text: "no second factor" }] };
    return args.q === "json" ? { content: [{ type: "text", text: "[1, 2]" }] } : { structuredContent: { found: args.q }, content: [] };
  });
  const { code } = await openCode(t, { github: mcp(client) });
  const script = `
    const found = [await tools.github.search_issues({ q: "a" }), await tools.github.search_issues({ q: "json" })];
    try { await tools.github._2fa() } catch (e) { return [...found, e.message] }`;
  const r = await code.run(script);
  assert.deepEqual([r.error, r.result], [undefined, [{ found: "a" }, [1, 2], "no second factor"]]);
  assert.equal(await code.types(), `declare const tools: {
  github: {
    /** Finds issues. By words. */
    search_issues(args: { q: string /* words, maxLength 9 */ }): Promise<any>;
    _2fa(args?: any): Promise<any>;
  };
};
`);
  assert.match(await code.search("issues"), /search_issues/);
  assert.match(await code.search("weather"), /No tool fits/);
});

test("the retries of tools can be chosen", async (t) => {
  let attempts = 0;
  const busy = () => {
    attempts += 1;
    throw new CallFailure("busy", { retryAfterMs: 1 });
  };
  const { rs, code } = await openCode(t, { busy }, { backoff: { attempts: 2, initialMs: 1, longestMs: 1 } });
  const r = await code.run("try { return await tools.busy() } catch (e) { return e.message }");
  assert.deepEqual([r.result, attempts], ["busy", 2]);
  for (const backoff of [{ attempts: 0, initialMs: 1, longestMs: 1 }, { attempts: 1 }, 3]) {
    assert.throws(() => rs.code({ tools: {}, backoff }), { code: "usage", message: /^code: `backoff` must be an object \{ attempts: / });
  }
});

test("types fit a budget, and are written from schemas", async (t) => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`tool_${n}`, tool({ description: `Does ${n}. And more of it.`, run: () => n })]));
  const { code } = await openCode(t, { many });
  for (const budget of [20_000, 8_000, 5_000, 100]) {
    const types = await code.types({ budget });
    assert.ok(types.length <= budget * 3.5, `${types.length} letters for ${budget} tokens`);
  }
  assert.match(await code.types({ budget: 100 }), /tools\.many \(500\)/);
  const schema = {
    type: "object", required: ["kind"], properties: {
      kind: { enum: ["a", 1] }, list: { type: "array", items: { anyOf: [{ type: "string" }, { type: "null" }] } }, "a-b": { $ref: "#/$defs/B" },
    }, $defs: { B: { const: true } },
  };
  const { code: typed } = await openCode(t, { x: tool({ input: schema, output: { type: ["integer", "null"] }, approve: true, run: () => null }) });
  assert.equal(await typed.types(), `declare const tools: {
  /** A person approves the call before it runs. */
  x(args: { kind: "a" | 1; list?: (string | null)[]; "a-b"?: true }): Promise<number | null>;
};
`);
});

test("a model gets one tool, in the form of the AI SDK and as a plain description", async (t) => {
  const { code } = await openCode(t, { add: ({ a, b }) => a + b });
  const model = await code.tool();
  assert.match(model.description, /add\(args\?: any\)/);
  assert.match(model.description, /A call that is not awaited is cancelled when the script returns/);
  assert.equal(model.inputSchema[Symbol.for("vercel.ai.schema")], true);
  assert.equal(model.inputSchema.jsonSchema, model.parameters);
  assert.deepEqual(model.parameters.required, ["script"]);
  assert.deepEqual([model.name, code.resultTool().name, code.searchTool().name], ["code", "code_result", "code_search"]);
  for (const args of [undefined, "return 1", { code: "return 1" }]) await assertRefused(model.execute(args), "usage");
  const r = await model.execute({ script: "return tools.add({ a: input, b: 2 })", input: 1 }, {});
  assert.deepEqual([r.status, r.result], ["complete", 3]);
  assert.equal((await code.resultTool().execute({ run: r.run })).result, 3);
  assert.match(await code.searchTool().execute({ query: "add" }), /add\(/);
  const again = await code.tool({ id: ({ toolCallId }) => toolCallId });
  const runs = [];
  for (let i = 0; i < 2; i += 1) runs.push((await again.execute({ script: "return 1" }, { toolCallId: "t-1" })).run);
  assert.deepEqual(runs, ["t-1", "t-1"]);
});

test("a text in place of a call is refused with what to pass", async (t) => {
  const { code, rs } = await openCode(t, {});
  for (const refused of [code.approve("id", { by: "ann" }), code.reject("id", { by: "ann" }), code.answer(undefined, 1)]) {
    assert.match((await assertRefused(refused, "usage")).message, /^code\.\w+ takes a call as its first argument/);
  }
  const { run } = await code.run("return ask('?')");
  const handle = await rs.run(run);
  for (const refused of [handle.approve({ id: "x" }, { by: "ann" }), handle.answer("yes", "id"), code.approve({ run, id: "x" }, "ann")]) {
    assert.doesNotMatch((await assertRefused(refused, "usage")).message, /cvm/);
  }
});

test("names that no tool can have are refused", async (t) => {
  const rs = await openStore(t);
  for (const [tools, text] of [
    [{ cc: () => 1 }, /`cc` is a name of the language/], [{ "a-b": () => 1 }, /"a-b" cannot be/], [{ a: { fs: 1 } }, /`tools.a.fs` must be/],
    [{ ["x".repeat(101)]: () => 1 }, /longer than 100/],
  ]) {
    const error = await assertRefused((async () => rs.code({ tools }))(), "usage");
    assert.match(error.message, text);
  }
  assert.throws(() => tool({ run: 1 }), /`run` must be a function/);
  assert.throws(() => rs.code({ tols: {} }), /did you mean `tools`/);
});

test("a tool without arguments gets undefined, and a call at the end is awaited", async (t) => {
  const called = [];
  const { code } = await openCode(t, {
    find: async ({ q = "all" } = {}) => q,
    note: async (text) => void called.push(text),
  });
  const r = await code.run("async function go() { await tools.note(await tools.find()) }\ngo().catch(console.error)");
  assert.deepEqual([r.status, r.result, called], ["complete", null, ["all"]]);
});
