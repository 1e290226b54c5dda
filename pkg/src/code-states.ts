// The states of the runs of scripts, as callers see them.

import type { Json } from "./json.js";
import type { CallView, Diagnostic, ExecutionProgress, ProgramError, Status } from "./wire.js";

/** The state of a run. */
export type CodeResult = {
  /** Of `code.run`: what may mean something else than it seems to, each with its line. Of a complete run: the calls that
   * had no answer when the script returned. */
  warnings?: string[];
} & (
  /** It has ended. `output` are the lines that it printed, `calls` the number of its calls. */
  | { status: "complete"; run: string; result: Json; output: string[]; calls: number }
  /** It waits for these calls. With `running` it computes, and continues by itself. Without both it was paused. */
  | { status: "waiting"; run: string; pending: PendingCall[]; running?: true; output: string[]; calls: number }
  /** It has failed, or was cancelled. A script that does not compile has no run. */
  | { status: "failed"; run: string | null; error: CodeError; output: string[]; calls: number }
);

/** Why a run failed. */
export interface CodeError {
  /** `compile`: the script was refused and nothing ran. `limit`: a limit was reached. `error`: it threw an error.
   * `cancelled`: it was cancelled. */
  kind: "compile" | "limit" | "error" | "cancelled";
  name: string;
  message: string;
  /** The line of the script, from 1. */
  line?: number;
  column?: number;
  /** What would work. */
  hint?: string;
  /** All complaints about the script. */
  diagnostics?: (Diagnostic | TypeDiagnostic)[];
}

/** A complaint about the types of a script: an argument that a tool does not take, or a member that its result does not
 * have. */
export interface TypeDiagnostic extends Omit<Diagnostic, "kind"> {
  kind: "type";
}

/** A script whose types are checked. */
export interface CheckedScript {
  id: number;
  script: string;
  /** The declaration of `tools`. */
  declarations: string;
}

/** A call that a run waits for. */
export interface PendingCall {
  /** The id of the call. */
  id: string;
  /** The id of the run. */
  run: string;
  /** `approval`: {@link Code.approve} or {@link Code.reject}. `question`: {@link Code.answer}. `tool`: a process that runs
   * the tool. `timer`: the time. */
  kind: "approval" | "question" | "tool" | "timer";
  /** The tool, as `pay.refund`. */
  name: string;
  /** The arguments; of a question, the text. */
  args: Json;
  /** What budgets lack for its cost, if that awaits the approval: `needs 2 USD more in the daily budget of money`. */
  needs?: string;
  /** The answers of a question that are allowed, and their schema. */
  choices?: Json[];
  schema?: Json;
  /** The line of the script, from 1. */
  line: number;
  /** When the call was made, in milliseconds since 1970. */
  since: number;
  /** Its deadline. */
  until?: number;
}

/** A call by its ids. */
export type PendingCallId = Pick<PendingCall, "run" | "id">;

/** The statuses of a run that has ended. */
export const ENDED: ReadonlySet<Status> = new Set<Status>(["complete", "error", "cancelled"]);

/** Whether a run waits for nothing but people. Calls in the queue follow when a person has decided on an earlier one. */
export function waitsForPeople(pending: readonly CallView[]): boolean {
  const first = pending.filter(({ waitsFor }) => waitsFor !== "queue");
  return first.length > 0 && first.every(({ waitsFor }) => waitsFor === "approval" || waitsFor === "person");
}

const KIND = { approval: "approval", person: "question", worker: "tool", queue: "tool", time: "timer" } as const;

export function pendingCall(call: CallView): PendingCall {
  const { id, executionId: run, kind, waitsFor = "worker", choices, schema, line, requestedAt, deadline, refusal: refused, shortfall = [] } = call;
  return {
    id, run, kind: kind === "cc" && waitsFor !== "approval" ? "question" : KIND[waitsFor], name: kind, args: kind === "cc" ? call.prompt : call.args,
    ...(shortfall.length > 0 && refused !== null && { needs: refused.message }),
    ...(choices !== null && { choices }), ...(schema !== null && { schema }),
    line, since: requestedAt ?? 0, ...(deadline !== null && { until: deadline }),
  };
}

/** The state of a run without its output. */
export function stateOf(run: string, { status, result, error, callsMade: calls }: ExecutionProgress, pending: CallView[] | null): CodeResult {
  const base = { run, calls, output: [] };
  if (pending !== null) return { status: "waiting", ...base, pending: pending.map(pendingCall), ...(status === "running" && { running: true }) };
  return status === "complete" ? { status, ...base, result } : { status: "failed", ...base, error: errorOf(error) };
}

/** The calls of a complete script that had no answer when it returned, in words. Timers are left out. */
export function unansweredCalls(calls: readonly CallView[]): string[] {
  const cancelled = calls.filter(({ outcome, kind }) => outcome === "cancelled" && kind !== "timer").sort((a, b) => (a.step ?? 0) - (b.step ?? 0));
  if (cancelled.length === 0) return [];
  const names = new Set(cancelled.map(({ kind, line }) => `${kind === "cc" ? "ask" : kind} (line ${line})`));
  const [noun, verb] = cancelled.length === 1 ? ["call", "was"] : ["calls", "were"];
  return [`${cancelled.length} ${noun} had no answer when the script returned, and ${verb} cancelled: ${[...names].join(", ")}`];
}

function errorOf(error: ProgramError | null): CodeError {
  if (error === null) return { kind: "cancelled", name: "CancelledError", message: "the run was cancelled" };
  const { name, message, line, column, limit } = error;
  return { kind: limit ? "limit" : "error", name, message, line, column };
}

/** The state of a script that was refused. `error`: why, if there are no diagnostics. */
export function refusal(error: { name: string; message: string }, diagnostics: (Diagnostic | TypeDiagnostic)[]): CodeResult {
  const [first] = diagnostics;
  const place = first !== undefined && { message: first.message, line: first.line, column: first.column, ...(first.hint && { hint: first.hint }) };
  return { status: "failed", run: null, output: [], calls: 0, error: { kind: "compile", ...error, ...place, diagnostics } };
}
