// The change feed under `changes()` and the waits for executions (follower.ts).
//
// There are no subscriptions: a reader polls for the changes after its position, and each poll waits briefly for new
// ones. An abandoned reader costs nothing; a slow reader continues at its position.

import { RunstateError } from "./errors.js";
import { interruptible } from "./stream.js";

/** How long one poll waits for changes, in milliseconds. The last poll of a stopped reader ends within this time. */
export const WAIT_MS = 1000;

/** Reads a page of the changes after a position. It waits up to `waitMs` for the first change and otherwise returns an
 * empty page. */
export type PageReader<E> = (from: string | undefined, waitMs: number) => Promise<{ events: E[]; next: string }>;

/** A reader of committed changes, with its position. */
export class ChangeFeed<E> {
  #from: Promise<string>;

  /** Starts at the position `from`; by default at the newest commit. */
  constructor(
    private readonly readPage: PageReader<E>,
    from?: string,
  ) {
    this.#from = from === undefined ? this.#now() : Promise.resolve(from);
  }

  /** Resolves when the position is known: the feed returns every change that is committed afterwards. */
  async ready(): Promise<void> {
    await this.#from;
  }

  /** Returns the changes since the last call. If there are none, it waits briefly and then returns an empty list. */
  async next(): Promise<E[]> {
    const { events, next } = await this.readPage(await this.#from, WAIT_MS);
    this.#from = Promise.resolve(next);
    return events;
  }

  /** Like {@link ChangeFeed.next}, but an expired position is replaced by the newest one. It then returns null: any
   * document may have changed. */
  async nextUnlessExpired(): Promise<E[] | null> {
    try {
      return await this.next();
    } catch (error) {
      if (!(error instanceof RunstateError) || error.code !== "position_expired") throw error;
      this.#from = this.#now();
      await this.#from;
      return null;
    }
  }

  #now(): Promise<string> {
    const newest = this.readPage(undefined, 0).then(({ next }) => next);
    // Readers receive the rejection when they await it. A feed that is never read must not cause an unhandled
    // rejection.
    newest.catch(() => {});
    return newest;
  }
}

/** Iterates over the changes of a feed, optionally only those for which `accepts` returns true. */
export function iterate<E>(feed: ChangeFeed<E>, accepts: (event: E) => boolean = () => true): AsyncGenerator<E, void, void> {
  return interruptible(iterateEvents(feed, accepts));
}

async function* iterateEvents<E>(feed: ChangeFeed<E>, accepts: (event: E) => boolean): AsyncGenerator<E, void, void> {
  for (;;) {
    for (const event of await feed.next()) {
      if (accepts(event)) yield event;
    }
  }
}
