// The verbs of the command line. Each runs on an open store and returns the exit code.

import { randomUUID } from "node:crypto";
import { basename } from "node:path";

import { RunstateError, usageError } from "../errors.js";
import type { ProgramSource } from "../cvm.js";
import type { Json } from "../json.js";
import { MAX_UINT32 } from "../validation.js";
import type { FrameView, Status } from "../wire.js";
import { type Session, drive, reportExecution } from "./session.js";
import { Exit } from "./exit.js";
import { readAnswerFile, readSource } from "./input.js";
import { type OutputWriter, formatTime, formatValue, formatTable, executionToJson, callToJson, summaryToJson } from "./output.js";

/** The words after the verb, and the flags by name. */
export interface ParsedArguments {
  words: string[];
  flags: { [name: string]: string | boolean | undefined };
}

/** A flag. */
export interface Flag {
  /** The name of its value in messages, as in the native command line; undefined if it takes none. */
  value?: string;
  /** Whether the value may begin with a hyphen. */
  hyphen?: boolean;
}

/** Flags by name. */
export type FlagSet = Readonly<Record<string, Flag>>;

/** The usage of a flag in messages: `--text <T>`. */
export function flagUsage(name: string, { value }: Flag): string {
  return value === undefined ? `--${name}` : `--${name} <${value}>`;
}

/** The action of a verb on an open store. It resolves to the exit code. */
export type VerbAction = (session: Session) => Promise<number>;

/** A verb: its arguments and its function. */
export interface Verb {
  /** Its usage line. */
  usage: string;
  /** Its description, in one line. */
  about: string;
  /** Its flags. */
  flags: FlagSet;
  /** The minimum and maximum number of words after the verb. */
  words: readonly [number, number];
  /** Whether it creates a store that does not exist. Read-only verbs do not. */
  createsStore?: boolean;
  /** Reads the flags and files before the store is opened, so that an error in them creates no store. */
  prepare(args: ParsedArguments, out: OutputWriter): VerbAction | Promise<VerbAction>;
}

/** The maximum number of rows of a page. */
const PAGE_ROWS = 1000;

const WRITE_FLAGS: FlagSet = { "command-id": { value: "ID", hyphen: true } };

const START_FLAGS: FlagSet = { id: { value: "ID", hyphen: true }, input: { value: "JSON", hyphen: true }, ...WRITE_FLAGS };

/** The flags of `answer` that hold the answer. Only one of them is allowed. */
const ANSWER_FLAGS: FlagSet = {
  text: { value: "T", hyphen: true }, "json-value": { value: "J", hyphen: true }, file: { value: "F", hyphen: true },
};

/** The flags of `list` that select by status. Only one of them is allowed. */
const STATUS_FLAGS: FlagSet = { active: {}, status: { value: "STATUS" } };

/** The verbs by name. */
export const VERBS: { readonly [name: string]: Verb } = {
  run: {
    createsStore: true,
    usage: "run FILE",
    about: "loads and starts a program, asks you its questions, or reads the answers from a pipe, one per line",
    flags: { ...START_FLAGS, name: { value: "NAME" } },
    words: [1, 1],
    async prepare(args, out) {
      const [program, options] = [await compileFile(args, out), startOptions(args)];
      return async (session) => {
        const { name } = await session.rs.cvm.load(program);
        return drive(session, await startProgram(session, name, options));
      };
    },
  },
  load: {
    createsStore: true,
    usage: "load FILE",
    about: "compiles a program and stores it under its name",
    flags: { name: { value: "NAME" }, id: { value: "ID", hyphen: true }, ...WRITE_FLAGS },
    words: [1, 1],
    async prepare(args, out) {
      const program = { ...(await compileFile(args, out)), id: textFlag(args, "id") };
      return async ({ rs, commandLine }) => {
        const loaded = await rs.cvm.load(program, { commandId: textFlag(args, "command-id") });
        if (out.json) out.value(loaded);
        else out.line(`${loaded.name} (version ${loaded.programVersion})`);
        if (!out.json) out.remark(`start it with: ${commandLine(`start ${loaded.name}`)}`);
        return Exit.done;
      };
    },
  },
  start: {
    usage: "start PROGRAM",
    about: "starts a loaded program and runs it until it waits or ends",
    flags: START_FLAGS,
    words: [1, 1],
    prepare(args) {
      const options = startOptions(args);
      return async (session) => reportExecution(session, await startProgram(session, args.words[0] ?? "", options));
    },
  },
  resume: {
    usage: "resume ID",
    about: "continues an execution where it stopped",
    flags: WRITE_FLAGS,
    words: [1, 1],
    prepare: (args) => async (session) => {
      const run = await session.rs.cvm.run(args.words[0] ?? "");
      return drive(session, await run.next({ commandId: textFlag(args, "command-id") }));
    },
  },
  answer: {
    usage: "answer ID --text TEXT",
    about: "answers a question and runs the execution until it waits or ends (or --json-value JSON, --file FILE, --file -)",
    flags: {
      ...ANSWER_FLAGS, call: { value: "CALL" }, key: { value: "K", hyphen: true }, occurrence: { value: "N" }, by: { value: "NAME" },
      ...WRITE_FLAGS,
    },
    words: [1, 1],
    async prepare(args) {
      const [call, key, by] = [textFlag(args, "call"), textFlag(args, "key"), textFlag(args, "by")];
      const occurrence = numberFlag(args, "occurrence");
      // With `--call` the native command line accepts the flag without an effect.
      if (occurrence !== undefined && key === undefined && call === undefined) {
        throw usageError("the following required arguments were not provided:\n  --key <K>");
      }
      const options = { call, key, by, occurrence, commandId: textFlag(args, "command-id") };
      const value = await readAnswer(args);
      return async (session) => {
        const run = await session.rs.cvm.run(args.words[0] ?? "");
        const { next } = await run.progress(Number.MAX_SAFE_INTEGER);
        await run.answer(value, options);
        return reportExecution(session, run, next);
      };
    },
  },
  show: {
    usage: "show ID",
    about: "shows an execution (--full: the values of its variables in full)",
    flags: { full: {} },
    words: [1, 1],
    prepare: (args) => (session) => show(session, args),
  },
  variables: {
    usage: "variables ID [NAME]",
    about: "shows its variables by frame (--full: their values in full)",
    flags: { full: {} },
    words: [1, 2],
    prepare: (args) => (session) => variables(session, args),
  },
  health: {
    usage: "health",
    about: "checks whether the store can be read and written",
    flags: {},
    words: [0, 0],
    prepare: () => health,
  },
  list: {
    usage: "list",
    about: "lists executions, newest first (--active, --status, --program, --limit)",
    flags: { ...STATUS_FLAGS, program: { value: "NAME" }, limit: { value: "N" } },
    words: [0, 0],
    prepare: list,
  },
  calls: {
    usage: "calls [ID]",
    about: "lists calls (--open, --kind, --program, --limit)",
    flags: { open: {}, kind: { value: "K" }, program: { value: "NAME" }, limit: { value: "N" } },
    words: [0, 1],
    prepare: calls,
  },
};

/** Reads and compiles the program of `run` and `load`. */
async function compileFile(args: ParsedArguments, out: OutputWriter): Promise<ProgramSource> {
  const file = args.words[0] ?? "";
  const name = textFlag(args, "name") ?? basename(file).replace(/\.[^.]*$/, "");
  const source = readSource(file);
  try {
    const { compile } = await import("../compiler-node.js");
    return { name, source, ...(await compile(name, source)) };
  } catch (error) {
    if (error instanceof RunstateError && error.code === "compile_error" && !out.json) out.remark(`${file}:`);
    throw error;
  }
}

/** The options of the flags of `run` and `start`. */
function startOptions(args: ParsedArguments) {
  const input = textFlag(args, "input");
  return {
    id: textFlag(args, "id"),
    input: input === undefined ? undefined : parseJson("--input", input),
    commandId: textFlag(args, "command-id"),
  };
}

async function startProgram(session: Session, program: string, options: ReturnType<typeof startOptions>) {
  const { id, commandId } = options;
  const remarkStart = (id: string) => session.out.remark(`execution ${id} of ${program}`);
  // The id is printed before the start, because the first wait may be far away. A user who is cut off needs the id to resume. With a command id the
  // engine derives the execution's id from it.
  const generatedId = id === undefined && commandId === undefined ? randomUUID() : undefined;
  if (generatedId !== undefined) {
    await session.rs.cvm.program(program);
    remarkStart(generatedId);
  }
  const run = await session.rs.cvm.start(program, { ...options, id: id ?? generatedId });
  if (generatedId === undefined) remarkStart(run.id);
  return run;
}

async function readAnswer(args: ParsedArguments): Promise<Json> {
  refuseConflict(args, ANSWER_FLAGS);
  const [typed, value, file] = [textFlag(args, "text"), textFlag(args, "json-value"), textFlag(args, "file")];
  if (typed !== undefined) return typed;
  if (value !== undefined) return parseJson("--json-value", value);
  if (file !== undefined) return readAnswerFile(file);
  throw usageError("the answer is missing: use --text, --json-value or --file");
}

async function health({ rs, out }: Session): Promise<number> {
  const error = await rs.health();
  if (error !== null) throw error;
  if (out.json) out.value({ url: rs.url, healthy: true });
  else out.line(`${rs.url} can be read and written`);
  return Exit.done;
}

async function variables({ rs, out }: Session, { words, flags }: ParsedArguments): Promise<number> {
  const run = await rs.cvm.run(words[0] ?? "");
  const frames = await run.variables({ name: words[1], full: flags["full"] === true });
  if (out.json) for (const frame of frames) out.value(frame);
  else for (const line of frames.flatMap((frame) => frameLines(frame, ""))) out.line(line);
  return Exit.done;
}

/** The lines of a frame and its variables. */
function frameLines({ function: name, line, variables }: FrameView, margin: string): string[] {
  const location = line > 0 ? ` (line ${line})` : "";
  const lines = variables.map((variable) => `${margin}  ${variable.name} = ${variable.text}`.replaceAll("\n", `\n${margin}  `));
  return [`${margin}${name}${location}`, ...lines];
}

async function show({ rs, out }: Session, { words, flags }: ParsedArguments): Promise<number> {
  const view = await (await rs.cvm.run(words[0] ?? "")).show({ full: flags["full"] === true });
  if (out.json) {
    out.value(executionToJson(view));
    return Exit.done;
  }
  const printRow = (name: string, value: string) => out.line(`${name.padEnd(13)}${value}`);
  printRow("execution", view.id);
  printRow("program", `${view.programName} (version ${view.programVersion})`);
  printRow("status", view.status);
  printRow("started", formatTime(view.started));
  if (view.completed !== null) printRow("ended", formatTime(view.completed));
  if (view.result !== null) printRow("result", formatValue(view.result));
  if (view.error !== null) printRow("error", `${view.error.name}: ${view.error.message} (line ${view.error.line})`);
  if (view.parentId !== undefined) printRow("parent", view.parentId);
  if (view.input !== undefined) printRow("input", formatValue(view.input));
  if (view.machine !== undefined) {
    const { pc, line, column } = view.machine;
    printRow("at", `${line > 0 ? `line ${line}, column ${column} ` : ""}(instruction ${pc})`);
  }
  printRow("instructions", String(view.metrics.instructionsExecuted));
  printRow("calls", String(view.metrics.ccCallsCount));
  printRow("state hash", view.stateHash ?? "");
  if (view.output.length > 0) out.line("output");
  for (const line of view.output) out.line(`  ${line}`);
  if (view.machine !== undefined) {
    const { stack, frames, cut } = view.machine;
    if (stack.length > 0) printRow("stack", stack.map(({ text }) => text).join(", "));
    out.line("variables");
    for (const line of frames.flatMap((frame) => frameLines(frame, "  "))) out.line(line);
    if (cut) out.line("  (values are shortened; --full shows them in full)");
  }
  for (const call of view.calls) printRow("call", `${call.callId} (${call.kind}, line ${call.line}) ${call.prompt}`.trimEnd());
  return Exit.done;
}

function list(args: ParsedArguments): VerbAction {
  refuseConflict(args, STATUS_FLAGS);
  const [limit, program] = [numberFlag(args, "limit"), textFlag(args, "program")];
  const status = textFlag(args, "status") as Status | undefined;
  return async ({ rs, out }) => {
    const executions = args.flags["active"]
      ? await readRows((page) => rs.cvm.active(page), limit, (summary) => program === undefined || summary.programName === program)
      : await readRows((page) => rs.cvm.list({ status, program, ...page }), limit);
    if (out.json) {
      for (const summary of executions) out.value(summaryToJson(summary));
    } else if (executions.length === 0) {
      out.remark("no executions");
    } else {
      const rows = executions.map((s) => [s.id, s.programName, s.status, formatTime(s.started), s.prompt ?? ""]);
      for (const line of formatTable(["ID", "PROGRAM", "STATUS", "STARTED", "QUESTION"], rows)) out.line(line);
    }
    return Exit.done;
  };
}

/** Reads rows of a list, page by page, up to `limit` that pass the filter. */
async function readRows<T>(
  readPage: (page: { limit: number; cursor: string | undefined }) => Promise<{ items: T[]; next?: string }>,
  limit = 100,
  accepts: (row: T) => boolean = () => true,
): Promise<T[]> {
  const rows: T[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await readPage({ limit: Math.min(limit, PAGE_ROWS), cursor });
    rows.push(...items.filter(accepts));
    if (next === undefined || rows.length >= limit) return rows.slice(0, limit);
    cursor = next;
  }
}

function calls(args: ParsedArguments): VerbAction {
  const execution = args.words[0];
  const filter = { execution, open: args.flags["open"] === true, kind: textFlag(args, "kind"), program: textFlag(args, "program") };
  const limit = numberFlag(args, "limit");
  return async ({ rs, out }) => {
    // An execution that does not exist is an error, not an empty list of calls.
    if (execution !== undefined) await rs.cvm.run(execution);
    const rows = await readRows((page) => rs.cvm.calls({ ...filter, ...page }), limit);
    if (out.json) {
      for (const call of rows) out.value(callToJson(call));
    } else if (rows.length === 0) {
      out.remark(filter.open ? "no open calls" : "no calls");
    } else {
      const cells = rows.map((c) => [c.id, c.executionId, c.kind, c.outcome ?? "open", c.prompt ?? formatValue(c.args ?? "")]);
      for (const line of formatTable(["ID", "EXECUTION", "KIND", "OUTCOME", "QUESTION"], cells)) out.line(line);
    }
    return Exit.done;
  };
}

/** Refuses flags that exclude each other. The message is that of the native command line. */
function refuseConflict({ flags }: ParsedArguments, exclusive: FlagSet): void {
  // The parsed flags are in the order of the command line.
  const [first, ...others] = Object.keys(flags).flatMap((name) => (exclusive[name] ? [flagUsage(name, exclusive[name])] : []));
  if (others.length === 0) return;
  const conflicts = others.length === 1 ? ` '${others[0]}'` : `:${others.map((usage) => `\n  ${usage}`).join("")}`;
  throw usageError(`the argument '${first}' cannot be used with${conflicts}`);
}

function textFlag({ flags }: ParsedArguments, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

/** The value of a flag that takes a limit or an ordinal. */
function numberFlag(args: ParsedArguments, name: string): number | undefined {
  const typed = textFlag(args, name);
  if (typed === undefined) return undefined;
  if (!/^\d+$/.test(typed)) throw usageError(`--${name} must be a number, not \`${typed}\``);
  const number = Number(typed);
  // The message is that of the native command line.
  if (number < 1 || number > MAX_UINT32) throw usageError(`invalid value '${typed}' for '--${name} <N>': ${number} is not in 1..=${MAX_UINT32}`);
  return number;
}

function parseJson(flag: string, typed: string): Json {
  try {
    return JSON.parse(typed) as Json;
  } catch (error) {
    throw usageError(`the value of ${flag} is not valid JSON: ${(error as Error).message}`);
  }
}
