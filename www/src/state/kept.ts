// Small texts that survive a reload (`inTab`) or the tab (`inBrowser`). A browser may refuse both; then they live as long as the page.

class Kept {
  readonly #storage: () => Storage;
  readonly #refused = new Map<string, string>();

  constructor(storage: () => Storage) {
    this.#storage = storage;
  }

  get(key: string): string | null {
    try {
      return this.#storage().getItem(full(key)) ?? this.#refused.get(key) ?? null;
    } catch {
      return this.#refused.get(key) ?? null;
    }
  }

  /** Written when this returns, which is what those count on who are about to be killed. */
  set(key: string, value: string): void {
    try {
      this.#storage().setItem(full(key), value);
    } catch {
      this.#refused.set(key, value);
    }
  }

  remove(key: string): void {
    this.#refused.delete(key);
    try {
      this.#storage().removeItem(full(key));
    } catch {
      // It was never there.
    }
  }

  /** A value that was kept as JSON; null where there is none or it cannot be read. */
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

function full(key: string): string {
  return `runstate.${key}`;
}

export const inTab = new Kept(() => sessionStorage);
export const inBrowser = new Kept(() => localStorage);
