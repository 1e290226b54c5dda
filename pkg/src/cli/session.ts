// Drives an execution: prints its output, has its questions answered, and reports its final status.

import { setTimeout as pause } from "node:timers/promises";

import { RunstateError } from "../errors.js";
import type { Json } from "../json.js";
import type { Run } from "../run.js";
import type { Runstate } from "../runstate.js";
import type { Execution, OpenCall, ExecutionProgress } from "../wire.js";
import { PipedAnswers, ask, parseAnswer, formatQuestion } from "./prompt.js";
import { exitCodeOfStatus } from "./exit.js";
import { type OutputWriter, formatTime, formatValue, executionToJson } from "./output.js";

/** The longest time between two polls for changes of other processes, in milliseconds. */
const POLL_MS = 500;

/** The context of a command: an open store and the output. */
export interface Session {
  rs: Runstate;
  out: OutputWriter;
  /** A command line that uses the same store. */
  commandLine(words: string): string;
}

/** Drives an execution until it ends or a question is not answered. Returns the exit code. */
export async function drive(session: Session, run: Run): Promise<number> {
  const pipe = new PipedAnswers();
  try {
    return await runLoop(session, run, pipe);
  } finally {
    pipe.close();
  }
}

async function runLoop(session: Session, run: Run, pipe: PipedAnswers): Promise<number> {
  const { rs, out } = session;
  for (let from = 0; ; ) {
    const progress = await run.progress(from);
    if (!out.json) for (const line of progress.lines) out.line(line);
    from = progress.next;
    if (progress.more) continue;
    if (progress.status !== "waiting_cc" && progress.status !== "running") break;
    const question = progress.calls.find((call) => call.kind === "cc" && !isClaimed(call));
    if (question !== undefined) {
      if (!(await answerCall(session, run, question, pipe))) break;
    } else if (progress.status === "waiting_cc" && progress.calls.some((call) => call.kind !== "timer" && !isClaimed(call))) {
      break;
    } else {
      await pause(Math.max(0, Math.min(POLL_MS, firstDeadline(progress) - Date.now())));
      await rs.due.run();
    }
  }
  return report(session, await run.show({ machine: false }));
}

/** Reports the status of an execution after a command. Lines before `from` were printed earlier. */
export async function reportExecution(session: Session, run: Run, from = 0): Promise<number> {
  const { out } = session;
  for (let at = from, more = !out.json; more; ) {
    const progress = await run.progress(at);
    for (const line of progress.lines) out.line(line);
    ({ next: at, more } = progress);
  }
  const view = await run.show({ machine: false });
  const open = findQuestion(view);
  if (open !== undefined) out.writePrompt(formatQuestion(open));
  return report(session, view);
}

/** Has a question answered. Returns false if there is no answer. */
async function answerCall({ rs, out }: Session, run: Run, call: OpenCall, pipe: PipedAnswers): Promise<boolean> {
  out.writePrompt(formatQuestion(call));
  const parsed = process.stdin.isTTY ? await ask(call, out) : await readPipedAnswer(call, pipe, out);
  if (parsed === null) return false;
  if (parsed === "late") {
    out.remark("\nthe deadline of the question has passed; continuing");
    await rs.due.run();
    return true;
  }
  await submitAnswer(run, call, parsed.answer, out);
  return true;
}

/** Reads the next answer of a pipe. An invalid answer is an error: a pipe cannot be asked again. */
async function readPipedAnswer(call: OpenCall, pipe: PipedAnswers, out: OutputWriter): Promise<{ answer: Json } | "late" | null> {
  const line = await pipe.next(call);
  if (line === null || line === "late") return line;
  const parsed = parseAnswer(call, line.typed);
  if ("wrong" in parsed) throw invalidAnswerError(call, parsed.wrong);
  out.writePrompt(`> ${formatValue(parsed.answer)}\n`);
  return parsed;
}

function invalidAnswerError(call: OpenCall, why: string): RunstateError {
  return new RunstateError({ code: "invalid_answer", message: `the answer to \`${call.prompt}\` is invalid: ${why}` });
}

async function submitAnswer(run: Run, call: OpenCall, answer: Json, out: OutputWriter): Promise<void> {
  try {
    await run.answer(answer, { call: call.callId });
  } catch (error) {
    const code = error instanceof RunstateError ? error.code : undefined;
    if (code === "already_answered") out.remark("the question was already answered elsewhere; continuing");
    else if (code === "deadline_passed") out.remark("the answer was too late: the deadline of the question has passed; continuing");
    else if (code === "invalid_answer" && !process.stdin.isTTY) throw invalidAnswerError(call, (error as Error).message);
    else if (code === "invalid_answer") out.writePrompt(`${(error as Error).message}\n`);
    else throw error;
  }
}

function report(session: Session, view: Execution): number {
  const { out } = session;
  if (out.json) {
    out.value(executionToJson(view));
  } else {
    if (view.status === "complete" && view.result !== null) out.line(`= ${formatValue(view.result)}`);
    remarkStatus(session, view);
  }
  return exitCodeOfStatus(view.status);
}

function remarkStatus(session: Session, view: Execution): void {
  const { out } = session;
  if (view.error !== null) {
    const { line, column, name, message, stack } = view.error;
    out.remark(`${view.id} failed at line ${line}, column ${column}: ${name}: ${message}`);
    for (const frame of stack) out.remark(`  ${frame}`);
  } else if (view.status === "waiting_cc") {
    out.remark(describeWait(session, view));
  } else {
    out.remark(`${view.id} is ${view.status}`);
  }
}

function describeWait({ commandLine }: Session, view: Execution): string {
  const resume = `Continue with: ${commandLine(`resume ${view.id}`)}`;
  const open = findQuestion(view);
  if (open !== undefined) {
    const callFlag = view.calls.length > 1 ? ` --call ${open.callId}` : "";
    return `${view.id} waits for an answer. ${resume}\n  or answer it with: ${commandLine(`answer ${view.id}${callFlag} --text …`)}`;
  }
  const tool = view.calls.find((call) => call.kind !== "timer");
  if (tool !== undefined) return `${view.id} waits for a worker that serves ${tool.kind}`;
  const deadlines = view.calls.flatMap((call) => call.deadline ?? []);
  return deadlines.length > 0 ? `${view.id} sleeps until ${formatTime(Math.min(...deadlines))}. ${resume}` : `${view.id} waits. ${resume}`;
}

function findQuestion(view: Execution): OpenCall | undefined {
  return view.status === "waiting_cc" ? view.calls.find((call) => call.kind === "cc") : undefined;
}

function isClaimed(call: OpenCall): boolean {
  return call.owner !== null && (call.leaseUntil ?? 0) > Date.now();
}

/** The earliest deadline of the open calls, in milliseconds since 1970; Infinity if none has one. */
function firstDeadline(progress: ExecutionProgress): number {
  return Math.min(Infinity, ...progress.calls.flatMap((call) => call.deadline ?? []));
}
