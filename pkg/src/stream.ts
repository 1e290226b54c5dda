// Async generators that a reader can leave at any time.

const DONE = { done: true, value: undefined } as const;

/**
 * Wraps a generator so that leaving it during a wait ends it at once. An async generator by itself ends only after the
 * wait. `onLeave` may end the wait; otherwise it ends by itself, and its result is dropped.
 */
export function interruptible<E>(inner: AsyncGenerator<E, void, void>, onLeave: () => void = () => {}): AsyncGenerator<E, void, void> {
  return new InterruptibleGenerator(inner, onLeave);
}

type StreamResult<E> = IteratorResult<E, void>;

class InterruptibleGenerator<E> implements AsyncGenerator<E, void, void> {
  #closed = false;
  /** The resolve functions of pending reads. */
  readonly #pendingReads = new Set<(step: StreamResult<E>) => void>();

  constructor(
    private readonly inner: AsyncGenerator<E, void, void>,
    private readonly onLeave: () => void,
  ) {}

  next(): Promise<StreamResult<E>> {
    if (this.#closed) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#pendingReads.add(resolve);
      const forget = () => this.#pendingReads.delete(resolve);
      this.inner.next().then(resolve, reject).finally(forget);
    });
  }

  async return(): Promise<StreamResult<E>> {
    this.#close();
    return DONE;
  }

  async throw(error: unknown): Promise<StreamResult<E>> {
    this.#close();
    throw error;
  }

  #close(): void {
    this.#closed = true;
    for (const end of this.#pendingReads) end(DONE);
    this.#pendingReads.clear();
    this.onLeave();
    // The inner generator returns after its pending read; no caller waits for that.
    this.inner.return().catch(() => {});
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
