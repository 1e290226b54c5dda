// Benchmarks in a page: transitions, database steps beside raw transactions of the same bytes, download sizes, and the demo page's start and
// scrolling. It also measures turns in Node. Run `node bench.mjs`. Figures are appended to RUNSTATE_BENCH_FILE, as those of the other benches.

import { appendFileSync, closeSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { withBrowser } from "./support/chromium.js";
import { demo, waitUntilCached, runExample, visit } from "./support/demo.js";
import { site, tab, unpacked } from "./support/site.js";

/** Prints and records a figure. `max` and `min` are its limits; `target` is their text. */
function figure({ name, unit, value, raw = null, max = null, min = null, target = targetText(unit, max, min) }) {
  const ratio = raw === null ? null : value / raw;
  const reached = max === null && min === null ? null : value <= (max ?? Infinity) && value >= (min ?? -Infinity);
  const line = { bench: "browser", name, unit, value, raw, ratio, target, reached };
  const beside = raw === null ? "" : `  raw ${raw.toFixed(3)} ${unit} (${ratio.toFixed(2)} ×)`;
  console.log(`${name.padEnd(44)} ${value.toFixed(3)} ${unit}${beside}${target === null ? "" : `  ${target}${reached ? "" : "  NOT REACHED"}`}`);
  const file = process.env.RUNSTATE_BENCH_FILE;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

const targetText = (unit, max, min) => (max !== null ? `≤ ${max} ${unit}` : min !== null ? `≥ ${min} ${unit}` : null);

/** The number of executions in the scrolled list. */
const EXECUTIONS = 10_000;

const TURNS = 400;

const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const sorted = (times) => [...times].sort((a, b) => a - b);

await sizes();
// The glue of the test exports is not part of the package.
const glue = fileURLToPath(new URL("../../pkg/build", import.meta.url));
const server = await site({ "/glue/": glue });
try {
  await withBrowser(async (browser) => {
    await transition(await tab(browser, server.url, "memory:"));
    await machine(await tab(browser, server.url, "memory:"));
    await steps(await tab(browser, server.url, "indexeddb:bench"));
  });
} finally {
  await server.stop();
}
await page();
await turnsInNode();

async function sizes() {
  const { folder, remove } = await unpacked();
  for (const [module, file, max] of [["runtime wasm", "runstate_bg.wasm", 300], ["compiler wasm", "runstate_compiler_bg.wasm", 350], ["full wasm", "runstate_node_bg.wasm", 2000]]) {
    const bytes = readFileSync(join(folder, "dist", file));
    figure({ name: `${module}, gzip`, unit: "KB", value: gzipSync(bytes, { level: 9 }).length / 1000, max });
    figure({ name: `${module}, brotli`, unit: "KB", value: brotliCompressSync(bytes).length / 1000 });
    figure({ name: `${module}, raw`, unit: "KB", value: bytes.length / 1000 });
  }
  await remove();
}

/** Measures one pure transition, as the bench `transition` does, and one answered question in memory. */
async function transition(page) {
  const pure = await page.evaluate(async () => {
    const { default: load, makeTransitions } = await import("/glue/runstate_bench.js");
    await load({ module_or_path: "/glue/runstate_bench_bg.wasm" });
    makeTransitions(500);
    return Array.from({ length: 15 }, () => {
      const started = performance.now();
      const made = makeTransitions(1000);
      return ((performance.now() - started) / made) * 1000;
    });
  });
  figure({ name: "one transition in wasm, mean of all pairs, p50", unit: "µs", value: quantile(sorted(pure), 0.5), max: 3 });
  const times = await page.evaluate(async () => {
    const [questions, rounds] = [400, 8];
    await store.load({ name: "ask", source: `for (let i = 0; i < ${questions}; i++) CC("q");` });
    const times = [];
    for (let round = 0; round < rounds; round++) {
      const run = await store.start("ask");
      const started = performance.now();
      for (let i = 0; i < questions; i++) await run.answer("a");
      times.push(((performance.now() - started) / questions) * 1000);
    }
    return times;
  });
  figure({ name: "answered step on memory:, p50", unit: "µs", value: quantile(sorted(times), 0.5) });
}

/** Measures the speed of the machine, and the longest task of the page while a program fills its heap. */
async function machine(page) {
  const { rates, longest } = await page.evaluate(async () => {
    await store.load({ name: "loop", source: "let n = 0; for (let i = 0; i < 3000000; i++) n = (n + i) % 1000; n;" });
    const rates = [];
    for (let round = 0; round < 7; round++) {
      const { metrics } = await (await store.start("loop")).show({ hash: false });
      rates.push(metrics.instructionsExecuted / metrics.executionTimeMs / 1000);
    }
    await store.load({ name: "fill", source: "const all = []; for (let i = 0; i < 60000; i++) all.push({ i, text: 'text ' + i }); all.length;" });
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
    observer.observe({ type: "longtask" });
    await store.start("fill");
    // The browser reports long tasks some time after they ended.
    await new Promise((resolve) => setTimeout(resolve, 200));
    observer.disconnect();
    return { rates, longest: Math.max(0, ...tasks) };
  });
  figure({ name: "machine in wasm, simple instructions, p50", unit: "M/s", value: quantile(sorted(rates), 0.5), min: 25 });
  figure({ name: "a program fills its heap, longest task", unit: "ms", value: longest });
}

/** Measures steps of an execution on the database, alternating with raw transactions of the same size. */
async function steps(page) {
  const { step, raw, batch, rawBatch, atOnce } = await page.evaluate(async () => {
    const wait = (target, done) => new Promise((resolve, reject) => {
      target[done] = () => resolve(target.result);
      target.onerror = target.onabort = () => reject(target.error);
    });
    const opening = indexedDB.open("raw", 1);
    opening.onupgradeneeded = () => ["heads", "rows"].forEach((name) => opening.result.createObjectStore(name));
    const database = await wait(opening, "onsuccess");
    const put = (count, text) => {
      const transaction = database.transaction(["heads", "rows"], "readwrite", { durability: "strict" });
      for (let i = 0; i < count; i++) {
        transaction.objectStore("heads").put({ text }, `head-${i}`);
        transaction.objectStore("rows").put({ text }, crypto.randomUUID());
      }
      return wait(transaction, "oncomplete");
    };
    const timed = async (times, act) => {
      const started = performance.now();
      await act();
      times.push(performance.now() - started);
    };
    const text = "x".repeat(1000);
    const [warm, rounds] = [50, 500];
    await store.load({ name: "ask", source: `for (let i = 0; i < ${2 * (warm + rounds)}; i++) CC("q");` });
    const run = await store.start("ask");
    const [step, raw] = [[], []];
    for (let i = 0; i < warm + rounds; i++) {
      // A caller that has received the question knows its call id, so reading it is not measured.
      const [{ id: call }] = (await run.show()).calls;
      await timed(step, () => run.answer("a", { call }));
      await timed(raw, () => put(1, text));
    }
    // One commit of a thousand rows, beside a raw transaction of as many rows. Then a thousand concurrent commands, each for its own execution.
    await store.load({ name: "wide", source: 'const all = []; for (let i = 0; i < 1000; i++) all.push("q" + i); CC.all(all);' });
    await store.load({ name: "short", source: 'CC("q");' });
    const [batch, rawBatch, atOnce] = [[], [], []];
    for (let round = 0; round < 5; round++) {
      // The log is off, because it would add another thousand rows.
      await timed(batch, () => store.start("wide", { id: `wide-${round}`, logLevel: "off" }));
      await timed(rawBatch, () => put(500, text));
    }
    await timed(atOnce, () => Promise.all(Array.from({ length: 1000 }, (_, i) => store.start("short", { id: `short-${i}` }))));
    return { step: step.slice(warm), raw: raw.slice(warm), batch, rawBatch, atOnce };
  });
  for (const [name, part, max] of [["p50", 0.5, 2], ["p99", 0.99, 10]]) {
    figure({ name: `IndexedDB step, ${name}`, unit: "ms", value: quantile(sorted(step), part), raw: quantile(sorted(raw), part), max });
  }
  figure({ name: "IndexedDB, a commit of 1,000 rows, p50", unit: "ms", value: quantile(sorted(batch), 0.5), raw: quantile(sorted(rawBatch), 0.5), max: 100 });
  figure({ name: "IndexedDB, 1,000 commands at once", unit: "ms", value: atOnce[0], raw: quantile(sorted(raw), 0.5) * 1000 });
}

/** Measures the demo page: the size of a first visit, the time until it is interactive, the scrolling of 10,000 executions. */
async function page() {
  await firstVisit();
  const server = await demo();
  try {
    await withBrowser(async (browser) => {
      const page = await browser.newPage();
      const interactive = [];
      for (let visit = 0; visit < 5; visit++) {
        await page.goto(server.url);
        await page.waitForFunction(() => window.rs !== undefined);
        interactive.push(await page.evaluate(() => performance.getEntriesByName("runstate.open").at(-1)?.startTime ?? performance.now()));
      }
      figure({ name: "page interactive, first visit", unit: "ms", value: interactive[0], max: 1000 });
      figure({ name: "page interactive, again, p50", unit: "ms", value: quantile(sorted(interactive.slice(1)), 0.5), max: 1000 });
    });
    await withBrowser(async (browser) => scroll(await browser.newPage(), server.url));
  } finally {
    await server.stop();
  }
}

/** Measures turns in Node, in memory and on files: a question is read and answered. Raw: only the disk operations of the file store. */
async function turnsInNode() {
  const { folder, remove } = await unpacked();
  const stores = await mkdtemp(join(tmpdir(), "runstate-bench-"));
  try {
    const { open } = await import(pathToFileURL(join(folder, "dist", "node.js")));
    const [memory, files] = [await startAsking(open, "memory:"), await startAsking(open, `file:${join(stores, "store")}`)];
    const [inMemory, onFiles, raw] = [[], [], []];
    for (let n = 0; n < TURNS; n++) {
      inMemory.push(await timed(memory.turn));
      onFiles.push(await timed(files.turn));
      raw.push(await timed(() => putNew(stores, n, Buffer.alloc(2_048, "x"))));
    }
    figure({ name: "turn in Node, in memory", unit: "ms", value: quantile(sorted(inMemory), 0.5) });
    figure({ name: "turn in Node, on files", unit: "ms", value: quantile(sorted(onFiles), 0.5), raw: quantile(sorted(raw), 0.5), max: 1.2 });
    await memory.store.close();
    await files.store.close();
  } finally {
    await rm(stores, { recursive: true, force: true });
    await remove();
  }
}

/** Opens a store with an execution that asks forever. Returns the store and a function that does one turn. */
async function startAsking(open, url) {
  const store = await open(url);
  await store.load({ name: "ask", source: 'while (true) CC("next?");' });
  const run = await store.start("ask");
  const turn = async () => {
    const { calls } = await run.progress(Number.MAX_SAFE_INTEGER);
    await run.answer("yes", { call: calls[0].id });
  };
  for (let n = 0; n < TURNS / 2; n++) await turn();
  return { store, turn };
}

async function timed(work) {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Writes a file as a commit of the file store does: a new synced file, linked to its name, in a synced folder. */
function putNew(folder, n, bytes) {
  const temp = join(folder, `.tmp-${n}`);
  writeFileSync(temp, bytes, { flag: "wx", flush: true });
  linkSync(temp, join(folder, `${n}`));
  unlinkSync(temp);
  const names = openSync(folder, "r");
  fsyncSync(names);
  closeSync(names);
}

/** Measures the size of a first visit, including all files that are cached for later visits, from a server with compression. */
async function firstVisit() {
  let bytes = 0;
  const server = await demo({ cache: "no-cache", compress: true, sent: (_, more) => (bytes += more) });
  try {
    await withBrowser(async (browser) => {
      const page = await visit(browser, server.url);
      await runExample(page, "review");
      await page.getByTestId("question").first().waitFor();
      await waitUntilCached(page);
    });
  } finally {
    await server.stop();
  }
  figure({ name: "page, a first visit downloads", unit: "KB", value: bytes / 1000, max: 2400 });
}

async function scroll(page, url) {
  await page.goto(url);
  await page.waitForFunction(() => window.rs !== undefined);
  const elapsed = await page.evaluate(async (count) => {
    const started = performance.now();
    await rs.load({ name: "done", source: "1;" });
    for (let from = 0; from < count; from += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, i) => rs.start("done", { id: `done-${from + i}` })));
    }
    return performance.now() - started;
  }, EXECUTIONS);
  figure({ name: "10,000 executions started", unit: "s", value: elapsed / 1000 });
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="execution-row"]').length > 5);
  const frames = await page.evaluate(async () => {
    const list = document.querySelector('[data-testid="executions"]');
    const frame = () => new Promise(requestAnimationFrame);
    const [times, step] = [[], Math.max(400, list.scrollHeight / 200)];
    let last = await frame();
    for (let top = 0; top < list.scrollHeight; top += step) {
      list.scrollTop = top;
      const now = await frame();
      times.push(now - last);
      last = now;
    }
    return times;
  });
  figure({ name: "10,000 executions, a frame of scrolling, p95", unit: "ms", value: quantile(sorted(frames), 0.95), max: 34, target: "≤ 2 frames" });
  figure({ name: "10,000 executions, frames over 50 ms", unit: "", value: frames.filter((ms) => ms > 50).length, max: 2, target: "≤ 2" });
}
