// The command line of the package: the verbs of the native one that a thin script over the store on files can do.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { RunstateError, usage } from "../errors.js";
import { open, version } from "../node.js";
import type { Session } from "./drive.js";
import { Exit, exitOf } from "./exit.js";
import { Out } from "./out.js";
import { namedBy, retentionMs, storeUrl } from "./store.js";
import { VERBS, type Given } from "./verbs.js";
import { verify } from "./verify.js";

const GLOBAL = { store: "value", json: "switch", help: "switch", version: "switch" } as const;

const HELP = `runstate ${version}: a state engine; programs stop to ask, and nothing is ever lost

usage: runstate [--store URL] [--json] VERB …

${Object.values(VERBS)
  .map(({ usage, about }) => `  ${usage.padEnd(24)}${about}`)
  .join("\n")}
  ${"verify".padEnd(24)}reads all that a store holds and checks it

  --store URL   file:DIR; without it RUNSTATE_STORE, CVM_DATA_DIR or file:~/.cvm, the folder of the older CVM
  --json        results as JSON, for programs
  --command-id  names a command: the same id again does nothing again

exit codes: 0 complete or done · 1 the program failed · 2 wrong use or compile error · 3 it waits and nobody is there to ask ·
4 store error · 5 rejected · 130 stopped with ctrl-c`;

/** Does what the words say; the exit code. */
export async function main(args: string[]): Promise<number> {
  const out = new Out(args.includes("--json"));
  try {
    return await act(args, out);
  } catch (error) {
    out.failure(error);
    return exitOf(error);
  }
}

async function act(args: string[], out: Out): Promise<number> {
  const name = args.find((arg, at) => !arg.startsWith("-") && args[at - 1] !== "--store");
  if (args.includes("--help") || args.includes("-h") || name === "help") {
    console.log(HELP);
    return Exit.done;
  }
  if (args.includes("--version")) {
    console.log(`runstate ${version}`);
    return Exit.done;
  }
  if (name === undefined) throw usage(`what is to be done? One of ${[...Object.keys(VERBS), "verify"].join(", ")}; --help says more`);
  const verb = VERBS[name];
  const given = parsed(args, verb?.flags ?? {});
  given.words.splice(given.words.indexOf(name), 1);
  const named = given.flags["store"] as string | undefined;
  const url = storeUrl(named, process.env);
  if (name === "verify") return verify(url, out);
  if (verb === undefined) throw usage(`\`${name}\` is not known here; there are ${[...Object.keys(VERBS), "verify"].join(", ")}`);
  const [least, most] = verb.words;
  if (given.words.length < least || given.words.length > most) throw usage(`usage: runstate ${verb.usage}`);
  return over(url, named, out, verb.makes === true, (session) => verb.run(session, given));
}

/** Opens the store, does what is due, and closes it again. */
async function over(
  url: string,
  named: string | undefined,
  out: Out,
  makes: boolean,
  act: (session: Session) => Promise<number>,
): Promise<number> {
  // The default store is explained when it is made.
  const fresh = makes && !process.env["RUNSTATE_STORE"] && !process.env["CVM_DATA_DIR"] && named === undefined && !isThere(url);
  const rs = await open(url, { timers: "off", retentionMs: retentionMs(process.env), mustExist: !makes }).catch((error: unknown) => {
    throw unnamed(url, namedBy(named, process.env), error);
  });
  if (fresh) out.remark(`made ${url}: it ${namedBy(named, process.env)}; --store URL or RUNSTATE_STORE names another one`);
  const line = (words: string) => `runstate ${named === undefined ? "" : `--store ${named} `}${words}`;
  const interrupted = () => {
    out.remark("\nstopped; what was acknowledged is kept, and `resume` goes on there");
    process.exit(Exit.interrupted);
  };
  process.once("SIGINT", interrupted);
  try {
    const health = await rs.health();
    if (health !== null) out.remark(`this store can be read, not written: ${health.message}`);
    else await rs.cvm.runDue();
    return await act({ rs, out, line });
  } finally {
    process.off("SIGINT", interrupted);
    await rs.close();
  }
}

/** Whether a store on files is there already. */
function isThere(url: string): boolean {
  return existsSync(join(url.slice("file:".length).split("?")[0] ?? "", "runstate.json"));
}

/** The error, with what named the store and how to name another. */
function unnamed(url: string, by: string | undefined, error: unknown): unknown {
  if (by === undefined || !(error instanceof RunstateError) || !url.startsWith("file:")) return error;
  const { code, message, retryable, collection, key, details } = error;
  const more = ` (${url} ${by}; name another one with --store file:DIR)`;
  return new RunstateError({ code, message: message + more, retryable, collection, key, details });
}

function parsed(args: string[], flags: { [name: string]: "value" | "switch" }): Given {
  const types = Object.entries({ ...GLOBAL, ...flags }).map(([name, kind]) => {
    return [name, { type: kind === "value" ? ("string" as const) : ("boolean" as const) }] as const;
  });
  try {
    const { values, positionals } = parseArgs({ args, options: Object.fromEntries(types), allowPositionals: true });
    return { words: positionals, flags: values as Given["flags"] };
  } catch (error) {
    throw usage((error as Error).message);
  }
}
