// Fresh projects in temporary folders, with the packed package installed as anybody would install it. No registry is asked: the package needs
// no other.

import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** The packed package; `cargo xtask test package` builds it. */
export const packed = process.env.RUNSTATE_PACKED;
if (packed === undefined) throw new Error("RUNSTATE_PACKED names no packed package; `cargo xtask test package` builds it");

const ours = (name) => fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url));

/** A program of the tools that the lock file names. */
export const tool = (name) => ours(`.bin/${name}`);

/** What a TypeScript project of Node has installed: the types, and what they need. */
const NODE_TYPES = ["@types", "undici-types"];

/** How long a program of a project may take, in ms: they take seconds, and some must be ended where they hang. */
const TIMEOUT_MS = 120_000;

/** One installation for all projects of a file of tests. */
let installed;

async function install() {
  const folder = await mkdtemp(join(tmpdir(), "runstate-installed-"));
  // Nothing asynchronous runs at the end of a process.
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }));
  await execute("npm", ["install", "--offline", "--no-audit", "--no-fund", packed], { cwd: folder });
  return folder;
}

/** A project with these files, which is there as long as the test `t`. */
export async function project(t, files, { type = "module", types = false } = {}) {
  installed ??= install();
  const folder = await mkdtemp(join(tmpdir(), "runstate-project-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(join(await installed, "node_modules"), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
  for (const name of types ? NODE_TYPES : []) {
    await cp(ours(name), join(folder, "node_modules", name), { recursive: true });
  }
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return new Project(folder);
}

class Project {
  constructor(folder) {
    this.folder = folder;
  }

  /** Runs a program in it; what it said on stdout. It fails with all that was said where the program does. */
  async run(program, ...words) {
    try {
      const { stdout } = await execute(program, words, { cwd: this.folder, timeout: TIMEOUT_MS, env: { ...process.env, NO_COLOR: "1" } });
      return stdout;
    } catch (error) {
      throw new Error(`${program} ${words.join(" ")}: ${error.message}\n${error.stdout}\n${error.stderr}`, { cause: error });
    }
  }}
