// What others and we ourselves commit, told to the parts of the page: one stream for all of it, gathered over a moment so that a burst
// of a thousand commits makes a few repaints.

import { RunstateError, type CvmChange, type Runstate } from "runstate/slim";

/** What happened since the last telling. */
export interface News {
  /** Executions that changed, or whose calls or output did. */
  executions: Set<string>;
  /** Executions that are gone. */
  deleted: Set<string>;
  /** Something may have been missed: look at everything again. */
  all: boolean;
}

type Listener = (news: News) => void;

/** How long news are gathered, in milliseconds: below what a person sees as a delay. */
const GATHER_MS = 60;

/** How long to wait before listening again after a failure, in milliseconds. */
const AGAIN_MS = 1_000;

const listeners = new Set<Listener>();
let gathered: News = nothing();
let telling: ReturnType<typeof setTimeout> | undefined;

/** Hears of changes until the returned function is called. */
export function onNews(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Listens as long as the page lives. */
export async function listen(rs: Runstate): Promise<void> {
  for (;;) {
    try {
      for await (const change of rs.cvm.changes()) gather(change);
      return;
    } catch (error) {
      if (error instanceof RunstateError && (error.code === "closed" || error.code === "internal")) return;
      // Above all `position_expired`, after a long sleep of the tab: what was missed is looked up.
      gathered.all = true;
      tellSoon();
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function gather(change: CvmChange): void {
  const execution = change.thing === "execution" ? change.id : change.executionId;
  if (execution === undefined) return;
  const gone = change.thing === "execution" && change.deleted;
  (gone ? gathered.deleted : gathered.executions).add(execution);
  if (!gone) gathered.deleted.delete(execution);
  tellSoon();
}

function tellSoon(): void {
  telling ??= setTimeout(() => {
    const news = gathered;
    gathered = nothing();
    telling = undefined;
    for (const listener of listeners) listener(news);
  }, GATHER_MS);
}

function nothing(): News {
  return { executions: new Set(), deleted: new Set(), all: false };
}
