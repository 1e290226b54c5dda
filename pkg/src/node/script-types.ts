// Checks the types of scripts, if `typescript` is installed: an optional peer of this package. A thread does it,
// because types of a hostile script may take any time to check.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

import type { TypeDiagnostic } from "../code-states.js";
import { RunstateError } from "../errors.js";

/** Longest time of a check, with the start of the thread, in milliseconds. */
const CHECK_MS = 15_000;

/** How long the thread waits for a further script, in milliseconds. */
const IDLE_MS = 60_000;

/** Most memory of the thread, in MiB. */
const MEMORY_MIB = 512;

interface Waiter {
  resolve(found: TypeDiagnostic[]): void;
  reject(error: Error): void;
}

/** The thread, and those that wait for it. */
class CheckerThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiter>();
  #idle: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(file: string, typescript: string) {
    this.#worker = new Worker(file, { workerData: typescript, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB } });
    this.#worker.unref();
    this.#worker.on("message", ({ id, found }: { id: number; found: TypeDiagnostic[] }) => {
      this.#waiting.get(id)?.resolve(found);
      this.#remove(id);
    });
    this.#worker.on("error", (error) => this.#end(error as Error));
    this.#worker.on("exit", () => this.#end(new Error("the thread has ended")));
  }

  async check(script: string, declarations: string): Promise<TypeDiagnostic[]> {
    const id = (this.#count += 1);
    clearTimeout(this.#idle);
    // The process does not end before the answer.
    this.#worker.ref();
    const late = setTimeout(() => void this.#worker.terminate(), CHECK_MS);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        this.#worker.postMessage({ id, script, declarations });
      });
    } finally {
      clearTimeout(late);
    }
  }

  #remove(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size > 0) return;
    this.#worker.unref();
    this.#idle = setTimeout(() => void this.#worker.terminate(), IDLE_MS).unref();
  }

  #end(error: Error): void {
    if (thread === this) thread = undefined;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

let thread: CheckerThread | undefined;

/** The complaints about the types of a script; none if `typescript` is not installed. Throws `unavailable` if they
 * cannot be checked. */
export async function checkScriptTypes(script: string, declarations: string): Promise<TypeDiagnostic[]> {
  const here = locateThread();
  const typescript = existsSync(here) ? resolveTypeScript(here) : undefined;
  if (typescript === undefined) return [];
  try {
    return await (thread ??= new CheckerThread(here, typescript)).check(script, declarations);
  } catch (cause) {
    throw new RunstateError({ code: "unavailable", message: `the types of a script cannot be checked: ${(cause as Error).message}`, retryable: true }, { cause });
  }
}

/** The file of the thread, beside this one. Modules of the format `cjs` have no address. */
function locateThread(): string {
  const folder = typeof __dirname === "string" ? __dirname : dirname(fileURLToPath(import.meta.url));
  return join(folder, "type-checker.js");
}

/** The file of `typescript`, as the package or the working directory finds it. */
function resolveTypeScript(here: string): string | undefined {
  for (const from of [here, join(process.cwd(), "-")]) {
    try {
      return createRequire(from).resolve("typescript");
    } catch {
      // It is not installed there.
    }
  }
  return undefined;
}
