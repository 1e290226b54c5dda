// Compares scripts of models on `rs.code` with other runtimes for them: `node code-bench.mjs PACKAGE`. Each runtime
// gets the same script. Each cold start, and each resume in a new process, is a process of its own: this file, with
// the name of a task. The others are installed into a temporary folder. The result is not a gate.
//
// A peer that cannot be measured is listed with the reason. The figures go to RUNSTATE_BENCH_FILE, as those of other
// benches do.

import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const PROCESSES = 5;
const WARM = 30;
const CALLS = 200;
const TURNS = 6_000_000;

const ONE = "return await tools.echo({ n: 1 })";
const MANY = `let n = 0; while (n < ${CALLS}) n = (await tools.echo({ n: n + 1 })).n; return n`;
/** It waits with a hundred orders in its variables. */
const WAITS = `
const orders = Array.from({ length: 100 }, (_, n) => ({ id: "o-" + n, amount: n * 10 }));
const receipt = await tools.pay({ amount: orders[99].amount });
return orders.length + receipt.n`;
const LOOPS = `let n = 0; for (let i = 0; i < ${TURNS}; i++) n = (n + i) % 1000; const receipt = await tools.pay({ amount: n }); return n + receipt.n`;

/** The time of an act, in milliseconds, and its value. */
async function timed(act) {
  const begun = performance.now();
  const value = await act();
  return { ms: performance.now() - begun, value };
}

/**
 * The runtimes. `start` loads one, and returns functions: `run(script, onCall)` runs a script without approvals to its
 * end; `suspend(script)` runs one until it waits for an approval, and returns what `resume` needs in this process and,
 * as `saved`, in another; `bytes` is the size of what is saved.
 */
const RUNTIMES = {
  "runstate memory": { start: ({ folder: _, ...at }) => startRunstate({ ...at, url: "memory:" }) },
  "runstate files": { start: ({ folder, ...at }) => startRunstate({ ...at, url: `file:${join(folder, "store")}` }), durable: true },
  run: { peer: "run@2.1.5", start: startRun, durable: true },
  "quickjs-wasi": { peer: "quickjs-wasi@3.7.0", start: startQuickJs, durable: true },
};

/** What is not measured, and why. */
const NOT_MEASURED = {
  "@cloudflare/codemode": "its scripts run in Workers only, by a Worker Loader",
  pi: "no package of npm was found that has its runtime for scripts",
};

async function startRunstate({ package: folder, url }) {
  const { open, tool } = await import(new URL("dist/node.js", pathToFileURL(`${resolve(folder)}/`)));
  const rs = await open(url);
  let called = () => {};
  const code = rs.code({
    tools: {
      echo: (args) => (called(), args),
      pay: tool({ approve: true, run: () => ({ n: 1 }) }),
    },
  });
  const resultOf = ({ status, result, error }) => (status === "complete" ? result : Promise.reject(new Error(`${status}: ${error?.message}`)));
  return {
    async run(script, onCall = () => {}) {
      called = onCall;
      return resultOf(await code.run(script));
    },
    async suspend(script) {
      const { run } = await code.run(script);
      // A new process has the store, and needs the id alone.
      return { state: run, saved: run, bytes: (await rs.export({ execution: run })).size };
    },
    async resume(run) {
      const { pending: [call] } = await code.result(run);
      await code.approve(call, { by: "ann" });
      return resultOf(await code.result(run));
    },
    async close() {
      await code.close();
      await rs.close();
    },
  };
}

async function startRun({ peers }) {
  const { createRunner, getHostFunctionContext } = await import(entryOf(peers, "run"));
  const runner = createRunner({ continuationSecret: "a secret of the bench, 32 bytes long" });
  let called = () => {};
  const pay = () => {
    const { interrupt, resume } = getHostFunctionContext();
    if (resume === undefined) interrupt({ kind: "approval" });
    return { n: 1 };
  };
  const hostFunctions = { tools: { echo: (args) => (called(), args), pay } };
  const valueOf = ({ status, value }) => (status === "completed" ? value : Promise.reject(new Error(status)));
  return {
    async run(source, onCall = () => {}) {
      called = onCall;
      return valueOf(await runner.run({ source, hostFunctions }));
    },
    async suspend(source) {
      const { continuation, interruptions } = await runner.run({ source, hostFunctions });
      const saved = JSON.stringify({ source, continuation, interruptions });
      return { state: saved, saved, bytes: JSON.stringify(continuation).length };
    },
    async resume(saved) {
      const { source, continuation, interruptions } = JSON.parse(saved);
      const resolutions = interruptions.map(({ id }) => ({ interruptionId: id, value: true }));
      return valueOf(await runner.run({ source, hostFunctions, continuation, resolutions }));
    },
    close: async () => {},
  };
}

async function startQuickJs({ peers }) {
  const { QuickJS } = await import(entryOf(peers, "quickjs-wasi"));
  const module = await WebAssembly.compile(readFileSync(createRequire(join(peers, "-")).resolve("quickjs-wasi/quickjs.wasm")));
  // It has no tools: a call is a promise whose `resolve` is a global.
  const head = `globalThis.tools = new Proxy({}, { get: (_, name) => (args) => new Promise((resolve) => {
    globalThis.answer = (text) => resolve(JSON.parse(text)); request(name, JSON.stringify(args)) }) });`;
  let request;
  const onRequest = (vm) => (_name, args) => {
    request = args.toString();
    return vm.undefined;
  };
  const answer = (vm, text) => {
    const [resolve, value] = [vm.global.getProp("answer"), vm.newString(text)];
    vm.callFunction(resolve, vm.undefined, value).dispose();
    [resolve, value].forEach((handle) => handle.dispose());
    vm.executePendingJobs();
  };
  const resultOf = (vm) => {
    const result = vm.global.getProp("result").consume((handle) => handle.toString());
    vm.dispose();
    return JSON.parse(result);
  };
  const begin = async (script) => {
    const vm = await QuickJS.create({ wasm: module });
    vm.newFunction("request", onRequest(vm)).consume((handle) => vm.setProp(vm.global, "request", handle));
    request = undefined;
    vm.evalCode(`${head}(async () => {${script}\n})().then((value) => (globalThis.result = JSON.stringify(value)))`).dispose();
    vm.executePendingJobs();
    return vm;
  };
  return {
    async run(script, onCall = () => {}) {
      const vm = await begin(script);
      while (request !== undefined) {
        onCall();
        const args = request;
        request = undefined;
        answer(vm, args);
      }
      return resultOf(vm);
    },
    async suspend(script) {
      const vm = await begin(script);
      const bytes = QuickJS.serializeSnapshot(vm.snapshot());
      vm.dispose();
      return { state: bytes, saved: Buffer.from(bytes).toString("base64"), bytes: bytes.length };
    },
    async resume(saved) {
      const bytes = typeof saved === "string" ? Buffer.from(saved, "base64") : saved;
      const vm = await QuickJS.restore(QuickJS.deserializeSnapshot(bytes), module);
      vm.registerHostCallback("request", onRequest(vm));
      answer(vm, '{"n":1}');
      return resultOf(vm);
    },
    close: async () => {},
  };
}

/** The module of a package that `import` takes in the folder of the peers. */
function entryOf(peers, name) {
  const folder = join(peers, "node_modules", name);
  const { exports, module, main } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const root = exports?.["."] ?? exports;
  const pick = (entry) => (typeof entry === "string" || entry === undefined ? entry : pick(entry.import ?? entry.node ?? entry.default));
  return pathToFileURL(join(folder, pick(root) ?? module ?? main));
}

/** Tasks of processes of their own. Each returns what it measured. */
const TASKS = {
  async cold(start) {
    const begun = performance.now();
    const runtime = await start();
    let ms;
    await runtime.run(ONE, () => (ms ??= performance.now() - begun));
    await runtime.close();
    return { ms };
  },
  async warm(start) {
    const runtime = await start();
    await runtime.run(ONE);
    const first = [];
    for (let n = 0; n < WARM; n++) {
      const begun = performance.now();
      await runtime.run(ONE, () => first.push(performance.now() - begun));
    }
    await runtime.run(MANY);
    const many = await timed(() => runtime.run(MANY));
    const { bytes } = await runtime.suspend(WAITS);
    const resumed = [];
    for (let n = 0; n < WARM; n++) {
      const { state } = await runtime.suspend(WAITS);
      const { ms, value } = await timed(() => runtime.resume(state));
      if (value !== 101) throw new Error(`the result is ${value}`);
      resumed.push(ms);
    }
    const loops = await timed(() => runtime.suspend(LOOPS));
    const approved = await timed(() => runtime.resume(loops.value.state));
    await runtime.close();
    return { first: median(first), call: many.ms / CALLS, bytes, resumed: median(resumed), loops: loops.ms, approved: approved.ms };
  },
  async suspend(start, file) {
    const runtime = await start();
    const { saved } = await runtime.suspend(WAITS);
    writeFileSync(file, saved);
    await runtime.close();
    return {};
  },
  async resume(start, file) {
    const { ms, value } = await timed(async () => {
      const runtime = await start();
      const value = await runtime.resume(readFileSync(file, "utf8"));
      await runtime.close();
      return value;
    });
    if (value !== 101) throw new Error(`the result is ${value}`);
    return { ms };
  },
};

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Installs a peer. Returns why it cannot be had; null if it can. */
function install(peers, peer) {
  try {
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", peers, peer], { stdio: "pipe" });
    return null;
  } catch (error) {
    return `it cannot be installed: ${String(error.stderr ?? error).split("\n")[0]}`;
  }
}

/** Runs a task in a process of its own. */
function inProcess(at, name, task, file = "-") {
  const args = [fileURLToPath(import.meta.url), at.package, at.peers, at.folder, name, task, file];
  const output = execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(output.trim().split("\n").at(-1));
}

async function measure(at, name, { durable = false }) {
  const cold = [];
  for (let n = 0; n < PROCESSES; n++) cold.push(inProcess(at, name, "cold").ms);
  const { first, call, bytes, resumed, loops, approved } = inProcess(at, name, "warm");
  const elsewhere = [];
  for (let n = 0; durable && n < PROCESSES; n++) {
    const file = join(at.folder, `suspended-${n}`);
    inProcess(at, name, "suspend", file);
    elsewhere.push(inProcess(at, name, "resume", file).ms);
  }
  return {
    "cold start to the first call": [median(cold), "ms"],
    "warm start to the first call": [first, "ms"],
    "one of 200 calls, one after the other": [call, "ms"],
    "suspended, with 100 orders": [bytes / 1000, "KB"],
    "approval to result, same process": [resumed, "ms"],
    "approval to result, new process": [durable ? median(elsewhere) : null, "ms"],
    "6 M loop turns to the approval": [loops, "ms"],
    "approval to result, after 6 M loop turns": [approved, "ms"],
  };
}

const [packageFolder, peers, folder, name, task, file] = process.argv.slice(2);
if (packageFolder === undefined) {
  console.error("usage: node code-bench.mjs PACKAGE");
  process.exitCode = 2;
} else if (task !== undefined) {
  const at = { package: packageFolder, peers, folder };
  console.log(JSON.stringify(await TASKS[task](() => RUNTIMES[name].start(at), file)));
  // Runtimes may keep threads for later.
  process.exit();
} else {
  await compare();
}

async function compare() {
  const root = await mkdtemp(join(tmpdir(), "runstate-code-bench-"));
  const [missing, columns] = [Object.entries(NOT_MEASURED), []];
  try {
    for (const [name, runtime] of Object.entries(RUNTIMES)) {
      const at = { package: packageFolder, peers: root, folder: await mkdtemp(join(root, "store-")) };
      try {
        const refused = runtime.peer === undefined ? null : install(root, runtime.peer);
        if (refused === null) columns.push([runtime.peer ?? name, await measure(at, name, runtime)]);
        else missing.push([runtime.peer, refused]);
      } catch (error) {
        missing.push([runtime.peer ?? name, `it failed: ${error.message.split("\n")[0]}`]);
      }
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  print(columns);
  for (const [peer, reason] of missing) console.log(`not measured: ${peer}: ${reason}`);
  console.log("What runstate has suspended is an export, with the program and its calls. run saves the calls alone, and computes the rest again;");
  console.log("quickjs-wasi saves its memory. Both leave what they save to the caller: its storage is not part of their times.");
  console.log(`Node ${process.version}, medians; cold starts and new processes without the start of Node itself`);
}

function print(columns) {
  const names = Object.keys(columns[0]?.[1] ?? {});
  console.log(`${"".padEnd(42)}${columns.map(([name]) => name.padStart(20)).join("")}`);
  for (const name of names) {
    const cells = columns.map(([, figures]) => figures[name]).map(([value, unit]) => (value === null ? "–" : `${value.toFixed(2)} ${unit}`).padStart(20));
    console.log(`${name.padEnd(42)}${cells.join("")}`);
  }
  const to = process.env.RUNSTATE_BENCH_FILE;
  if (to === undefined) return;
  for (const [column, figures] of columns) {
    for (const [name, [value, unit]] of Object.entries(figures)) {
      if (value !== null) appendFileSync(to, `${JSON.stringify({ bench: "code", name: `${column}: ${name}`, unit, value, raw: null, ratio: null, target: null, reached: null })}\n`);
    }
  }
}
