// Real Chromium, each on a profile of its own that is removed in the end; also killed as the kernel kills, and started again on the same
// profile.

import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

/** Quiet and self-contained: nothing is fetched, and little memory is shared, as in a container. */
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

/** How long a page is waited for: long, since machines are shared. */
const PATIENCE_MS = 120_000;

const executablePath = process.env.RUNSTATE_CHROMIUM ?? "/usr/bin/chromium";

/** A folder for the profile of a browser; `remove` when nothing uses it any more. */
export async function newProfile() {
  const folder = await mkdtemp(join(tmpdir(), "runstate-chromium-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }) };
}

/** A browser on `profile`; its pages share one storage, as the tabs of a person do. */
export async function launch(profile, { args = [] } = {}) {
  const options = { executablePath, headless: true, args: [...ARGS, ...args] };
  const browser = await chromium.launchPersistentContext(profile.folder, options);
  browser.setDefaultTimeout(PATIENCE_MS);
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
 * Kills all processes of the browser on `profile` at once with SIGKILL, and comes back when they are gone. They are found by the profile they
 * name; no other browser names it.
 */
export async function kill(profile) {
  const pids = await processes(profile);
  if (pids.length === 0) throw new Error(`no browser runs on ${profile.folder}`);
  for (const pid of pids) signal(pid);
  while ((await processes(profile)).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  // What says that a browser is on the profile; the one that did is dead.
  for (const name of await readdir(profile.folder)) {
    if (name.startsWith("Singleton")) await rm(join(profile.folder, name), { force: true });
  }
}

function signal(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It died with another one.
    if (error.code !== "ESRCH") throw error;
  }
}

/** The main process and what it has started: all name the profile, or descend from one that does. */
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
      // It ended meanwhile, or is the kernel's.
    }
  }
  const belongs = (pid) => {
    const found = all.get(pid);
    return found !== undefined && pid !== process.pid && (found.names || belongs(found.parent));
  };
  return [...all.keys()].filter(belongs);
}
