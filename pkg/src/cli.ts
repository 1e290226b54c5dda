#!/usr/bin/env node
// The program of `npx runstate …`. Its verbs have the parameters of the operations that they call.

import { isUtf8 } from "node:buffer";
import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { inspect, parseArgs } from "node:util";

import { type Declaration, ERROR_EXITS, OPERATIONS, type Parameter } from "./cli-generated.js";
import { compile } from "./compiler-node.js";
import { usageError } from "./errors.js";
import { type Diagnostic, type ErrorInit, type Execution, type Json, type OpenCall, type ProgramFile, type Run, type Runstate, RunstateError, open, version } from "./node.js";

type GlobalFlags = { store: string | undefined; json: boolean };

/** A verb. It reads files before it opens the store, and resolves to the exit code. The engine validates `values`. */
interface Verb extends Omit<Declaration, "times"> {
  run(context: GlobalFlags, operand: string, values: Record<string, any>): Promise<number>;
}

const parameter = (name: string, kind: Parameter["kind"], about: string, flag = name): Parameter => ({ name, flag, kind, about });
const read = (file: string) => readFileSync(file === "-" ? 0 : file);

function readText(file: string): string {
  const bytes = read(file);
  if (!isUtf8(bytes)) throw usageError(`${file} is not UTF-8 text`);
  return bytes.toString();
}

/** An import of a file of the program. */
const IMPORT = /\b(from|import)\s*["']\.{1,2}\//;

/** The name of a file that a program may import. */
const SOURCE = /\.(ts|mts|js|mjs|json)$/;

/** The largest number of files that a folder of a program may have. */
const MAX_FILES = 1_000;

/** The files in a folder that a program may import, without links, hidden ones and `node_modules`. */
function filesBelow(root: string): ProgramFile[] {
  const files: ProgramFile[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      if (entry.isDirectory()) folders.push(path);
      if (!entry.isFile() || !SOURCE.test(entry.name)) continue;
      if (files.length === MAX_FILES) throw usageError(`${root} has more than ${MAX_FILES} files; move the program to a folder of its own`);
      const bytes = readFileSync(join(root, path));
      if (isUtf8(bytes)) files.push({ path, source: bytes.toString() });
    }
  }
  return files;
}

const VERBS: Readonly<Record<string, Verb>> = {
  run: {
    operand: "FILE",
    about: "Loads and starts a program, and asks you its questions, or reads the answers from a pipe, one per line",
    parameters: [parameter("name", "text", "The name of the program; by default that of the file"), ...OPERATIONS.start.parameters],
    async run(context, file, { name = basename(file).replace(/\.[^.]*$/, ""), ...options }) {
      const source = readText(file);
      const sources = IMPORT.test(source) ? { entry: basename(file), files: filesBelow(dirname(file)) } : {};
      const program = { name, source, ...(await compile(name, source, sources)) };
      return withStore(context, false, async (rs) => {
        await rs.cvm.load(program);
        // The id is printed before the start, because the first wait may be far away. The engine derives it from a command id.
        const id: string | undefined = options["id"] ?? (options["commandId"] === undefined ? randomUUID() : undefined);
        if (id !== undefined) remark(`execution ${id} of ${name} in ${rs.url}`);
        return drive(rs, await rs.cvm.start(name, { ...options, id }), context.json, 0, true);
      });
    },
  },
  answer: {
    ...OPERATIONS.answer,
    parameters: [
      parameter("text", "text", "The answer as text"),
      parameter("jsonValue", "json", "The answer as a JSON value", "json-value"),
      parameter("file", "text", "The answer as the text of a file without its last line end; `-` is standard input"),
      ...OPERATIONS.answer.parameters.filter(({ name }) => name !== "answer"),
    ],
    async run(context, id, { text, jsonValue, file, ...options }) {
      const given = [text, jsonValue, file].filter((value) => value !== undefined);
      if (given.length !== 1) throw usageError("the answer must be given once: use --text, --json-value or --file");
      const value = file === undefined ? given[0] : readText(file).replace(/\r?\n$/, "");
      return withStore(context, true, async (rs) => {
        const run = await rs.cvm.run(id);
        const { next } = await run.progress(Number.MAX_SAFE_INTEGER);
        return drive(rs, await run.answer(value, options), context.json, next);
      });
    },
  },
  list: {
    ...OPERATIONS.list,
    run: (context, _, options) =>
      withStore(context, true, async (rs) => {
        const { items, next } = withTimes(await rs.cvm.list(options), OPERATIONS.list.times);
        if (context.json) for (const item of items) console.log(JSON.stringify(item));
        else for (const { id, programName, status, started, prompt } of items) print([id, programName, status, started, prompt ?? ""].join("  ").replace(/\s*\n\s*/g, " "));
        if (next !== undefined || items.length === 0) remark(next === undefined ? "no executions" : `more executions: --cursor ${next}`);
      }),
  },
  show: {
    ...OPERATIONS.show,
    run: (context, id, options) =>
      withStore(context, true, async (rs) => {
        const view = withTimes(await (await rs.cvm.run(id)).show(options), OPERATIONS.show.times);
        print(context.json ? JSON.stringify(view) : inspect(view, { depth: null, maxStringLength: null, maxArrayLength: null }));
      }),
  },
  export: {
    operand: "FILE",
    about: "Writes the store to a new file, or to standard output if it is `-`",
    parameters: [parameter("execution", "text", "Only this execution, with its program")],
    run: (context, file, options) =>
      withStore(context, true, async (rs) => {
        const exported = new Uint8Array(await (await rs.export(options)).arrayBuffer());
        if (file === "-") return writeFileSync(1, exported);
        // The name appears with the whole file, which is on the disk by then.
        const part = `${file}.${randomUUID()}.part`;
        try {
          writeFileSync(part, exported, { flag: "wx", flush: true });
          linkSync(part, file);
        } finally {
          rmSync(part, { force: true });
        }
        if ((await rs.health())?.code === "corrupt") remark(`${file} has the undamaged part of the store only`);
      }),
  },
  import: {
    operand: "FILE",
    about: "Imports an export, from standard input if it is `-`. Nothing is overwritten. Repeat an interrupted import to continue it",
    parameters: [],
    async run(context, file) {
      const bytes = read(file);
      return withStore(context, false, async (rs) => {
        console.log(JSON.stringify(await rs.import(bytes)));
      });
    },
  },
};

const GLOBAL = [
  parameter("store", "text", "The store, as file:DIR; by default RUNSTATE_STORE, CVM_DATA_DIR or file:~/.cvm, the folder of the older CVM"),
  parameter("json", "flag", "Whether to print one JSON value per line, errors included"),
  parameter("help", "flag", "Whether to print this help"),
];

/** The parameters by flag. Verbs with the same flag agree on its kind. */
const PARAMETERS = new Map([...GLOBAL, ...Object.values(VERBS).flatMap(({ parameters }) => parameters)].map((one) => [one.flag, one]));

async function main(args: string[]): Promise<number> {
  // With a verb it is the version of a program.
  if (args.length === 1 && args[0] === "--version") return console.log(version) ?? 0;
  const types = [...PARAMETERS].map(([flag, { kind }]) => [flag, { type: kind === "flag" ? "boolean" : "string" } as const]);
  const { values, positionals, tokens } = parseArgs({ args, options: Object.fromEntries(types), allowPositionals: true, allowNegative: true, tokens: true });
  const { store, json = false, help, ...options } = Object.fromEntries(Object.entries(values).map(parseValue));
  const [name = "", operand, ...others] = positionals;
  if (help) return console.log(formatHelp()) ?? 0;
  // Names of the prototype, such as `constructor`, are not verbs.
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) throw usageError(`\`${name}\` is not a command of this program: use ${Object.keys(VERBS).join(", ")}; see --help`);
  if (others.length > 0 || (operand === undefined) !== (verb.operand === "")) throw usageError(`usage: runstate ${name} ${verb.operand}`);
  const given = tokens.flatMap((token) => (token.kind === "option" ? token.name : []));
  const wrong = given.find((flag, at) => ![...GLOBAL, ...verb.parameters].some((one) => one.flag === flag) || given.indexOf(flag) !== at);
  if (wrong !== undefined) throw usageError(`--${wrong} is not a flag of ${name}, or is given twice; see --help`);
  return verb.run({ store, json }, operand ?? "", options);
}

function parseValue([flag, value]: [string, unknown]): [name: string, value: any] {
  const { name, kind } = PARAMETERS.get(flag) as Parameter;
  return [name, kind === "json" ? JSON.parse(String(value)) : kind === "number" && /^\d+$/.test(String(value)) ? Number(value) : value];
}

function formatHelp(): string {
  const formatFlag = ({ flag, kind, about }: Parameter) => `\n    ${`--${flag} ${kind === "flag" ? "" : kind.toUpperCase()}`.padEnd(24)}${about}`;
  const verbs = Object.entries(VERBS).map(([name, { operand, about, parameters }]) => `  ${name} ${operand}: ${about}${parameters.map(formatFlag).join("")}`);
  return `runstate ${version}: a state engine for long-lived executions, which wait for answers and are never lost

${verbs.join("\n\n")}\n\n  every verb${GLOBAL.map(formatFlag).join("")}

exit codes: 0 complete or done · 1 the program failed · 2 usage or compile error · 3 the execution waits, is paused or still runs ·
4 store error · 5 rejected. The native command line has all other commands (load, start, resume, pause, calls, work, verify, repair, mcp, …),
also for stores on MongoDB: \`cargo install --path cli\` in a clone of https://github.com/runstate/runstate`;
}

/** Prints an error. Returns the exit code. */
function fail(thrown: Error & { code?: string }): number {
  // Errors of Node have a code: an unknown flag, a file that cannot be read, text that is not UTF-8.
  const code = thrown instanceof SyntaxError || thrown.code !== undefined ? "usage" : "internal";
  const error = thrown instanceof RunstateError ? thrown : new RunstateError({ code, message: thrown.message });
  const { diagnostics = [] } = Object(error.details) as { diagnostics?: Diagnostic[] };
  const places = diagnostics.map(({ file, line, column, message, sourceLine }) => `${SOURCE.test(file) ? `${file}:` : ""}${line}:${column}: ${message}\n    ${sourceLine}\n`);
  if (process.argv.includes("--json")) console.log(JSON.stringify({ ...error, name: undefined, message: error.message }));
  else remark(`${places.join("")}error: ${error.message}`);
  return ERROR_EXITS[error.code] ?? 5;
}

/** Prints a line of a result. Remarks go to standard error. Neither has characters that control a terminal or the direction of text. */
const print = (line: string): void => console.log(escapeControls(line));
const remark = (text: string): void => console.error(escapeControls(text));
const escapeControls = (text: string) =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`);

const formatValue = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** A result with the times at `paths` as RFC 3339 text. */
function withTimes<T>(value: T, paths: readonly string[], path = ""): T {
  if (typeof value === "number" && paths.includes(path)) return new Date(value).toISOString() as T;
  if (typeof value !== "object" || value === null || !paths.some((one) => one.startsWith(`${path}/`))) return value;
  if (Array.isArray(value)) return value.map((item) => withTimes(item, paths, path)) as T;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withTimes(member, paths, `${path}/${name}`)])) as T;
}

/** Opens the store, does due work, runs `act`, and closes the store. Fails on a damaged store: data may be missing from the result. */
async function withStore({ store }: GlobalFlags, mustExist: boolean, act: (rs: Runstate) => Promise<number | void>): Promise<number> {
  const { RUNSTATE_STORE, CVM_DATA_DIR, CVM_STORAGE_TYPE } = process.env;
  const url = store ?? (RUNSTATE_STORE || `file:${CVM_DATA_DIR || `${homedir()}/.cvm`}`);
  if (!store && !RUNSTATE_STORE && (CVM_STORAGE_TYPE || "file") !== "file") throw usageError("CVM_STORAGE_TYPE must be `file`; use --store");
  await using rs = await open(url, { timers: "off", log: "off", mustExist }).catch((error: ErrorInit & Error) => {
    const source = "without --store it is that of RUNSTATE_STORE, else CVM_DATA_DIR, else file:~/.cvm";
    throw new RunstateError({ ...error, code: error.code ?? "internal", message: store === undefined ? `${error.message} (${source})` : error.message });
  });
  const health = await rs.health();
  if (health === null) await rs.due.run();
  else remark(`warning: ${health.message}`);
  const exit = await act(rs);
  const damage = await rs.health();
  if (damage?.code === "corrupt") throw damage;
  return exit ?? 0;
}

/** Prints the output from line `from` on, and `asks` until the execution ends or a question has no answer. Returns the exit code. */
async function drive(rs: Runstate, run: Run, json: boolean, from = 0, asks = false): Promise<number> {
  const say = json ? remark : print;
  let answers: Answers | undefined;
  for (;;) {
    const { lines, next, more, status, calls } = await run.progress(from);
    if (!json) lines.forEach(print);
    from = next;
    if (more) continue;
    const open = calls.filter((call) => call.owner === null || (call.leaseUntil ?? 0) <= Date.now());
    const question = open.find((call) => call.kind === "cc");
    if (question !== undefined) say(formatQuestion(question));
    if (!asks || !["running", "waiting_cc"].includes(status)) break;
    // Nothing is read before the first question.
    if (question !== undefined ? !(await (answers ??= new Answers()).answer(run, question, say)) : status === "waiting_cc" && open.some((call) => call.kind !== "timer")) break;
    if (question === undefined) await pause(200);
    await rs.due.run();
  }
  const view = await run.show({ machine: false });
  if (json) console.log(JSON.stringify(withTimes(view, OPERATIONS.show.times)));
  else if (view.result !== null) print(`= ${formatValue(view.result)}`);
  if (!json) remark(describeStatus(view));
  return view.status === "complete" ? 0 : view.status === "error" || view.status === "cancelled" ? 1 : 3;
}

function describeStatus({ id, status, error, calls }: Execution): string {
  if (error !== null) return [`${id} failed at ${error.file === undefined ? `line ${error.line}, column ${error.column}` : `${error.file}:${error.line}:${error.column}`}: ${error.name}: ${error.message}`, ...error.stack].join("\n  ");
  const call = status === "waiting_cc" ? calls.find(({ kind }) => kind !== "timer") : undefined;
  const wait = call?.kind === "cc" ? `an answer: runstate answer ${id} --call ${call.callId} --text …` : `a worker that serves ${call?.kind}`;
  return `${id} ${call === undefined ? `is ${status}` : `waits for ${wait}`}`;
}

function formatQuestion({ prompt, choices, schema, deadline }: OpenCall): string {
  const lines = (choices ?? []).map((choice, at) => `\n  ${at + 1}) ${formatValue(choice)}`);
  if (schema !== null && choices === null) lines.push(`\n  expected: ${JSON.stringify(schema)}`);
  if (deadline !== null) lines.push(`\n  until ${new Date(deadline).toISOString()}`);
  return `? ${prompt}${lines.join("")}`;
}

/** Parses a typed answer. A choice is given by its text or its number. */
function parseAnswer({ choices }: OpenCall, line: string): Json {
  if (choices === null) return line;
  const found = choices.filter((choice, at) => [formatValue(choice).trim(), `${at + 1}`, `${at + 1})`].includes(line.trim()));
  if (found.length === 1) return found[0] as Json;
  const problem = found.length === 0 ? `not one of the choices; type one, or a number from 1 to ${choices.length}` : "ambiguous: type a number with `)`";
  throw new RunstateError({ code: "invalid_answer", message: `\`${line.trim()}\` is ${problem}` });
}

/** Answers from standard input, one per line. */
class Answers {
  readonly #isTerminal = process.stdin.isTTY === true;
  readonly #reader = createInterface({ input: process.stdin, output: this.#isTerminal ? process.stderr : undefined, crlfDelay: Infinity })
    // readline intercepts ctrl-c, so the signal is sent to this process again.
    .on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  readonly #lines = this.#reader[Symbol.asyncIterator]();
  /** A read whose line no question has received. It outlives the question, because the line that it reads may come after the deadline. */
  #pending: Promise<IteratorResult<string, unknown>> | undefined;
  /** How long to wait for the first line, in milliseconds. Some programs start others with a pipe and never write to it. */
  #lineTimeoutMs = this.#isTerminal ? Infinity : 5000;

  /** Answers a question. Returns false if there is no line. A person is asked again after an invalid answer; a pipe cannot be. */
  async answer(run: Run, call: OpenCall, say: typeof print): Promise<boolean> {
    if (this.#isTerminal) this.#reader.prompt();
    this.#pending ??= this.#lines.next();
    const rest = call.deadline === null ? Infinity : Math.max(0, call.deadline - Date.now());
    const timeout = pause(Math.min(rest, this.#lineTimeoutMs, 2 ** 31 - 1), undefined, { ref: false });
    const line = await Promise.race([this.#pending, timeout]);
    if (line === undefined || line.done === true) return line === undefined && rest <= this.#lineTimeoutMs;
    [this.#pending, this.#lineTimeoutMs] = [undefined, Infinity];
    try {
      const answer = parseAnswer(call, line.value);
      if (!this.#isTerminal) say(`> ${formatValue(answer)}`);
      await run.answer(answer, { call: call.callId });
    } catch (error) {
      const { code, message } = error as RunstateError;
      if (code === "invalid_answer" && !this.#isTerminal) throw new RunstateError({ code, message: `the answer to \`${call.prompt}\` is invalid: ${message}` });
      if (!["already_answered", "deadline_passed", "invalid_answer"].includes(code)) throw error;
      remark(message);
    }
    return true;
  }
}

process.exitCode = await main(process.argv.slice(2)).catch(fail);
// Standard input would keep the process alive.
process.stdin.destroy();
