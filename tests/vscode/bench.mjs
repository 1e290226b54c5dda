// Figures of the extension in a real extension host, on a store of many executions: its activation, the time until its rows are there, and how long the
// thread of the host is blocked. They are printed; nothing is asserted, because other processes share the processor. For each step two blocks are
// printed: the longest one, and the one that is longest without the time in the run queue. There the thread is ready, and others have the processors.
//
// RUNSTATE_CODE_SERVER is the entry script of code-server, RUNSTATE_VSIX the packed extension. The arguments are the number of executions and of those
// that wait, and `profile` prints the functions that ran in the second block: `node bench.mjs 10000 500 profile`.

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { withBrowser } from "../browser/support/chromium.js";
import { newWorkbench, startServer } from "./support/code-server.js";
import { Workbench } from "./support/workbench.js";

const [EXECUTIONS = 10_000, WAITING = 500] = process.argv.slice(2, 4).map(Number);
const PROFILED = process.argv[4] === "profile";

const { open } = createRequire(new URL("../../examples/vscode-extension/package.json", import.meta.url))("runstate");

/** The longest time that the probe may take, in milliseconds. */
const LONGEST_MS = 90_000;

/** A program that changes the store and ends. */
const PROGRAM = 'console.log("done");\n';

/** Fills a store in memory, because its commits need no disk, and imports its export. */
async function fill(folder) {
  const memory = await open("memory:");
  await memory.load({ name: "done", source: PROGRAM });
  await memory.load({ name: "ask", source: 'console.log(CC("Which one? " + input));' });
  const every = Math.round(EXECUTIONS / WAITING);
  for (let n = 0; n < EXECUTIONS; n++) await memory.start(n % every === 0 ? "ask" : "done", { input: n });
  const contents = await memory.export();
  await memory.close();
  const store = await open(`file:${folder}`, { timers: "off" });
  await store.import(contents);
  await store.close();
}

/** Installs a second extension into the same host. It measures the thread, which both share, and runs the commands. */
async function installProbe({ extensions }, figures) {
  const name = "runstate.probe-0.0.1";
  const folder = join(extensions, name);
  await mkdir(folder);
  const list = join(extensions, "extensions.json");
  const location = { $mid: 1, path: folder, scheme: "file" };
  const entry = { identifier: { id: "runstate.probe" }, version: "0.0.1", location, relativeLocation: name };
  await writeFile(list, JSON.stringify([...JSON.parse(await readFile(list, "utf8")), entry]));
  const manifest = { name: "probe", publisher: "runstate", version: "0.0.1", engines: { vscode: "^1.100.0" }, main: "./probe.cjs", activationEvents: ["*"] };
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
  const source = await readFile(fileURLToPath(new URL("support/probe.cjs", import.meta.url)), "utf8");
  await writeFile(join(folder, "probe.cjs"), source.replace("FIGURES", JSON.stringify(figures)).replace("PROFILED", String(PROFILED)));
}

/** A block: its length, and how the thread spent it. */
function describeBlock({ wall, ran, queued, rest }) {
  const ms = (number) => `${number.toFixed(0).padStart(4)} ms`;
  return `${ms(wall)} = ${ms(ran)} on a processor, ${ms(queued)} waiting for one, ${ms(rest)} asleep or in I/O`;
}

/** The text of a file, as soon as the file exists. */
async function readWhenWritten(path) {
  for (const end = Date.now() + LONGEST_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  throw new Error("the probe wrote no figures");
}

const folder = await mkdtemp(join(tmpdir(), "runstate-bench-"));
const [store, figures] = [join(folder, "store"), join(folder, "figures.json")];
let bench;
let server;
try {
  console.log(`a store of ${EXECUTIONS} executions, ${WAITING} of them waiting`);
  await fill(store);
  bench = await newWorkbench(process.env.RUNSTATE_VSIX ?? "", { "done.run.ts": PROGRAM }, { settings: { "runstate.storeFolder": store } });
  await installProbe(bench, figures);
  server = await startServer(bench);
  await withBrowser(async (browser) => {
    await Workbench.open(browser, server.url);
    for (const { name, ms, longest, longestOwn, functions } of JSON.parse(await readWhenWritten(figures))) {
      console.log(`${name}: ${ms.toFixed(0)} ms`);
      console.log(`  longest block              ${describeBlock(longest)}`);
      console.log(`  longest without the queue  ${describeBlock(longestOwn)}`);
      for (const line of functions) console.log(`    ${line}`);
    }
  });
} finally {
  await server?.stop();
  await bench?.remove();
  await rm(folder, { recursive: true, force: true });
}
