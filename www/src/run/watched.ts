// The execution that is looked at, all of it as of one moment, kept in step with what every tab does.

import { effect, signal } from "@preact/signals";
import { RunstateError, type CallRow, type ExecutionView as Execution, type Run, type Runstate } from "runstate/slim";

import { onNews } from "../engine/changes";
import { explain, type Explanation } from "../engine/errors";
import { route } from "../state/route";
import { speak } from "../state/notices";
import { plain, statusWord } from "../ui/words";

export type Watched =
  | { state: "none" }
  | { state: "loading"; id: string }
  | { state: "there"; id: string; execution: Execution; calls: CallRow[]; source: string | null }
  | { state: "missing"; id: string; why: Explanation };

export const watched = signal<Watched>({ state: "none" });

/** Calls that are read at once. */
const PAGE = 1_000;

/** Most calls that the timeline shows. */
const MOST_CALLS = 5_000;

/** Pages of a heap up to which the state hash is shown unasked; beyond, whoever wants to see it waits for it. */
const LIGHT_PAGES = 256;

/** By execution, which keeps the version it began with; an id that is free again may be another's. */
const sources = new Map<string, string>();

/** Watches whatever the address names, as long as the page lives. */
export function watch(rs: Runstate): void {
  let reading: Promise<void> | null = null;
  let again = false;

  async function readAll(): Promise<void> {
    do {
      again = false;
      const at = route.peek();
      if (at.at === "execution") await read(rs, at.id);
    } while (again);
    reading = null;
  }

  function refresh(): void {
    again = true;
    reading ??= readAll();
  }

  effect(() => {
    const at = route.value;
    if (at.at !== "execution") {
      watched.value = { state: "none" };
      return;
    }
    const before = watched.peek();
    if (before.state === "none" || before.id !== at.id) watched.value = { state: "loading", id: at.id };
    refresh();
  });

  onNews((news) => {
    const at = route.peek();
    if (at.at === "execution" && (news.all || news.executions.has(at.id) || news.deleted.has(at.id))) refresh();
  });
}

async function read(rs: Runstate, id: string): Promise<void> {
  let next: Watched;
  try {
    const run = await rs.cvm.run(id);
    const execution = await shown(run);
    const calls = await callsOf(rs, id);
    const source = await sourceOf(run, execution.started);
    next = { state: "there", id, execution, calls, source };
  } catch (error) {
    next = { state: "missing", id, why: explain(error) };
  }
  const at = route.peek();
  // Somebody may have gone elsewhere meanwhile.
  if (at.at !== "execution" || at.id !== id) return;
  const before = watched.peek();
  watched.value = next;
  announce(before, next);
}

/** All of it; its state hash too, unless its heap is so large that the page would stand still for it. */
async function shown(run: Run): Promise<Execution> {
  const before = watched.peek();
  const light = before.state === "there" && before.id === run.id && before.execution.heapPages <= LIGHT_PAGES;
  const execution = await run.show({ hash: light });
  return light || execution.heapPages > LIGHT_PAGES ? execution : run.show();
}

/** The state hash of an execution, however large its heap is, and when that was last written. */
export async function hashed(rs: Runstate, id: string): Promise<{ hash: string; lastModified: number }> {
  const { stateHash = "", lastModified } = await (await rs.cvm.run(id)).show();
  return { hash: stateHash, lastModified };
}

/** The calls of an execution, in the order they were asked. */
export async function callsOf(rs: Runstate, execution: string): Promise<CallRow[]> {
  const all: CallRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await rs.cvm.calls({ execution, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    all.push(...page.rows);
    cursor = page.next;
  } while (cursor !== undefined && all.length < MOST_CALLS);
  return all;
}

async function sourceOf(run: Run, started: number): Promise<string | null> {
  const key = `${started} ${run.id}`;
  const known = sources.get(key);
  if (known !== undefined) return known;
  try {
    const { source } = await run.program();
    sources.set(key, source);
    return source;
  } catch (error) {
    // All else of the execution can be shown without it.
    if (error instanceof RunstateError) return null;
    throw error;
  }
}

/** Says what a person who does not see the page would miss. */
function announce(before: Watched, next: Watched): void {
  if (next.state !== "there" || before.state !== "there" || before.id !== next.id) return;
  const { status, calls, result } = next.execution;
  const asked = calls.filter((call) => !before.execution.calls.some(({ callId }) => callId === call.callId));
  if (asked.length === 1) speak(`It asks: ${asked[0]?.prompt ?? ""}`);
  else if (asked.length > 1) speak(`It asks ${asked.length} questions.`);
  else if (status !== before.execution.status) {
    speak(status === "complete" ? `Complete. Its result: ${plain(result)}` : `${statusWord(status)}.`);
  }
}
