// The verbs of the command line. Each runs on an open store and returns the exit code.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";

import { RunstateError, usageError } from "../errors.js";
import type { Json } from "../json.js";
import type { FrameView, LoadedProgram, Status } from "../wire.js";
import { type Session, drive, reportExecution } from "./session.js";
import { Exit } from "./exit.js";
import { formatTime, formatValue, formatTable, executionToJson, callToJson, summaryToJson } from "./output.js";

/** The words after the verb, and the flags by name. */
export interface ParsedArguments {
  words: string[];
  flags: { [name: string]: string | boolean | undefined };
}

/** A verb: its arguments and its function. */
export interface Verb {
  /** Its usage line. */
  usage: string;
  /** Its description, in one line. */
  about: string;
  /** Its flags; those with `value` take one. */
  flags: { [name: string]: "value" | "switch" };
  /** The minimum and maximum number of words after the verb. */
  words: readonly [number, number];
  /** Whether it creates a store that does not exist. Read-only verbs do not. */
  createsStore?: boolean;
  run(session: Session, given: ParsedArguments): Promise<number>;
}

const START_FLAGS = { id: "value", input: "value", "command-id": "value" } as const;

/** The verbs by name. */
export const VERBS: { readonly [name: string]: Verb } = {
  run: {
    createsStore: true,
    usage: "run FILE",
    about: "loads and starts a program, asks you its questions, or reads the answers from a pipe, one per line",
    flags: { ...START_FLAGS, name: "value" },
    words: [1, 1],
    async run(session, given) {
      const { name } = await load(session, given);
      return drive(session, await startProgram(session, name, given));
    },
  },
  load: {
    createsStore: true,
    usage: "load FILE",
    about: "compiles a program and stores it under its name",
    flags: { name: "value", id: "value", "command-id": "value" },
    words: [1, 1],
    async run(session, given) {
      const loaded = await load(session, given, { id: textFlag(given, "id"), commandId: textFlag(given, "command-id") });
      if (session.out.json) session.out.value(loaded);
      else session.out.line(`${loaded.name} (version ${loaded.programVersion})`);
      if (!session.out.json) session.out.remark(`start it with: ${session.commandLine(`start ${loaded.name}`)}`);
      return Exit.done;
    },
  },
  start: {
    usage: "start PROGRAM",
    about: "starts a loaded program and runs it until it waits or ends",
    flags: START_FLAGS,
    words: [1, 1],
    async run(session, given) {
      return reportExecution(session, await startProgram(session, given.words[0] ?? "", given));
    },
  },
  resume: {
    usage: "resume ID",
    about: "continues an execution where it stopped",
    flags: { "command-id": "value" },
    words: [1, 1],
    async run(session, given) {
      const run = await session.rs.cvm.run(given.words[0] ?? "");
      return drive(session, await run.next({ commandId: textFlag(given, "command-id") }));
    },
  },
  answer: {
    usage: "answer ID --text TEXT",
    about: "answers a question and runs the execution until it waits or ends (or --json-value JSON, --file FILE)",
    flags: {
      text: "value", "json-value": "value", file: "value", call: "value", key: "value", occurrence: "value", by: "value",
      "command-id": "value",
    },
    words: [1, 1],
    async run(session, given) {
      const [call, key, by] = [textFlag(given, "call"), textFlag(given, "key"), textFlag(given, "by")];
      const options = { call, key, by, occurrence: numberFlag(given, "occurrence"), commandId: textFlag(given, "command-id") };
      const value = readAnswer(given);
      const run = await session.rs.cvm.run(given.words[0] ?? "");
      const { next } = await run.glance(Number.MAX_SAFE_INTEGER);
      await run.answer(value, options);
      return reportExecution(session, run, next);
    },
  },
  show: {
    usage: "show ID",
    about: "shows an execution (--full: the values of its variables in full)",
    flags: { full: "switch" },
    words: [1, 1],
    run: show,
  },
  variables: {
    usage: "variables ID [NAME]",
    about: "shows its variables by frame (--full: their values in full)",
    flags: { full: "switch" },
    words: [1, 2],
    run: variables,
  },
  health: {
    usage: "health",
    about: "checks whether the store can be read and written",
    flags: {},
    words: [0, 0],
    run: health,
  },
  list: {
    usage: "list",
    about: "lists executions, newest first (--active, --status, --program, --limit)",
    flags: { active: "switch", status: "value", program: "value", limit: "value" },
    words: [0, 0],
    run: list,
  },
  calls: {
    usage: "calls [ID]",
    about: "lists calls (--open, --kind, --program, --limit)",
    flags: { open: "switch", kind: "value", program: "value", limit: "value" },
    words: [0, 1],
    run: calls,
  },
};

async function load(session: Session, given: ParsedArguments, options: { id?: string; commandId?: string } = {}): Promise<LoadedProgram> {
  const file = given.words[0] ?? "";
  const name = textFlag(given, "name") ?? basename(file).replace(/\.[^.]*$/, "");
  const source = readText(file);
  try {
    return await session.rs.cvm.load({ name, source, id: options.id }, { commandId: options.commandId });
  } catch (error) {
    if (error instanceof RunstateError && error.code === "compile_error" && !session.out.json) session.out.remark(`${file}:`);
    throw error;
  }
}

async function startProgram(session: Session, program: string, given: ParsedArguments) {
  const typed = textFlag(given, "input");
  const input = typed === undefined ? undefined : parseJson("--input", typed);
  const [named, commandId] = [textFlag(given, "id"), textFlag(given, "command-id")];
  const remarkStart = (id: string) => session.out.remark(`execution ${id} of ${program}`);
  // The id is printed before the start: the first wait may be far away, and a user who is cut off needs the id to resume. With a command id the
  // engine derives the execution's id from it.
  const made = named === undefined && commandId === undefined ? randomUUID() : undefined;
  if (made !== undefined) {
    await session.rs.cvm.program(program);
    remarkStart(made);
  }
  const run = await session.rs.cvm.start(program, { id: named ?? made, input, commandId });
  if (made === undefined) remarkStart(run.id);
  return run;
}

function readAnswer(given: ParsedArguments): Json {
  const [typed, value, file] = [textFlag(given, "text"), textFlag(given, "json-value"), textFlag(given, "file")];
  if (typed !== undefined) return typed;
  if (value !== undefined) return parseJson("--json-value", value);
  if (file !== undefined) return readText(file);
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
  const place = line > 0 ? ` (line ${line})` : "";
  const lines = variables.map((variable) => `${margin}  ${variable.name} = ${variable.text}`.replaceAll("\n", `\n${margin}  `));
  return [`${margin}${name}${place}`, ...lines];
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

async function list({ rs, out }: Session, given: ParsedArguments): Promise<number> {
  const [limit, program] = [numberFlag(given, "limit"), textFlag(given, "program")];
  const status = textFlag(given, "status") as Status | undefined;
  const found = given.flags["active"]
    ? (await rs.cvm.active({ limit })).filter((summary) => program === undefined || summary.programName === program)
    : await rs.cvm.list({ status, program, limit });
  if (out.json) {
    for (const summary of found) out.value(summaryToJson(summary));
  } else if (found.length === 0) {
    out.remark("no executions");
  } else {
    const rows = found.map((s) => [s.id, s.programName, s.status, formatTime(s.started), s.prompt ?? ""]);
    for (const line of formatTable(["ID", "PROGRAM", "STATUS", "STARTED", "QUESTION"], rows)) out.line(line);
  }
  return Exit.done;
}

async function calls({ rs, out }: Session, given: ParsedArguments): Promise<number> {
  const execution = given.words[0];
  // An execution that does not exist is an error, not an empty list of calls.
  if (execution !== undefined) await rs.cvm.run(execution);
  const of = { execution, open: given.flags["open"] === true, kind: textFlag(given, "kind"), program: textFlag(given, "program") };
  const { rows } = await rs.cvm.calls({ ...of, limit: numberFlag(given, "limit") });
  if (out.json) {
    for (const call of rows) out.value(callToJson(call));
  } else if (rows.length === 0) {
    out.remark(of.open ? "no open calls" : "no calls");
  } else {
    const cells = rows.map((c) => [c.id, c.executionId, c.kind, c.outcome ?? "open", c.prompt ?? formatValue(c.args ?? "")]);
    for (const line of formatTable(["ID", "EXECUTION", "KIND", "OUTCOME", "QUESTION"], cells)) out.line(line);
  }
  return Exit.done;
}

function textFlag({ flags }: ParsedArguments, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

function numberFlag(given: ParsedArguments, name: string): number | undefined {
  const typed = textFlag(given, name);
  if (typed === undefined) return undefined;
  if (!/^\d+$/.test(typed)) throw usageError(`--${name} must be a number, not \`${typed}\``);
  return Number(typed);
}

function parseJson(flag: string, typed: string): Json {
  try {
    return JSON.parse(typed) as Json;
  } catch (error) {
    throw usageError(`the value of ${flag} is not valid JSON: ${(error as Error).message}`);
  }
}

function readText(file: string): string {
  try {
    // `fatal`: invalid UTF-8 must be an error, not silently replaced.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
  } catch (error) {
    throw new RunstateError({ code: "io", message: `${file} cannot be read: ${(error as Error).message}` });
  }
}
