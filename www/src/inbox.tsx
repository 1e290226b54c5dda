// What waits for a person, in all executions: questions, and calls of tools that await an approval. Above the list of
// executions.

import { effect, signal } from "@preact/signals";
import type { CallView, Runstate } from "runstate/full";

import { changedIds, makeRefresh, untilClosed } from "./engine";
import { titleOf } from "./format";
import { hasCode } from "./notices";
import { hrefOf } from "./state";

/** The calls that wait for a person, the oldest first. */
const waiting = signal<CallView[]>([]);

/** The number of calls that are read. Others follow as these are decided. */
const MAX_READ = 100;

/** Follows what waits while the page is open. */
export async function followInbox(rs: Runstate): Promise<void> {
  const calls = new Map<string, CallView>();
  const changed = new Set<string>();
  let makeRoom = () => {};

  const update = makeRefresh(async () => {
    for (const id of changed) {
      changed.delete(id);
      const call = await rs.runs.call(id).catch((error: unknown) => {
        if (hasCode(error, "not_found")) return null;
        throw error;
      });
      if (call?.waitsFor === "person" || call?.waitsFor === "approval") calls.set(id, call);
      else calls.delete(id);
    }
    waiting.value = [...calls.values()];
    if (calls.size < MAX_READ) makeRoom();
  });

  effect(() => {
    // Read first: the effect follows what it has read.
    const changes = changedIds.value;
    for (const { id, executionId } of calls.values()) if (changes?.has(executionId) ?? true) changed.add(id);
    update();
  });
  await untilClosed(async () => {
    for await (const { call } of rs.questions()) {
      calls.set(call.id, call);
      // A change before this line was not collected.
      changed.add(call.id);
      update();
      if (calls.size >= MAX_READ) await new Promise<void>((resolve) => (makeRoom = resolve));
    }
  });
}

export function Inbox() {
  const calls = waiting.value;
  if (calls.length === 0) return null;
  return (
    <section class="inbox waits" aria-labelledby="inbox-title" data-testid="inbox">
      <h3 id="inbox-title">
        Waits for you <span class="hint" data-testid="inbox-count">{calls.length < MAX_READ ? calls.length : `${calls.length} or more`}</span>
      </h3>
      <ul class="rows">
        {calls.map((call) => (
          <li key={call.id}>
            <a class="row" href={hrefOf(call.executionId)} title={call.programName} data-testid="inbox-row" data-call={call.id}>
              <span class="mark" />
              <span class="cut">{titleOf(call)}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
