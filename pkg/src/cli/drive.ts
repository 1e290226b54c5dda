// Driving an execution: show what it printed, have what it asks answered, go on; and telling where it stands in the end.

import { setTimeout as pause } from "node:timers/promises";

import { RunstateError } from "../errors.js";
import type { Json } from "../json.js";
import type { Run } from "../run.js";
import type { Runstate } from "../runstate.js";
import type { Execution, OpenCall, Seen } from "../wire.js";
import { Pipe, ask, meant, question } from "./ask.js";
import { exitAt } from "./exit.js";
import { type Out, moment, shown, told } from "./out.js";

/** The longest wait for what others do, in milliseconds. */
const LOOK_MS = 500;

/** Where commands run: an open store, and who is told. */
export interface Session {
  rs: Runstate;
  out: Out;
  /** A command line that goes on in the same store. */
  line(words: string): string;
}

/** Drives to the end, or until nobody answers; the exit code. */
export async function drive(session: Session, run: Run): Promise<number> {
  const pipe = new Pipe();
  try {
    return await driven(session, run, pipe);
  } finally {
    pipe.close();
  }
}

async function driven(session: Session, run: Run, pipe: Pipe): Promise<number> {
  const { rs, out } = session;
  for (let from = 0; ; ) {
    const seen = await run.glance(from);
    if (!out.json) for (const line of seen.lines) out.line(line);
    from = seen.next;
    if (seen.more) continue;
    if (seen.status !== "waiting_cc" && seen.status !== "running") break;
    const asked = seen.calls.find((call) => call.kind === "cc" && !isHeld(call));
    if (asked !== undefined) {
      if (!(await answered(session, run, asked, pipe))) break;
    } else if (seen.status === "waiting_cc" && seen.calls.some((call) => call.kind !== "timer" && !isHeld(call))) {
      break;
    } else {
      await pause(Math.max(0, Math.min(LOOK_MS, until(seen) - Date.now())));
      await rs.cvm.runDue();
    }
  }
  return tell(session, await run.show({ machine: false }));
}

/** Tells how an execution stands after a command; what it printed before `from` was shown. */
export async function stands(session: Session, run: Run, from = 0): Promise<number> {
  const { out } = session;
  for (let at = from, more = !out.json; more; ) {
    const seen = await run.glance(at);
    for (const line of seen.lines) out.line(line);
    ({ next: at, more } = seen);
  }
  const view = await run.show({ machine: false });
  const open = asks(view);
  if (open !== undefined) out.converse(question(open));
  return tell(session, view);
}

/** Whether somebody answered. */
async function answered({ rs, out }: Session, run: Run, call: OpenCall, pipe: Pipe): Promise<boolean> {
  out.converse(question(call));
  const said = process.stdin.isTTY ? await ask(call, out) : await piped(call, pipe, out);
  if (said === null) return false;
  if (said === "late") {
    out.remark("\nthe time for an answer is over; going on");
    await rs.cvm.runDue();
    return true;
  }
  await give(run, call, said.answer, out);
  return true;
}

/** The next answer of a pipe. One that is none of the choices is an error: nobody there can be asked again. */
async function piped(call: OpenCall, pipe: Pipe, out: Out): Promise<{ answer: Json } | "late" | null> {
  const line = await pipe.next(call);
  if (line === null || line === "late") return line;
  const said = meant(call, line.typed);
  if ("wrong" in said) throw refusal(call, said.wrong);
  out.converse(`> ${shown(said.answer)}\n`);
  return said;
}

function refusal(call: OpenCall, why: string): RunstateError {
  return new RunstateError({ code: "invalid_answer", message: `the question was \`${call.prompt}\`: ${why}` });
}

async function give(run: Run, call: OpenCall, answer: Json, out: Out): Promise<void> {
  try {
    await run.answer(answer, { call: call.callId });
  } catch (error) {
    const code = error instanceof RunstateError ? error.code : undefined;
    if (code === "already_answered") out.remark("somebody else answered that question meanwhile; going on");
    else if (code === "deadline_passed") out.remark("that answer came too late: the time for it was over; going on");
    else if (code === "invalid_answer" && !process.stdin.isTTY) throw refusal(call, (error as Error).message);
    else if (code === "invalid_answer") out.converse(`${(error as Error).message}\n`);
    else throw error;
  }
}

function tell(session: Session, view: Execution): number {
  const { out } = session;
  if (out.json) {
    out.value(told(view));
  } else {
    if (view.status === "complete" && view.result !== null) out.line(`= ${shown(view.result)}`);
    remark(session, view);
  }
  return exitAt(view.status);
}

function remark(session: Session, view: Execution): void {
  const { out } = session;
  if (view.error !== null) {
    const { line, column, name, message, stack } = view.error;
    out.remark(`${view.id} failed at line ${line}, column ${column}: ${name}: ${message}`);
    for (const frame of stack) out.remark(`  ${frame}`);
  } else if (view.status === "waiting_cc") {
    out.remark(waiting(session, view));
  } else {
    out.remark(`${view.id} is ${view.status}`);
  }
}

function waiting({ line }: Session, view: Execution): string {
  const goOn = `Go on with: ${line(`resume ${view.id}`)}`;
  const open = asks(view);
  if (open !== undefined) {
    const named = view.calls.length > 1 ? ` --call ${open.callId}` : "";
    return `${view.id} waits for an answer. ${goOn}\n  or answer it with: ${line(`answer ${view.id}${named} --text …`)}`;
  }
  const tool = view.calls.find((call) => call.kind !== "timer");
  if (tool !== undefined) return `${view.id} waits for a worker that serves ${tool.kind}`;
  const deadlines = view.calls.flatMap((call) => call.deadline ?? []);
  return deadlines.length > 0 ? `${view.id} sleeps until ${moment(Math.min(...deadlines))}. ${goOn}` : `${view.id} waits. ${goOn}`;
}

function asks(view: Execution): OpenCall | undefined {
  return view.status === "waiting_cc" ? view.calls.find((call) => call.kind === "cc") : undefined;
}

function isHeld(call: OpenCall): boolean {
  return call.owner !== null && (call.leaseUntil ?? 0) > Date.now();
}

/** When the first of the open calls ends by itself. */
function until(seen: Seen): number {
  return Math.min(Infinity, ...seen.calls.flatMap((call) => call.deadline ?? []));
}
