// Small texts that survive a reload (`tabStorage`) or the tab (`browserStorage`). If the browser denies web storage, they last as long as the page.

class WebStorage {
  readonly #storage: () => Storage;
  readonly #fallback = new Map<string, string>();

  constructor(storage: () => Storage) {
    this.#storage = storage;
  }

  get(key: string): string | null {
    try {
      return this.#storage().getItem(fullKey(key)) ?? this.#fallback.get(key) ?? null;
    } catch {
      return this.#fallback.get(key) ?? null;
    }
  }

  /** Writes synchronously, so that a kill after the call loses nothing. */
  set(key: string, value: string): void {
    try {
      this.#storage().setItem(fullKey(key), value);
    } catch {
      this.#fallback.set(key, value);
    }
  }

  remove(key: string): void {
    this.#fallback.delete(key);
    try {
      this.#storage().removeItem(fullKey(key));
    } catch {
      // The browser denies storage, so there is nothing to remove.
    }
  }

  /** Reads a value that was stored as JSON; null if there is none or it cannot be parsed. */
  json(key: string): unknown {
    const text = this.get(key);
    if (text === null) return null;
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }
}

function fullKey(key: string): string {
  return `runstate.${key}`;
}

export const tabStorage = new WebStorage(() => sessionStorage);
export const browserStorage = new WebStorage(() => localStorage);
