// An extension that measures how long the thread of its host is blocked, while the extension under test starts and works. `bench.mjs` installs it.

const { openSync, readSync } = require("node:fs");
const { writeFile, rename } = require("node:fs/promises");
const { Session } = require("node:inspector");
const vscode = require("vscode");

/** The file of the result. */
const PATH = FIGURES;

/** Whether the functions that ran in the longest block are recorded. Recording costs processor time. */
const PROFILE = PROFILED;

/** The interval of the timer whose delays are blocks, in milliseconds. */
const INTERVAL_MS = 2;

/** Number of functions of a profile that are returned. */
const TOP = 8;

const TESTED = "runstate.runstate-vscode";

/**
 * The accounting of the host's main thread by Linux: the time on a processor, and the time in which it was ready to run and waited for one. The id of
 * the main thread is that of the process. The kernel updates the times at each tick and each switch, so they lag by a few milliseconds.
 */
const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`);

const buffer = Buffer.alloc(128);

function readThread() {
  const [ran, queued] = buffer.toString("latin1", 0, readSync(schedstat, buffer, 0, buffer.length, 0)).split(" ").map(Number);
  return { time: performance.now(), ran: ran / 1e6, queued: queued / 1e6 };
}

const NO_BLOCK = { end: 0, wall: 0, ran: 0, queued: 0, rest: 0 };

/** Delays of a timer in the thread. A delay is a block: time on a processor, time waiting for one, and the rest. In the rest the thread sleeps or waits for I/O. */
class Thread {
  #last = readThread();
  #blocks = [];

  constructor() {
    setInterval(() => this.#measure(), INTERVAL_MS);
  }

  #measure() {
    const now = readThread();
    const [end, last] = [now.time, this.#last];
    const wall = end - last.time - INTERVAL_MS;
    const [ran, queued] = [now.ran - last.ran, now.queued - last.queued];
    this.#last = now;
    if (wall > 1) this.#blocks.push({ end, wall, ran, queued, rest: Math.max(0, wall - ran - queued) });
  }

  /** The longest block since the last call, and the one that is longest without the time in which the thread waited for a processor. */
  take() {
    this.#measure();
    const blocks = this.#blocks;
    this.#blocks = [];
    const longestBy = (length) => blocks.reduce((longest, block) => (length(block) > length(longest) ? block : longest), NO_BLOCK);
    return { longest: longestBy(({ wall }) => wall), longestOwn: longestBy(({ wall, queued }) => wall - queued) };
  }
}

/** A sampling profile of this thread. */
class Profiler {
  #session = new Session();

  constructor() {
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.setSamplingInterval", { interval: 500 });
  }

  start() {
    this.#post("Profiler.start");
  }

  /** Stops, and returns the functions with the most time of their own in a block, with their callers. */
  stop(block) {
    const stopped = performance.now();
    const { nodes, samples, timeDeltas, startTime, endTime } = this.#post("Profiler.stop").profile;
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
    const name = ({ callFrame: { functionName, url, lineNumber } }) => `${functionName || "(anonymous)"} ${url.split("/").at(-1)}:${lineNumber + 1}`;
    const path = (id) => {
      const names = [];
      for (let at = id; at !== undefined && names.length < 6; at = parents.get(at)) names.push(name(byId.get(at)));
      return names.join(" < ");
    };
    const times = new Map();
    let time = startTime;
    samples.forEach((sample, index) => {
      time += timeDeltas[index];
      const at = stopped - (endTime - time) / 1000;
      if (at > block.end - block.wall && at <= block.end) times.set(sample, (times.get(sample) ?? 0) + (timeDeltas[index + 1] ?? 0) / 1000);
    });
    return [...times].sort(([, a], [, b]) => b - a).slice(0, TOP).map(([id, ms]) => `${ms.toFixed(1)} ms ${path(id)}`);
  }

  /** The commands of the profiler answer at once. */
  #post(method, parameters) {
    let answer;
    this.#session.post(method, parameters, (error, result) => (answer = { error, result }));
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }
}

const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

exports.activate = async () => {
  const thread = new Thread();
  const profiler = PROFILE ? new Profiler() : undefined;
  const figures = [];
  const measure = async (name, act, settle = 1500) => {
    await rest(300);
    profiler?.start();
    thread.take();
    const start = performance.now();
    await act();
    const ms = performance.now() - start;
    await rest(settle);
    const blocks = thread.take();
    figures.push({ name, ms, ...blocks, functions: profiler?.stop(blocks.longestOwn) ?? [] });
  };
  const tested = vscode.extensions.getExtension(TESTED);
  await measure("activate, with the loading of the bundle", () => tested.activate(), 0);
  await measure("the store is opened, and its rows are read", () => vscode.commands.executeCommand("runstate.refresh"));
  await measure("refresh", () => vscode.commands.executeCommand("runstate.refresh"));
  await vscode.window.showTextDocument(vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, "done.run.ts"));
  await measure("run a program the first time", () => vscode.commands.executeCommand("runstate.run"));
  for (let n = 0; n < 3; n++) await measure("run it again: two commits, and new rows", () => vscode.commands.executeCommand("runstate.run"));
  await writeFile(`${PATH}.tmp`, JSON.stringify(figures));
  await rename(`${PATH}.tmp`, PATH);
};
