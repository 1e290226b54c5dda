// The page of one execution: its calls in order, its output, its variables, and its program with the line that waits.

import type { CallView, FrameView, Json, ProgramError, Runstate, Status } from "runstate";

import { toolOf, waitsForConsent } from "./agent/tool-kind.ts";
import { isAnswerable } from "./answer-form.ts";
import type { Answering } from "./answering.ts";
import type { Editor, Page, PageSource } from "./editor.ts";
import { codeOf, messageOf } from "./errors.ts";
import { callText, oneLine, programText } from "./format.ts";
import type { Moment } from "./replay.ts";
import type { Store } from "./store.ts";
import { STATUSES } from "./tree/executions.ts";
import { compareTurns, readCalls } from "./turn-comparison.ts";

/** The kind of the page. */
export const RUN_PAGE = "runstate.run";

/** The largest number of calls and of output lines that the page shows, the newest ones. */
const CALLS = 200;
const LINES = 1000;

/** How long changes are collected before the page is drawn again, in milliseconds. */
const SETTLE_MS = 60;

/** The data that the page draws; `media/run-page.js` reads it. */
export interface RunPageData {
  id: string;
  program: string;
  version: number;
  status: string;
  statusText: string;
  started: number;
  completed: number | null;
  calls: PageCall[];
  omittedCalls: number;
  output: string[];
  omittedLines: number;
  source: string[];
  /** The lines that wait, or the line that failed; from 1. */
  lines: { line: number; text: string; kind: "waiting" | "error" }[];
  frames: { function: string; line: number; variables: { name: string; text: string }[] }[];
  result: string | null;
  error: string | null;
}

interface PageCall {
  id: string;
  step: number;
  kind: string;
  text: string;
  /** The arguments of a tool whose call awaits an approval, as JSON, and its line. */
  approval: { args: string | null; line: number } | null;
  requestedAt: number | null;
  /** Null while it is open. */
  outcome: string | null;
  answer: string | null;
  by: string | null;
  latencyMs: number | null;
  /** What the page offers the person to do with the call. */
  action: "answer" | "review" | "decide" | null;
}

/** Reads what the page draws. */
export async function readRunPage(rs: Runstate, id: string, mayAnswer: boolean): Promise<RunPageData> {
  const run = await rs.run(id);
  const [execution, { source }, calls] = await Promise.all([run.show({ hash: false, machine: true }), run.program(), readCalls(rs, id)]);
  const { programName, programVersion, status, started, completed, output, result, error, machine } = execution;
  return {
    id,
    program: programText(programName),
    version: programVersion,
    status,
    statusText: STATUSES[status as Status]?.text ?? status,
    started,
    completed,
    calls: calls.slice(-CALLS).map((call) => toPageCall(call, mayAnswer)),
    omittedCalls: Math.max(0, calls.length - CALLS),
    output: output.slice(-LINES),
    omittedLines: Math.max(0, output.length - LINES),
    source: source.split("\n"),
    lines: markedLines(calls, error),
    frames: (machine?.frames ?? []).map(toFrame),
    result: status === "complete" ? JSON.stringify(result, null, 2) : null,
    error: error === null ? null : `${error.name}: ${error.message}`,
  };
}

function toPageCall(call: CallView, mayAnswer: boolean): PageCall {
  const { id, kind, args, line, requestedAt, outcome, response, error } = call;
  const { result, by = null, latencyMs = null } = response ?? {};
  const answer = outcome === "failed" ? (error?.message ?? null) : formatAnswer(result);
  const tool = toolOf(kind) ?? kind;
  const approval = call.waitsFor === "approval" ? { args: args === null ? null : JSON.stringify(args, null, 2), line } : null;
  const text = approval === null ? callText(call) : tool;
  const offered = approval !== null ? "decide" : waitsForConsent(kind) ? "review" : isAnswerable(call) ? "answer" : null;
  const action = outcome === null && mayAnswer ? offered : null;
  return { id, step: call.step ?? 0, kind: tool, text, approval, requestedAt, outcome, answer, by, latencyMs, action };
}

function formatAnswer(result: Json | undefined): string | null {
  if (result === undefined) return null;
  return typeof result === "string" ? result : JSON.stringify(result);
}

function markedLines(calls: CallView[], error: ProgramError | null): RunPageData["lines"] {
  const waiting = calls.filter(({ outcome }) => outcome === null);
  const marked: RunPageData["lines"] = waiting.map(({ line, prompt, kind }) => ({ line, text: oneLine(prompt) || (toolOf(kind) ?? kind), kind: "waiting" }));
  if (error !== null) marked.push({ line: error.line, text: `${error.name}: ${error.message}`, kind: "error" });
  return marked;
}

function toFrame({ function: name, line, variables }: FrameView): RunPageData["frames"][number] {
  return { function: name, line, variables: variables.map(({ name: variable, text }) => ({ name: variable, text })) };
}

function isMoment(value: unknown): value is Moment {
  return value === "end" || (typeof value === "number" && Number.isInteger(value) && value > 0);
}

/** Keeps open pages up to date, and decides on calls from them. */
export class RunPages implements PageSource {
  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly answering: Answering,
    private readonly reviewEdit: (call: string) => void,
  ) {
    editor.pages(RUN_PAGE, this);
  }

  title(): string {
    return "Execution";
  }

  attach(id: string, page: Page): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const drawSoon = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void this.#draw(id, page);
      }, SETTLE_MS);
    };
    const unfollow = this.store.onExecutionChange((changed) => changed === id && drawSoon());
    this.editor.onTrusted(drawSoon);
    page.onClose(() => {
      clearTimeout(timer);
      unfollow();
    });
    page.onMessage((message) => void this.#handle(message, id, page));
  }

  async #handle(message: unknown, id: string, page: Page): Promise<void> {
    const { type, call, from, to } = message as { type?: unknown; call?: unknown; from?: unknown; to?: unknown };
    if (type === "ready") return this.#draw(id, page);
    if (type === "compare" && isMoment(from) && isMoment(to)) return this.#compare(id, from, to, page);
    if (typeof call !== "string" || !this.editor.isTrusted) return;
    if (type === "review") return this.reviewEdit(call);
    const decided = type === "approve" || type === "reject" ? this.answering.decide(call, type) : type === "answer" ? this.answering.answer(call) : undefined;
    await decided?.catch((error: unknown) => this.editor.fail(messageOf(error)));
  }

  async #compare(id: string, from: Moment, to: Moment, page: Page): Promise<void> {
    try {
      const rs = await this.store.open();
      page.send({ id, comparison: await compareTurns(rs, (now) => this.store.scratch(now), id, from, to) });
    } catch (error) {
      page.send({ id, comparison: { from, to, output: null, functions: [], note: messageOf(error) } });
    }
  }

  async #draw(id: string, page: Page): Promise<void> {
    try {
      const rs = await this.store.open();
      const data = await readRunPage(rs, id, this.editor.isTrusted);
      page.setTitle(`${data.program} — ${data.statusText}`);
      page.send(data);
    } catch (error) {
      page.send({ id, missing: codeOf(error) === "not_found" ? "This execution was deleted." : messageOf(error) });
    }
  }
}
