// The calls of all executions that wait for people: `rs.questions()` and the approvals of `rs.code`.

import type { Engine } from "./engine.js";
import { isRefused } from "./errors.js";
import type { Watch } from "./follower.js";
import { isClaimed } from "./question.js";
import { interruptible } from "./stream.js";
import type { CallView } from "./wire.js";

/** The calls that an inbox has. */
export interface InboxFilter {
  /** Kinds of calls: `cc`, the names of tools. Default: all. */
  kinds?: readonly string[] | undefined;
  /** The name of a program. Default: all programs. */
  program?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The most calls that a page has. */
const PAGE = 1_000;

/**
 * Iterates over the calls that wait for a person or an approval: those that are open, the oldest first, then those that
 * come, each once. `accept` makes an item of a call; null leaves the call out. Each call is read right before that, so
 * one that was decided elsewhere meanwhile is left out. So is one that a worker has claimed, as long as it has.
 *
 * It ends when the signal aborts, or the store is closed.
 */
export function followInbox<T>(engine: Engine, filter: InboxFilter, accept: (call: CallView) => Promise<T | null>): AsyncGenerator<T, void, void> {
  const watch = engine.follower.watch(undefined, filter.signal);
  return interruptible(follow(engine, watch, filter, accept), () => watch.close());
}

async function* follow<T>(engine: Engine, watch: Watch, filter: InboxFilter, accept: (call: CallView) => Promise<T | null>): AsyncGenerator<T, void, void> {
  const { kinds, program, signal } = filter;
  /** What the calls that were yielded wait for. An approved question waits again, and a call that needs more too. */
  const yielded = new Map<string, string>();
  /** The ends of the leases of claimed questions: nothing is committed then. */
  const claimed = new Map<string, number>();
  let isOpen = false;
  try {
    await watch.open();
    isOpen = true;
    for (let ids: ReadonlyMap<string, string | undefined> | null = null; ; ) {
      ids ??= new Map([...[...yielded.keys()].map((id) => [id, undefined] as const), ...(await listOpenCalls(engine, filter))]);
      for (const [id, execution] of ids) {
        const call = await readCall(engine, id, signal);
        claimed.delete(id);
        if (call === null) watch.awaitExecution(id, execution);
        if (call === null || !isForPeople(call)) {
          yielded.delete(id);
          continue;
        }
        const isWanted = (kinds?.includes(call.kind) ?? true) && (program === undefined || call.programName === program);
        if (!isWanted || yielded.get(id) === subjectOf(call)) continue;
        if (isClaimed(call, engine.now())) {
          claimed.set(id, call.claim.until);
          continue;
        }
        const item = await accept(call);
        if (item === null) {
          watch.awaitExecution(id, call.executionId);
          continue;
        }
        yielded.set(id, subjectOf(call));
        yield item;
      }
      do {
        if ((await watch.wait()) === "closed") return;
        const now = engine.now();
        const unclaimed = [...claimed].filter(([, until]) => until <= now).map(([id]) => [id, undefined] as const);
        const changed = watch.takeCalls();
        ids = changed === null ? null : new Map([...changed, ...unclaimed]);
      } while (ids?.size === 0);
    }
  } catch (error) {
    if (signal?.aborted !== true && !(isOpen && isRefused(error, "closed"))) throw error;
  } finally {
    watch.close();
  }
}

function isForPeople(call: CallView): call is CallView & { waitsFor: "approval" | "person" } {
  return call.waitsFor === "approval" || call.waitsFor === "person";
}

/** What a person decides on: an answer, an approval, or one of these amounts. */
function subjectOf({ waitsFor, shortfall = [] }: CallView & { waitsFor: string }): string {
  return [waitsFor, ...shortfall.map(({ budget, amount, unit }) => `${amount} ${unit} ${budget}`)].join(", ");
}

/** The open calls that may wait for people, the oldest first, with their executions. */
async function listOpenCalls(engine: Engine, { kinds, program, signal }: InboxFilter): Promise<(readonly [string, string])[]> {
  const calls = new Map<string, { execution: string; at: number; step: number }>();
  const filters = kinds === undefined || kinds.includes("cc") ? [{ awaitsApproval: true }, { kind: "cc" }] : [{ awaitsApproval: true }];
  for (const filter of filters) {
    for (let cursor: string | undefined; ; ) {
      const { items, damaged = [], next } = await engine.invoke("cvm.calls", { signal }, { open: true, ...filter, program, limit: PAGE, cursor });
      if (damaged.length > 0) engine.warn(`questions: ${damaged.length} calls are damaged and left out`, damaged);
      for (const { id, executionId, requestedAt, step } of items) calls.set(id, { execution: executionId, at: requestedAt ?? 0, step: step ?? 0 });
      if (next === undefined) break;
      cursor = next;
    }
  }
  return [...calls].sort(([, a], [, b]) => a.at - b.at || a.step - b.step).map(([id, { execution }]) => [id, execution] as const);
}

/** Reads a call; null if it was deleted, or cannot be read. */
function readCall(engine: Engine, id: string, signal: AbortSignal | undefined): Promise<CallView | null> {
  return readUnlessDamaged(engine, id, () => engine.invoke("cvm.call", { signal }, { id }));
}

/** Reads what belongs to a call; null if it was deleted, or cannot be read: one of them must not end the inbox of all. */
export async function readUnlessDamaged<T>(engine: Engine, call: string, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (isRefused(error, "corrupt", "key_missing")) engine.warn(`questions: call ${call} cannot be read and is left out`, error);
    else if (!isRefused(error, "not_found")) throw error;
    return null;
  }
}
