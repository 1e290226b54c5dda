// The command line of the package. It has those verbs of the native command line that need only the public API over a file store.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { RunstateError, usageError } from "../errors.js";
import { open, version } from "../node.js";
import type { Runstate } from "../runstate.js";
import { Exit, exitCodeOfError } from "./exit.js";
import { OutputWriter } from "./output.js";
import { describeSource, retentionMs, storeUrl } from "./store.js";
import { VERBS, type VerbAction, type FlagSet, type ParsedArguments, type Verb, flagUsage } from "./verbs.js";
import { verify } from "./verify.js";

const GLOBAL_FLAGS: FlagSet = { store: { value: "URL" }, json: {}, help: {}, version: {} };

const HELP = `runstate ${version}: a state engine for long-lived executions, which wait for answers and are never lost

usage: runstate [--store URL] [--json] VERB …

${Object.values(VERBS)
  .map(({ usage, about }) => `  ${usage.padEnd(24)}${about}`)
  .join("\n")}
  ${"verify".padEnd(24)}checks the whole store

  --store URL   file:DIR; default: RUNSTATE_STORE, CVM_DATA_DIR or file:~/.cvm, the folder of the older CVM
  --json        prints results as JSON, for programs
  --command-id  after VERB: the id of a command; repeating an id has no further effect

exit codes: 0 complete or done · 1 the program failed · 2 usage or compile error · 3 the execution waits, is paused or still runs ·
4 store error · 5 rejected · 130 stopped with ctrl-c`;

/** Runs a command line. Returns the exit code. */
export async function main(words: string[]): Promise<number> {
  const args = joinHyphenValues(words);
  const out = new OutputWriter(args.includes("--json"));
  try {
    return await dispatch(args, out);
  } catch (error) {
    out.failure(error);
    return exitCodeOfError(error);
  }
}

async function dispatch(args: string[], out: OutputWriter): Promise<number> {
  const at = findVerb(args);
  const name = args[at];
  if (args.includes("--help") || args.includes("-h") || name === "help") {
    console.log(HELP);
    return Exit.done;
  }
  if (args.includes("--version")) {
    console.log(`runstate ${version}`);
    return Exit.done;
  }
  refuseEarlyFlag(name === undefined ? args : args.slice(0, at));
  if (name === undefined) throw usageError(`the command is missing: use ${[...Object.keys(VERBS), "verify"].join(", ")}; see --help`);
  const verb = verbByName(name);
  const parsed = parseArguments(args, at, verb?.flags ?? {});
  parsed.words.splice(parsed.words.indexOf(name), 1);
  const storeFlag = parsed.flags["store"] as string | undefined;
  const url = storeUrl(storeFlag, process.env);
  if (name === "verify") return verify(url, out);
  if (verb === undefined) throw usageError(`\`${name}\` is not a command of this program: use ${[...Object.keys(VERBS), "verify"].join(", ")}`);
  const [minWords, maxWords] = verb.words;
  if (parsed.words.length < minWords || parsed.words.length > maxWords) throw usageError(`usage: runstate ${verb.usage}`);
  const act = await verb.prepare(parsed, out);
  return withStore(url, storeFlag, out, verb.createsStore === true, act);
}

/** The index of the verb in the command line; -1 if there is none. */
function findVerb(args: string[]): number {
  return args.findIndex((arg, at) => !arg.startsWith("-") && args[at - 1] !== "--store");
}

function verbByName(name: string | undefined): Verb | undefined {
  // Names of the prototype, such as `constructor`, are not verbs.
  return name !== undefined && Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
}

/** Joins flags and their values that begin with a hyphen: `--text -5` becomes `--text=-5`. Otherwise the value would count as a flag. */
function joinHyphenValues(args: string[]): string[] {
  const verbAt = findVerb(args);
  const flags = verbByName(args[verbAt])?.flags ?? {};
  const joined = args.slice(0, verbAt + 1);
  for (let at = verbAt + 1; at < args.length; at += 1) {
    const [arg, next] = [args[at] as string, args[at + 1]];
    if (arg === "--") return [...joined, ...args.slice(at)];
    const takesHyphen = arg.startsWith("--") && flags[arg.slice(2)]?.hyphen === true;
    if (takesHyphen && next?.startsWith("-")) at += 1;
    joined.push(takesHyphen && next?.startsWith("-") ? `${arg}=${next}` : arg);
  }
  return joined;
}

/** Refuses a flag of a verb among the words before the verb, as the native command line does: its value would count as the verb. */
function refuseEarlyFlag(words: string[]): void {
  const flags = words.flatMap((word) => /^--[a-z-]+/.exec(word) ?? []);
  const early = flags.find((flag) => !Object.hasOwn(GLOBAL_FLAGS, flag.slice(2)));
  if (early === undefined) return;
  const allowed = Object.keys(GLOBAL_FLAGS).map((flag) => `--${flag}`);
  throw usageError(`\`${early}\` cannot come before the command: write it after the command; only ${allowed.join(", ")} can come first`);
}

/** Opens the store, does due work, runs `act`, and closes the store. */
async function withStore(
  url: string,
  storeFlag: string | undefined,
  out: OutputWriter,
  createsStore: boolean,
  act: VerbAction,
): Promise<number> {
  // The default store is explained when it is created.
  const isNewDefault = createsStore && !process.env["RUNSTATE_STORE"] && !process.env["CVM_DATA_DIR"] && storeFlag === undefined && !storeExists(url);
  const rs = await open(url, { timers: "off", retentionMs: retentionMs(process.env), mustExist: !createsStore }).catch((error: unknown) => {
    throw withStoreSource(url, describeSource(storeFlag, process.env), error);
  });
  if (isNewDefault) out.remark(`created ${url}: it ${describeSource(storeFlag, process.env)}; choose another one with --store URL or RUNSTATE_STORE`);
  const commandLine = (words: string) => `runstate ${storeFlag === undefined ? "" : `--store ${storeFlag} `}${words}`;
  const handleInterrupt = () => {
    out.remark("\nstopped; acknowledged commands are stored, and `resume` continues there");
    process.exit(Exit.interrupted);
  };
  process.once("SIGINT", handleInterrupt);
  try {
    const health = await rs.health();
    if (health === null) await rs.due.run();
    else out.remark(describeHealth(health));
    const code = await act({ rs, out, commandLine });
    return await checkDamage(rs, out, code);
  } finally {
    process.off("SIGINT", handleInterrupt);
    await rs.close();
  }
}

/** Describes why the store is read-only, before any of its data is printed. */
function describeHealth({ code, message }: RunstateError): string {
  if (code !== "corrupt") return `the store is read-only: ${message}`;
  return `warning: ${message}. Undamaged data can be read; data that is missing may have been in the damaged part`;
}

/** Returns the exit code of a command that ended with `code`. On a damaged store that is a store error: data may be missing from the result. */
async function checkDamage(rs: Runstate, out: OutputWriter, code: number): Promise<number> {
  const health = await rs.health();
  if (health?.code !== "corrupt") return code;
  // The remark before the command has reported the damage to people.
  if (out.json) throw health;
  return Exit.store;
}

/** Whether a file store already exists. */
function storeExists(url: string): boolean {
  return existsSync(join(url.slice("file:".length).split("?")[0] ?? "", "runstate.json"));
}

/** Adds to an error how the store was chosen, and how to choose another one. */
function withStoreSource(url: string, source: string | undefined, error: unknown): unknown {
  if (source === undefined || !(error instanceof RunstateError) || !url.startsWith("file:")) return error;
  const { code, message, retryable, collection, key, details } = error;
  const more = ` (${url} ${source}; choose another one with --store file:DIR)`;
  return new RunstateError({ code, message: message + more, retryable, collection, key, details });
}

/** Parses the command line. The verb is its word `verbAt`. */
function parseArguments(args: string[], verbAt: number, verbFlags: FlagSet): ParsedArguments {
  const flags: FlagSet = { ...GLOBAL_FLAGS, ...verbFlags };
  const { values, positionals, tokens } = parseWords(args, flags);
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    // A global flag is allowed once before the verb and once after it, as in the native command line.
    const occurrence = `${token.name} ${token.index < verbAt ? "before" : "after"}`;
    if (seen.has(occurrence)) throw usageError(`the argument '${flagUsage(token.name, flags[token.name] ?? {})}' cannot be used multiple times`);
    seen.add(occurrence);
  }
  return { words: positionals, flags: values as ParsedArguments["flags"] };
}

function parseWords(args: string[], flags: FlagSet) {
  const types = Object.entries(flags).map(([name, { value }]) => [name, { type: value === undefined ? "boolean" : "string" }] as const);
  try {
    return parseArgs({ args, options: Object.fromEntries(types), allowPositionals: true, tokens: true });
  } catch (error) {
    throw usageError((error as Error).message);
  }
}
