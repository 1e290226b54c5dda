// Hostile scripts: each comes to what its row says, its host stays usable, and no global of the host changes.

import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "node:test";

import { RunstateError, tool } from "runstate";
import { scripts } from "./hostile-scripts.mjs";
import { folder, openStore } from "./support.mjs";

/** Small, so that a script which reaches one takes milliseconds. */
const LIMITS = { calls: 16, open: 8, instructions: 5e6, heap: "8 MiB", output: "1 KiB" };

export const tools = {
  echo: (value) => value,
  fail: (fields) => { throw Object.assign(new Error(), fields); },
  never: (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  pay: tool({ approve: true, run: () => "paid", revert: () => {} }),
  ns: { deep: { one: (n) => n } },
};

async function openCode(t, limits = LIMITS, url = "memory:") {
  const rs = await openStore(t, url, { log: "off" });
  const code = rs.code({ tools, limits });
  t.after(() => code.close());
  return { rs, code };
}

/** All properties of the built-ins of this process, as [owner, name, value]. */
function hostGlobals() {
  const owners = new Map([["globalThis", globalThis], ["process", process]]);
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const { value } = Object.getOwnPropertyDescriptor(globalThis, name);
    if (typeof value !== "function") continue;
    owners.set(name, value);
    if (value.prototype !== undefined) owners.set(`${name}.prototype`, value.prototype);
  }
  for (const [name, value] of Object.entries({ JSON, Math, Reflect, Intl, console })) owners.set(name, value);
  return [...owners].flatMap(([owner, of]) =>
    Reflect.ownKeys(of).map((key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(of, key);
      return [owner, key, value ?? get ?? set];
    }),
  );
}

function assertSameGlobals(before) {
  const now = hostGlobals();
  for (const [at, [owner, key, value]] of before.entries()) {
    assert.ok(now[at]?.[0] === owner && now[at][1] === key && Object.is(now[at][2], value), `${owner}.${String(key)} has changed`);
  }
  assert.equal(now.length, before.length);
}

/** The state of a run without what differs by run. */
function outcome(r) {
  if (r.status === "complete") return { status: r.status, value: r.result };
  if (r.status === "waiting") return { status: r.status, kinds: r.pending.map(({ kind }) => kind) };
  return { status: r.status, kind: r.error.kind, name: r.error.name };
}

/** Runs a script until it has ended; or until it waits, if that is expected. */
async function run(code, script, isToWait) {
  let r = await code.run(script, { waitMs: isToWait ? 0 : 30_000, input: "echo" });
  while (isToWait && r.status === "waiting" && r.pending.length === 0) r = await code.result(r.run, { waitMs: 10 });
  return r;
}

const PROBE = "return [({}).polluted ?? 0, [].polluted ?? 0, await tools.echo([1, 2].map((n) => n + 1))]";

const delay = monitorEventLoopDelay({ resolution: 1 });
const delays = [];

for (const [kind, rows] of Object.entries(scripts)) {
  test(`hostile scripts: ${kind}`, async (t) => {
    const { code } = await openCode(t);
    await code.run(PROBE);
    const globals = hostGlobals();
    for (const [script, { text, ...expected }] of rows) {
      const title = JSON.stringify(script.length > 100 ? `${script.slice(0, 100)}…` : script);
      await t.test(title, async () => {
        delay.reset();
        delay.enable();
        const r = await run(code, script, expected.status === "waiting");
        delay.disable();
        delays.push([delay.max / 1e6, `${kind}: ${title}`]);
        if (r.status === "waiting") await code.cancel(r.run);
        assert.deepEqual({ ...outcome(r), ...(!("name" in expected) && { name: undefined }) }, { name: undefined, ...expected }, r.error?.message.slice(0, 200));
        if (text !== undefined) assert.match(r.error.message, text);
        assertSameGlobals(globals);
        assert.deepEqual((await code.run(PROBE)).result, [0, 0, [2, 3]]);
      });
    }
  });
}

test("scripts that cancellation and time end", async (t) => {
  const { code } = await openCode(t);
  for (const script of [
    "for (;;) try { await tools.never() } catch {}",
    "try { await tools.never() } catch { for (;;); }",
    "try { await tools.never() } finally { await tools.never() }",
    "await Promise.allSettled([tools.never(), tools.never()]); await tools.never()",
    "await tools.never().catch(() => tools.never())",
  ]) {
    const r = await run(code, script, true);
    await code.cancel(r.run);
    assert.deepEqual(outcome(await code.result(r.run)), { status: "failed", kind: "cancelled", name: "CancelledError" }, script);
  }
  const { code: brief } = await openCode(t, { ...LIMITS, ms: 1000 });
  for (const script of ["await tools.never()", "await ask('?')", "for (;;) try { await tools.never() } catch {}", "await sleep('1h')"]) {
    const { run: id } = await run(brief, script, true);
    let r = await brief.result(id);
    // A run that waits for people is not waited for.
    while (r.status === "waiting") r = await brief.result(id, { waitMs: 50 });
    assert.deepEqual(outcome(r), { status: "failed", kind: "limit", name: "LimitError" }, script);
  }
  assert.deepEqual((await code.run(PROBE)).result, [0, 0, [2, 3]]);
});

test("a state of which a bit is changed is used by no run, or is unchanged in effect", async (t) => {
  const script = `
    const kept = { list: [1, 2, 3], map: new Map([["a", { deep: true }]]), f: (n) => n * 2, text: "x".repeat(50) };
    const answer = await ask("go?");
    return [answer, kept.list.map(kept.f), kept.map.get("a"), kept.text.length]`;
  const expected = ["yes", [2, 4, 6], { deep: true }, 50];
  const at = folder(t);
  const { code, rs } = await openCode(t, LIMITS, `file:${at}`);
  await code.run(script, { id: "run", waitMs: 0 });
  await code.close();
  await rs.close();
  const files = readdirSync(at, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  let refusals = 0;
  for (const file of files.filter((name) => readFileSync(name).length > 0)) {
    const whole = readFileSync(file);
    for (let n = 0; n < 2; n += 1) {
      const copy = folder(t);
      cpSync(at, copy, { recursive: true });
      const bytes = Buffer.from(whole);
      const bit = Math.floor((bytes.length * 8 * (n + 0.37)) / 2);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      writeFileSync(file.replace(at, copy), bytes);
      try {
        const { code: again } = await openCode(t, LIMITS, `file:${copy}`);
        const r = await again.result("run", { waitMs: 0 });
        assert.equal(r.pending[0]?.args, "go?", `${file} bit ${bit}`);
        await again.answer(r.pending[0], "yes");
        const end = await again.result("run");
        assert.deepEqual(end.result, expected, `${file} bit ${bit}: ${JSON.stringify(end.error)}`);
      } catch (error) {
        if (!(error instanceof RunstateError)) throw error;
        assert.notEqual(error.code, "internal", `${file} bit ${bit}: ${error.message}`);
        refusals += 1;
      }
    }
  }
  assert.ok(refusals > 0);
});

test("the worst delays of the event loop", (t) => {
  for (const [ms, title] of delays.sort(([a], [b]) => b - a).slice(0, 20)) t.diagnostic(`${ms.toFixed(0)} ms ${title}`);
});
