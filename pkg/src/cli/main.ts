// The command line of the package. It has those verbs of the native command line that need only the public API over a file store.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { RunstateError, usageError } from "../errors.js";
import { open, version } from "../node.js";
import type { Session } from "./session.js";
import { Exit, exitCodeOfError } from "./exit.js";
import { OutputWriter } from "./output.js";
import { describeSource, retentionMs, storeUrl } from "./store.js";
import { VERBS, type ParsedArguments } from "./verbs.js";
import { verify } from "./verify.js";

const GLOBAL_FLAGS = { store: "value", json: "switch", help: "switch", version: "switch" } as const;

const HELP = `runstate ${version}: a state engine for long-lived executions, which wait for answers and are never lost

usage: runstate [--store URL] [--json] VERB …

${Object.values(VERBS)
  .map(({ usage, about }) => `  ${usage.padEnd(24)}${about}`)
  .join("\n")}
  ${"verify".padEnd(24)}checks the whole store

  --store URL   file:DIR; default: RUNSTATE_STORE, CVM_DATA_DIR or file:~/.cvm, the folder of the older CVM
  --json        prints results as JSON, for programs
  --command-id  the id of a command; repeating an id has no further effect

exit codes: 0 complete or done · 1 the program failed · 2 wrong use or compile error · 3 the execution waits, is paused or still runs ·
4 store error · 5 rejected · 130 stopped with ctrl-c`;

/** Runs a command line. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const out = new OutputWriter(args.includes("--json"));
  try {
    return await dispatch(args, out);
  } catch (error) {
    out.failure(error);
    return exitCodeOfError(error);
  }
}

async function dispatch(args: string[], out: OutputWriter): Promise<number> {
  const name = args.find((arg, at) => !arg.startsWith("-") && args[at - 1] !== "--store");
  if (args.includes("--help") || args.includes("-h") || name === "help") {
    console.log(HELP);
    return Exit.done;
  }
  if (args.includes("--version")) {
    console.log(`runstate ${version}`);
    return Exit.done;
  }
  if (name === undefined) throw usageError(`the command is missing: use ${[...Object.keys(VERBS), "verify"].join(", ")}; see --help`);
  const verb = VERBS[name];
  const given = parseArguments(args, verb?.flags ?? {});
  given.words.splice(given.words.indexOf(name), 1);
  const named = given.flags["store"] as string | undefined;
  const url = storeUrl(named, process.env);
  if (name === "verify") return verify(url, out);
  if (verb === undefined) throw usageError(`\`${name}\` is not a command of this program: use ${[...Object.keys(VERBS), "verify"].join(", ")}`);
  const [least, most] = verb.words;
  if (given.words.length < least || given.words.length > most) throw usageError(`usage: runstate ${verb.usage}`);
  return withStore(url, named, out, verb.createsStore === true, (session) => verb.run(session, given));
}

/** Opens the store, does due work, runs `act`, and closes the store. */
async function withStore(
  url: string,
  named: string | undefined,
  out: OutputWriter,
  makes: boolean,
  act: (session: Session) => Promise<number>,
): Promise<number> {
  // The default store is explained when it is created.
  const fresh = makes && !process.env["RUNSTATE_STORE"] && !process.env["CVM_DATA_DIR"] && named === undefined && !storeExists(url);
  const rs = await open(url, { timers: "off", retentionMs: retentionMs(process.env), mustExist: !makes }).catch((error: unknown) => {
    throw withStoreSource(url, describeSource(named, process.env), error);
  });
  if (fresh) out.remark(`created ${url}: it ${describeSource(named, process.env)}; choose another one with --store URL or RUNSTATE_STORE`);
  const commandLine = (words: string) => `runstate ${named === undefined ? "" : `--store ${named} `}${words}`;
  const interrupted = () => {
    out.remark("\nstopped; acknowledged commands are stored, and `resume` continues there");
    process.exit(Exit.interrupted);
  };
  process.once("SIGINT", interrupted);
  try {
    const health = await rs.health();
    if (health !== null) out.remark(`the store is read-only: ${health.message}`);
    else await rs.cvm.runDue();
    return await act({ rs, out, commandLine });
  } finally {
    process.off("SIGINT", interrupted);
    await rs.close();
  }
}

/** Whether a file store already exists. */
function storeExists(url: string): boolean {
  return existsSync(join(url.slice("file:".length).split("?")[0] ?? "", "runstate.json"));
}

/** Adds to an error how the store was chosen, and how to choose another one. */
function withStoreSource(url: string, by: string | undefined, error: unknown): unknown {
  if (by === undefined || !(error instanceof RunstateError) || !url.startsWith("file:")) return error;
  const { code, message, retryable, collection, key, details } = error;
  const more = ` (${url} ${by}; choose another one with --store file:DIR)`;
  return new RunstateError({ code, message: message + more, retryable, collection, key, details });
}

function parseArguments(args: string[], flags: { [name: string]: "value" | "switch" }): ParsedArguments {
  const types = Object.entries({ ...GLOBAL_FLAGS, ...flags }).map(([name, kind]) => {
    return [name, { type: kind === "value" ? ("string" as const) : ("boolean" as const) }] as const;
  });
  try {
    const { values, positionals } = parseArgs({ args, options: Object.fromEntries(types), allowPositionals: true });
    return { words: positionals, flags: values as ParsedArguments["flags"] };
  } catch (error) {
    throw usageError((error as Error).message);
  }
}
