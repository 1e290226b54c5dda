// The execution that the page shows, read in one consistent view and updated with the changes of every tab.

import { effect, signal } from "@preact/signals";
import { RunstateError, type CallView, type Execution, type Run, type Runstate } from "runstate/full";

import { changedIds, makeRefresh } from "./engine";
import { explain, hasCode, type Explanation } from "./notices";
import { route } from "./state";

export type CurrentExecution =
  | { state: "loading"; id: string }
  | { state: "loaded"; id: string; execution: Execution; calls: CallView[]; source: string | null }
  | { state: "missing"; id: string; explanation: Explanation };

export const currentExecution = signal<CurrentExecution>({ state: "loading", id: "" });

/** The largest page of calls that the engine returns. */
const PAGE_SIZE = 500;

/** Sources by start time and id: an execution never changes its version, but the id of a deleted execution may be used
 * again. */
const sources = new Map<string, string>();

export function followCurrentExecution(rs: Runstate): void {
  const refresh = makeRefresh(async () => {
    const { id } = route.peek();
    const next = id === "" ? null : await readExecution(rs, id);
    // The visitor may have navigated elsewhere in the meantime.
    if (next !== null && route.peek().id === id) currentExecution.value = next;
  });
  effect(() => {
    const { id } = route.value;
    if (currentExecution.peek().id !== id) currentExecution.value = { state: "loading", id };
    refresh();
  });
  effect(() => {
    if (changedIds.value?.has(route.peek().id) ?? true) refresh();
  });
}

async function readExecution(rs: Runstate, id: string): Promise<CurrentExecution> {
  try {
    const run = await rs.run(id);
    // Hashing a large heap would block the page, so the visitor requests the hash.
    const execution = await run.show({ hash: false });
    return { state: "loaded", id, execution, calls: await listCalls(rs, id), source: await readSource(run, execution.started) };
  } catch (error) {
    const explanation = { title: "This execution does not exist", text: `${id} was deleted, or it is in the store of another browser.` };
    return { state: "missing", id, explanation: hasCode(error, "not_found") ? explanation : explain(error) };
  }
}

/** Lists the calls of an execution in the order in which they were made. */
export async function listCalls(rs: Runstate, execution: string): Promise<CallView[]> {
  const calls: CallView[] = [];
  let cursor: string | undefined;
  do {
    const { items, next } = await rs.runs.calls({ execution, limit: PAGE_SIZE, ...(cursor === undefined ? {} : { cursor }) });
    calls.push(...items);
    cursor = next;
  } while (cursor !== undefined);
  return calls;
}

async function readSource(run: Run, started: number): Promise<string | null> {
  const key = `${started} ${run.id}`;
  try {
    const source = sources.get(key) ?? (await run.program()).source;
    sources.set(key, source);
    return source;
  } catch (error) {
    // The rest of the execution can be shown without its source.
    if (error instanceof RunstateError) return null;
    throw error;
  }
}
