// The execution that the page shows, read in one consistent view and updated with the changes of every tab.

import { effect, signal } from "@preact/signals";
import { RunstateError, type CallRow, type Execution, type Run, type Runstate } from "runstate/slim";

import { onChanges } from "../engine/changes";
import { explain, type Explanation } from "../engine/errors";
import { readPages } from "../engine/pages";
import { announce } from "../state/notices";
import { route } from "../state/route";
import { formatValue, statusLabel } from "../ui/format";

export type CurrentExecution =
  | { state: "none" }
  | { state: "loading"; id: string }
  | { state: "loaded"; id: string; execution: Execution; calls: CallRow[]; source: string | null }
  | { state: "missing"; id: string; explanation: Explanation };

export const currentExecution = signal<CurrentExecution>({ state: "none" });

/** The maximum number of calls in the timeline. */
const MAX_CALLS = 5_000;

/** The largest heap, in pages, whose state hash is shown without a request. For larger heaps the visitor requests it and waits. */
const MAX_HASHED_PAGES = 256;

/** Sources by start time and id: an execution never changes its version, but the id of a deleted execution may be used again. */
const sources = new Map<string, string>();

/** Follows the execution that the address names, while the page is open. */
export function followCurrentExecution(rs: Runstate): void {
  let reading: Promise<void> | null = null;
  let stale = false;

  async function readAll(): Promise<void> {
    do {
      stale = false;
      await readCurrent(rs, route.peek().id);
    } while (stale);
    reading = null;
  }

  function refresh(): void {
    stale = true;
    reading ??= readAll();
  }

  effect(() => {
    const { id } = route.value;
    const before = currentExecution.peek();
    if (id === "") currentExecution.value = { state: "none" };
    else if (before.state === "none" || before.id !== id) currentExecution.value = { state: "loading", id };
    refresh();
  });
  onChanges((changed) => {
    if (changed === null || changed.has(route.peek().id)) refresh();
  });
}

async function readCurrent(rs: Runstate, id: string): Promise<void> {
  if (id === "") return;
  let next: CurrentExecution;
  try {
    const run = await rs.cvm.run(id);
    const execution = await readExecution(run);
    const calls = await listCalls(rs, id);
    next = { state: "loaded", id, execution, calls, source: await readSource(run, execution.started) };
  } catch (error) {
    next = { state: "missing", id, explanation: explain(error) };
  }
  // The visitor may have navigated elsewhere in the meantime.
  if (route.peek().id !== id) return;
  const before = currentExecution.peek();
  currentExecution.value = next;
  announceChanges(before, next);
}

/** Reads an execution, with its state hash unless the heap is so large that hashing would block the page. */
async function readExecution(run: Run): Promise<Execution> {
  const before = currentExecution.peek();
  const withHash = before.state === "loaded" && before.id === run.id && before.execution.heapPages <= MAX_HASHED_PAGES;
  const execution = await run.show({ hash: withHash });
  return withHash || execution.heapPages > MAX_HASHED_PAGES ? execution : run.show();
}

/** Computes the state hash of an execution with a heap of any size, and the time of its last change. */
export async function readStateHash(rs: Runstate, id: string): Promise<{ hash: string; lastModified: number }> {
  const { stateHash = "", lastModified } = await (await rs.cvm.run(id)).show();
  return { hash: stateHash, lastModified };
}

/** Lists the calls of an execution in the order in which they were made. */
export function listCalls(rs: Runstate, execution: string): Promise<CallRow[]> {
  return readPages((options) => rs.cvm.calls({ execution, ...options }), MAX_CALLS);
}

async function readSource(run: Run, started: number): Promise<string | null> {
  const key = `${started} ${run.id}`;
  const cached = sources.get(key);
  if (cached !== undefined) return cached;
  try {
    const { source } = await run.program();
    sources.set(key, source);
    return source;
  } catch (error) {
    // The rest of the execution can be shown without its source.
    if (error instanceof RunstateError) return null;
    throw error;
  }
}

/** Announces new questions and a new status to screen readers. */
function announceChanges(before: CurrentExecution, next: CurrentExecution): void {
  if (next.state !== "loaded" || before.state !== "loaded" || before.id !== next.id) return;
  const { status, calls, result } = next.execution;
  const asked = calls.filter((call) => !before.execution.calls.some(({ callId }) => callId === call.callId));
  if (asked.length === 1) announce(`New question: ${asked[0]?.prompt ?? ""}`);
  else if (asked.length > 1) announce(`${asked.length} new questions.`);
  else if (status !== before.execution.status) {
    announce(status === "complete" ? `Complete. Result: ${formatValue(result)}` : `${statusLabel(status)}.`);
  }
}
