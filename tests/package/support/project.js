// Fresh projects in temporary folders, in which npm has installed the packed package. The package has no dependencies, so no registry is used.

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
if (packed === undefined) throw new Error("RUNSTATE_PACKED is not set to a packed package; run `cargo xtask test package`, which builds it");

/** The path of a file or folder in the packages that the lock file names. */
export const nodeModulePath = (name) => fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url));

/** The path of a tool that the lock file names. */
export const tool = (name) => nodeModulePath(`.bin/${name}`);

/** The type packages of a TypeScript project for Node. */
const NODE_TYPES = ["@types", "undici-types"];

/** The timeout of a program, in milliseconds. Programs take seconds; a hanging one must end. */
const TIMEOUT_MS = 120_000;

/** One installation for all projects of a test file. */
let installed;

async function install() {
  const folder = await mkdtemp(join(tmpdir(), "runstate-installed-"));
  // The removal is synchronous, because asynchronous work does not run at the end of a process.
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }));
  await execute("npm", ["install", "--offline", "--no-audit", "--no-fund", packed], { cwd: folder });
  return folder;
}

/** Creates a project with these files. It is removed after the test `t`. */
export async function project(t, files, { type = "module", types = false } = {}) {
  installed ??= install();
  const folder = await mkdtemp(join(tmpdir(), "runstate-project-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(join(await installed, "node_modules"), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
  for (const name of types ? NODE_TYPES : []) {
    await cp(nodeModulePath(name), join(folder, "node_modules", name), { recursive: true });
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

  /** Runs a program in the project and returns its standard output. If the program fails, the error contains all its output. */
  async run(program, ...words) {
    try {
      const { stdout } = await execute(program, words, { cwd: this.folder, timeout: TIMEOUT_MS, env: { ...process.env, NO_COLOR: "1" } });
      return stdout;
    } catch (error) {
      throw new Error(`${program} ${words.join(" ")}: ${error.message}\n${error.stdout}\n${error.stderr}`, { cause: error });
    }
  }
}
