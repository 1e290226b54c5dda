// Starts real Chromium browsers, each on its own temporary profile. A browser can be killed with SIGKILL and restarted on the same profile.

import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

/** Flags for a container: no background requests, little shared memory. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

/** The timeout of every wait for a page, in milliseconds. It is long because machines are shared. */
const TIMEOUT_MS = 120_000;

const executablePath = process.env.RUNSTATE_CHROMIUM ?? "/usr/bin/chromium";

/** Creates a folder for the profile of a browser; `remove` deletes it. */
export async function newProfile() {
  const folder = await mkdtemp(join(tmpdir(), "runstate-chromium-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }) };
}

/** Starts a browser on `profile`. Its pages share one storage, as the tabs of a user do. */
export async function launch(profile, { args = [] } = {}) {
  const options = { executablePath, headless: true, args: [...ARGS, ...args] };
  const browser = await chromium.launchPersistentContext(profile.folder, options);
  browser.setDefaultTimeout(TIMEOUT_MS);
  return browser;
}

/** Runs `act` with a browser on a fresh profile. */
export async function withBrowser(act, options) {
  const profile = await newProfile();
  const browser = await launch(profile, options);
  try {
    return await act(browser, profile);
  } finally {
    await browser.close().catch(() => {});
    await profile.remove();
  }
}

/**
 * Kills all processes of the browser on `profile` with SIGKILL and waits until they are gone. They are found by the profile path in their command
 * lines, which no other browser uses.
 */
export async function kill(profile) {
  const pids = await processes(profile);
  if (pids.length === 0) throw new Error(`no browser runs on ${profile.folder}`);
  for (const pid of pids) signal(pid);
  while ((await processes(profile)).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  // The lock files of the killed browser would prevent the next one from using the profile.
  for (const name of await readdir(profile.folder)) {
    if (name.startsWith("Singleton")) await rm(join(profile.folder, name), { force: true });
  }
}

function signal(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // The process ended together with another one.
    if (error.code !== "ESRCH") throw error;
  }
}

/** The processes of the browser: those whose command line contains the profile path, and their descendants. */
async function processes(profile) {
  const all = new Map();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [command, stat] = await Promise.all([readFile(`/proc/${name}/cmdline`, "utf8"), readFile(`/proc/${name}/stat`, "utf8")]);
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      await readlink(`/proc/${name}/exe`);
      if (state !== "Z") all.set(Number(name), { parent: Number(parent), names: command.includes(profile.folder) });
    } catch {
      // The process ended in the meantime, or belongs to the kernel.
    }
  }
  const belongs = (pid) => {
    const process_ = all.get(pid);
    return process_ !== undefined && pid !== process.pid && (process_.names || belongs(process_.parent));
  };
  return [...all.keys()].filter(belongs);
}
