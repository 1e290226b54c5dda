// What was committed since a moment, as it comes: the loop under `changes()`, `questions()` and `lines()`.
//
// Nobody is subscribed anywhere: a reader asks for what came after its position, and waits a little where nothing did. A reader that is
// forgotten costs nothing; one that lags reads on where it was.

import { RunstateError } from "./errors.js";
import { leavable } from "./stream.js";

/** How long one look waits for something to come, in milliseconds: what is left of a reader that stopped ends by itself in that time. */
const WAIT_MS = 1000;

/** Reads a page of what came after a position: at once, or as soon as something is there, or after `waitMs` with nothing. */
export type Look<E> = (from: string | undefined, waitMs: number) => Promise<{ events: E[]; next: string }>;

/** A place in what is committed. */
export class Feed<E> {
  #from: Promise<string>;

  /** Begins at `from`; without it now. */
  constructor(
    private readonly look: Look<E>,
    from?: string,
  ) {
    this.#from = from === undefined ? this.#now() : Promise.resolve(from);
  }

  /** Resolves when the place is known: everything after this moment will be told. */
  async begun(): Promise<void> {
    await this.#from;
  }

  /** What came since the last call; waits a little where nothing did, and then tells so by an empty list. */
  async next(): Promise<E[]> {
    const { events, next } = await this.look(await this.#from, WAIT_MS);
    this.#from = Promise.resolve(next);
    return events;
  }

  /** As {@link Feed.next}, for readers that look at everything anew anyway: a position too old to be known is now. */
  async stirred(): Promise<boolean> {
    try {
      return (await this.next()).length > 0;
    } catch (error) {
      if (!(error instanceof RunstateError) || error.code !== "position_expired") throw error;
      this.#from = this.#now();
      await this.#from;
      return true;
    }
  }

  #now(): Promise<string> {
    const begun = this.look(undefined, 0).then(({ next }) => next);
    // Told to whoever reads; nobody may.
    begun.catch(() => {});
    return begun;
  }
}

/** Everything a feed brings, one by one. */
export function each<E>(feed: Feed<E>, wanted: (event: E) => boolean = () => true): AsyncGenerator<E, void, void> {
  return leavable(every(feed, wanted));
}

async function* every<E>(feed: Feed<E>, wanted: (event: E) => boolean): AsyncGenerator<E, void, void> {
  for (;;) {
    for (const event of await feed.next()) {
      if (wanted(event)) yield event;
    }
  }
}
