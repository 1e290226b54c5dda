// Starts a real VS Code: code-server, with an extension that is installed from its .vsix. Its extension host can be killed with SIGKILL.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ENTRY = process.env.RUNSTATE_CODE_SERVER ?? "";

/** How long the server may take to listen, in milliseconds. */
const START_MS = 60_000;

/** Settings that keep the workbench quiet */
const SETTINGS = {
  "workbench.startupEditor": "none",
  "workbench.colorTheme": "Default Dark Modern",
  "workbench.tips.enabled": false,
  "security.workspace.trust.enabled": false,
  "telemetry.telemetryLevel": "off",
  "extensions.ignoreRecommendations": true,
  "chat.commandCenter.enabled": false,
  "git.enabled": false,
  // The search for ports to forward lists the open files of all processes, those of other tests too, every few seconds.
  "remote.autoForwardPorts": false,
  "remote.autoForwardPortsSource": "output",
  // A hover covers the rows below it, and stays when its own row is drawn anew.
  "workbench.hover.delay": 3_600_000,
};

/**
 * A folder that code-server opens, with its user data; `files` are written into the workspace, and `vsix` is installed, if there is one. With `host: "web"` the extension runs as in VS Code on
 * the web: in a worker of the page, by its entry `browser`.
 */
export async function newWorkbench(vsix, files, { host = "node", settings = {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "runstate-vscode-"));
  const [workspace, user, extensions] = ["workspace", "user", "extensions"].map((name) => join(folder, name));
  await mkdir(join(user, "User"), { recursive: true });
  await mkdir(workspace);
  await writeFile(join(user, "User/settings.json"), JSON.stringify({ ...SETTINGS, ...settings }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(workspace, name), text);
  if (vsix !== undefined) await run(["--install-extension", vsix, "--extensions-dir", extensions, "--user-data-dir", user]);
  if (host === "web") await moveToPage(extensions);
  return { folder, workspace, user, extensions, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }) };
}

/** Changes the manifest of the installed extension so that only a worker of the page can run it. */
async function moveToPage(extensions) {
  const name = (await readdir(extensions)).find((entry) => entry.startsWith("runstate."));
  const path = join(extensions, name ?? "", "package.json");
  const { main: _, ...manifest } = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...manifest, extensionKind: ["web"] }));
}

async function run(words) {
  const child = spawn(process.execPath, [ENTRY, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (text += data));
  const code = await new Promise((resolve) => child.on("exit", resolve));
  if (code !== 0) throw new Error(`code-server ${words[0]} failed: ${text}`);
}

/** Starts a server on a free port. */
export async function startServer({ user, extensions, workspace }, { trust = true } = {}) {
  const words = [
    ...["--auth", "none", "--bind-addr", "127.0.0.1:0", "--user-data-dir", user, "--extensions-dir", extensions],
    ...["--disable-telemetry", "--disable-update-check", ...(trust ? ["--disable-workspace-trust"] : []), workspace],
  ];
  const child = spawn(process.execPath, [ENTRY, ...words], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const url = await new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`code-server does not listen: ${text}`)), START_MS);
    const readAddress = (data) => {
      text += data;
      const [, address] = /listening on (http:\S+)/.exec(text) ?? [];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address.replace(/\/$/, ""));
    };
    child.stdout.on("data", readAddress);
    child.stderr.on("data", readAddress);
  });
  return {
    url: `${url}/?folder=${workspace}`,
    /** The address of a window of another folder. */
    urlOf: (folder) => `${url}/?folder=${folder}`,
    /** The process ids of the extension hosts, one for each window. */
    extensionHosts: () => extensionHosts(child.pid),
    /** Kills extension hosts with SIGKILL, by default all; returns their number. */
    async killExtensionHosts(pids) {
      const killed = pids ?? (await extensionHosts(child.pid));
      killed.forEach(signal);
      return killed.length;
    },
    /** Stops the server with all its processes, which are one group. */
    async stop() {
      const ended = child.exitCode === null && new Promise((resolve) => child.on("exit", resolve));
      const processes = await descendants(child.pid);
      for (const pid of [child.pid, ...processes.map(({ pid }) => pid)]) signal(pid);
      await ended;
    },
  };
}

async function extensionHosts(server) {
  const hosts = (await descendants(server)).filter(({ command }) => command.includes("--type=extensionHost"));
  return hosts.map(({ pid }) => pid);
}

function signal(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

async function descendants(ancestor) {
  const all = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const [stat, command] = await Promise.all(["stat", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "")));
    // The name of the program, in parentheses, may contain spaces.
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (stat !== "") all.push({ pid: Number(name), parent, command: command.replaceAll("\0", " ") });
  }
  const found = [];
  for (let parents = [ancestor]; parents.length > 0; ) {
    const children = all.filter(({ parent }) => parents.includes(parent));
    found.push(...children);
    parents = children.map(({ pid }) => pid);
  }
  return found;
}
