// An extension that measures how long the thread of its host is blocked, while the extension under test starts and works. `bench.mjs` installs it.

const { writeFile, rename } = require("node:fs/promises");
const vscode = require("vscode");

/** The file of the result. */
const PATH = FIGURES;

/** The interval of the timer whose delays are blocks, in milliseconds. */
const INTERVAL_MS = 2;

const TESTED = "runstate.runstate-vscode";

const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

class Thread {
  #last = { time: performance.now(), cpu: processorMs() };
  #longest = { blocked: 0, cpu: 0 };

  constructor() {
    setInterval(() => this.#measure(), INTERVAL_MS);
  }

  #measure() {
    const now = { time: performance.now(), cpu: processorMs() };
    const blocked = now.time - this.#last.time - INTERVAL_MS;
    // A block in which other processes had the processor has little processor time of its own.
    const cpu = Math.min(blocked, now.cpu - this.#last.cpu);
    this.#longest = { blocked: Math.max(blocked, this.#longest.blocked), cpu: Math.max(cpu, this.#longest.cpu) };
    this.#last = now;
  }

  /** The longest block since the last call, and the longest processor time of a block. */
  take() {
    this.#measure();
    const longest = this.#longest;
    this.#longest = { blocked: 0, cpu: 0 };
    return longest;
  }
}

const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

exports.activate = async () => {
  const thread = new Thread();
  const figures = [];
  const measure = async (name, act, settle = 1500) => {
    await rest(300);
    thread.take();
    const start = performance.now();
    await act();
    const ms = performance.now() - start;
    await rest(settle);
    figures.push({ name, ms, ...thread.take() });
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
