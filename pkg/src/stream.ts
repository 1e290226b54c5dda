// What is read one by one and may be left at any time.

const DONE = { done: true, value: undefined } as const;

/**
 * The same, but it ends at once where its reader leaves it in the middle of a wait: a generator by itself would be left only when the wait is
 * over. What is under way is not called back, and what it brings is dropped.
 */
export function leavable<E>(inner: AsyncGenerator<E, void, void>): AsyncGenerator<E, void, void> {
  return new Leavable(inner);
}

type Step<E> = IteratorResult<E, void>;

class Leavable<E> implements AsyncGenerator<E, void, void> {
  #left = false;
  /** Those who wait for the next one. */
  readonly #waiting = new Set<(step: Step<E>) => void>();

  constructor(private readonly inner: AsyncGenerator<E, void, void>) {}

  next(): Promise<Step<E>> {
    if (this.#left) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#waiting.add(resolve);
      const over = () => this.#waiting.delete(resolve);
      this.inner.next().then(resolve, reject).finally(over);
    });
  }

  async return(): Promise<Step<E>> {
    this.#leave();
    return DONE;
  }

  async throw(error: unknown): Promise<Step<E>> {
    this.#leave();
    throw error;
  }

  #leave(): void {
    this.#left = true;
    for (const end of this.#waiting) end(DONE);
    this.#waiting.clear();
    // It waits its turn behind what is under way, and nobody waits for it.
    this.inner.return().catch(() => {});
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
