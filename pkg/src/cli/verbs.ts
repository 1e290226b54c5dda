// The verbs: each does one thing on an open store and says how the process ends.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";

import { RunstateError, usage } from "../errors.js";
import type { Json } from "../json.js";
import type { FrameView, LoadedProgram, Status } from "../wire.js";
import { type Session, drive, stands } from "./drive.js";
import { Exit } from "./exit.js";
import { moment, shown, table, told, toldCall, toldSummary } from "./out.js";

/** The words after the verb, and the flags by name. */
export interface Given {
  words: string[];
  flags: { [name: string]: string | boolean | undefined };
}

/** What a verb takes, and what it does. */
export interface Verb {
  /** How it is written. */
  usage: string;
  /** What it does, in a line. */
  about: string;
  /** Its flags; those with `value` take one. */
  flags: { [name: string]: "value" | "switch" };
  /** How many words it takes: at least, at most. */
  words: readonly [number, number];
  /** Whether it makes a store where there is none; what only looks does not. */
  makes?: boolean;
  run(session: Session, given: Given): Promise<number>;
}

const START = { id: "value", input: "value", "command-id": "value" } as const;

/** The verbs by name. */
export const VERBS: { readonly [name: string]: Verb } = {
  run: {
    makes: true,
    usage: "run FILE",
    about: "loads a program, starts it and asks you what it asks, or takes the answers from a pipe, a line each",
    flags: { ...START, name: "value" },
    words: [1, 1],
    async run(session, given) {
      const { name } = await load(session, given);
      return drive(session, await begin(session, name, given));
    },
  },
  load: {
    makes: true,
    usage: "load FILE",
    about: "compiles a program and keeps it under its name",
    flags: { name: "value", id: "value", "command-id": "value" },
    words: [1, 1],
    async run(session, given) {
      const loaded = await load(session, given, { id: text(given, "id"), commandId: text(given, "command-id") });
      if (session.out.json) session.out.value(loaded);
      else session.out.line(`${loaded.name} (version ${loaded.programVersion})`);
      if (!session.out.json) session.out.remark(`start it with: ${session.line(`start ${loaded.name}`)}`);
      return Exit.done;
    },
  },
  start: {
    usage: "start PROGRAM",
    about: "runs a loaded program to its first stop",
    flags: START,
    words: [1, 1],
    async run(session, given) {
      return stands(session, await begin(session, given.words[0] ?? "", given));
    },
  },
  resume: {
    usage: "resume ID",
    about: "goes on with an execution, from wherever it is",
    flags: { "command-id": "value" },
    words: [1, 1],
    async run(session, given) {
      const run = await session.rs.cvm.run(given.words[0] ?? "");
      return drive(session, await run.next({ commandId: text(given, "command-id") }));
    },
  },
  answer: {
    usage: "answer ID --text TEXT",
    about: "answers a question and runs on to the next stop (or --json-value JSON, --file FILE)",
    flags: {
      text: "value", "json-value": "value", file: "value", call: "value", key: "value", occurrence: "value", by: "value",
      "command-id": "value",
    },
    words: [1, 1],
    async run(session, given) {
      const [call, key, by] = [text(given, "call"), text(given, "key"), text(given, "by")];
      const options = { call, key, by, occurrence: number(given, "occurrence"), commandId: text(given, "command-id") };
      const value = answer(given);
      const run = await session.rs.cvm.run(given.words[0] ?? "");
      const { next } = await run.glance(Number.MAX_SAFE_INTEGER);
      await run.answer(value, options);
      return stands(session, run, next);
    },
  },
  show: {
    usage: "show ID",
    about: "shows all of an execution (--full: all that its variables hold)",
    flags: { full: "switch" },
    words: [1, 1],
    run: show,
  },
  variables: {
    usage: "variables ID [NAME]",
    about: "shows its variables, call by call (--full: all that they hold)",
    flags: { full: "switch" },
    words: [1, 2],
    run: variables,
  },
  health: {
    usage: "health",
    about: "says whether the store answers and can be written",
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
    about: "lists what was asked (--open, --kind, --program, --limit)",
    flags: { open: "switch", kind: "value", program: "value", limit: "value" },
    words: [0, 1],
    run: calls,
  },
};

async function load(session: Session, given: Given, named: { id?: string; commandId?: string } = {}): Promise<LoadedProgram> {
  const file = given.words[0] ?? "";
  const name = text(given, "name") ?? basename(file).replace(/\.[^.]*$/, "");
  const source = read(file);
  try {
    return await session.rs.cvm.load({ name, source, id: named.id }, { commandId: named.commandId });
  } catch (error) {
    if (error instanceof RunstateError && error.code === "compile_error" && !session.out.json) session.out.remark(`${file}:`);
    throw error;
  }
}

async function begin(session: Session, program: string, given: Given) {
  const typed = text(given, "input");
  const input = typed === undefined ? undefined : json("--input", typed);
  const [named, commandId] = [text(given, "id"), text(given, "command-id")];
  const started = (id: string) => session.out.remark(`execution ${id} of ${program}`);
  // Its first stop may be far away: whoever is cut off before that knows what to resume. Under a command's id its own follows from that.
  const made = named === undefined && commandId === undefined ? randomUUID() : undefined;
  if (made !== undefined) {
    await session.rs.cvm.program(program);
    started(made);
  }
  const run = await session.rs.cvm.start(program, { id: named ?? made, input, commandId });
  if (made === undefined) started(run.id);
  return run;
}

function answer(given: Given): Json {
  const [typed, value, file] = [text(given, "text"), text(given, "json-value"), text(given, "file")];
  if (typed !== undefined) return typed;
  if (value !== undefined) return json("--json-value", value);
  if (file !== undefined) return read(file);
  throw usage("an answer is missing: give --text, --json-value or --file");
}

async function health({ rs, out }: Session): Promise<number> {
  const why = await rs.health();
  if (why !== null) throw why;
  if (out.json) out.value({ url: rs.url, healthy: true });
  else out.line(`${rs.url} answers and can be written`);
  return Exit.done;
}

async function variables({ rs, out }: Session, { words, flags }: Given): Promise<number> {
  const run = await rs.cvm.run(words[0] ?? "");
  const frames = await run.variables({ name: words[1], full: flags["full"] === true });
  if (out.json) for (const frame of frames) out.value(frame);
  else for (const line of frames.flatMap((frame) => frameLines(frame, ""))) out.line(line);
  return Exit.done;
}

/** A call and its variables. */
function frameLines({ function: name, line, variables }: FrameView, margin: string): string[] {
  const place = line > 0 ? ` (line ${line})` : "";
  const lines = variables.map((variable) => `${margin}  ${variable.name} = ${variable.text}`.replaceAll("\n", `\n${margin}  `));
  return [`${margin}${name}${place}`, ...lines];
}

async function show({ rs, out }: Session, { words, flags }: Given): Promise<number> {
  const view = await (await rs.cvm.run(words[0] ?? "")).show({ full: flags["full"] === true });
  if (out.json) {
    out.value(told(view));
    return Exit.done;
  }
  const fact = (name: string, value: string) => out.line(`${name.padEnd(13)}${value}`);
  fact("execution", view.id);
  fact("program", `${view.programName} (version ${view.programVersion})`);
  fact("status", view.status);
  fact("started", moment(view.started));
  if (view.completed !== null) fact("ended", moment(view.completed));
  if (view.result !== null) fact("result", shown(view.result));
  if (view.error !== null) fact("error", `${view.error.name}: ${view.error.message} (line ${view.error.line})`);
  if (view.parentId !== undefined) fact("parent", view.parentId);
  if (view.input !== undefined) fact("input", shown(view.input));
  if (view.machine !== undefined) {
    const { pc, line, column } = view.machine;
    fact("at", `${line > 0 ? `line ${line}, column ${column} ` : ""}(instruction ${pc})`);
  }
  fact("instructions", String(view.metrics.instructionsExecuted));
  fact("calls", String(view.metrics.ccCallsCount));
  fact("state hash", view.stateHash ?? "");
  if (view.output.length > 0) out.line("output");
  for (const line of view.output) out.line(`  ${line}`);
  if (view.machine !== undefined) {
    const { stack, frames, cut } = view.machine;
    if (stack.length > 0) fact("stack", stack.map(({ text }) => text).join(", "));
    out.line("variables");
    for (const line of frames.flatMap((frame) => frameLines(frame, "  "))) out.line(line);
    if (cut) out.line("  (not everything is shown; --full shows it)");
  }
  for (const call of view.calls) fact("call", `${call.callId} (${call.kind}, line ${call.line}) ${call.prompt}`.trimEnd());
  return Exit.done;
}

async function list({ rs, out }: Session, given: Given): Promise<number> {
  const [limit, program] = [number(given, "limit"), text(given, "program")];
  const status = text(given, "status") as Status | undefined;
  const found = given.flags["active"]
    ? (await rs.cvm.active({ limit })).filter((summary) => program === undefined || summary.programName === program)
    : await rs.cvm.list({ status, program, limit });
  if (out.json) {
    for (const summary of found) out.value(toldSummary(summary));
  } else if (found.length === 0) {
    out.remark("no executions");
  } else {
    const rows = found.map((s) => [s.id, s.programName, s.status, moment(s.started), s.prompt ?? ""]);
    for (const line of table(["ID", "PROGRAM", "STATUS", "STARTED", "QUESTION"], rows)) out.line(line);
  }
  return Exit.done;
}

async function calls({ rs, out }: Session, given: Given): Promise<number> {
  const execution = given.words[0];
  // Of an execution that is not there nothing was asked; that is not what is wrong.
  if (execution !== undefined) await rs.cvm.run(execution);
  const of = { execution, open: given.flags["open"] === true, kind: text(given, "kind"), program: text(given, "program") };
  const { rows } = await rs.cvm.calls({ ...of, limit: number(given, "limit") });
  if (out.json) {
    for (const call of rows) out.value(toldCall(call));
  } else if (rows.length === 0) {
    out.remark(of.open ? "no open calls" : "no calls");
  } else {
    const cells = rows.map((c) => [c.id, c.executionId, c.kind, c.outcome ?? "open", c.prompt ?? shown(c.args ?? "")]);
    for (const line of table(["ID", "EXECUTION", "KIND", "OUTCOME", "QUESTION"], cells)) out.line(line);
  }
  return Exit.done;
}

function text({ flags }: Given, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

function number(given: Given, name: string): number | undefined {
  const typed = text(given, name);
  if (typed === undefined) return undefined;
  if (!/^\d+$/.test(typed)) throw usage(`--${name} is a number, not \`${typed}\``);
  return Number(typed);
}

function json(flag: string, typed: string): Json {
  try {
    return JSON.parse(typed) as Json;
  } catch (error) {
    throw usage(`${flag} is no JSON: ${(error as Error).message}`);
  }
}

function read(file: string): string {
  try {
    // What is no text must not become another one.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
  } catch (error) {
    throw new RunstateError({ code: "io", message: `${file} cannot be read: ${(error as Error).message}` });
  }
}
