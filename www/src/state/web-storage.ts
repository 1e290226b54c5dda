// Small texts that survive a reload (`tabStorage`) or the tab (`browserStorage`). If the browser denies web storage, they last as long as the page.

class WebStorage {
  readonly #storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;

  constructor(open: () => Storage) {
    try {
      this.#storage = open();
    } catch {
      const texts = new Map<string, string>();
      this.#storage = {
        getItem: (key) => texts.get(key) ?? null,
        setItem: (key, text) => void texts.set(key, text),
        removeItem: (key) => void texts.delete(key),
      };
    }
  }

  get(key: string): string | null {
    return this.#storage.getItem(`runstate.${key}`);
  }

  /** Writes synchronously, so that a kill after the call loses nothing. A full storage keeps its text. */
  set(key: string, text: string): void {
    try {
      this.#storage.setItem(`runstate.${key}`, text);
    } catch (error) {
      console.info(`runstate: ${key} is not kept for a reload:`, error);
    }
  }

  remove(key: string): void {
    this.#storage.removeItem(`runstate.${key}`);
  }

  /** Reads a value that was stored as JSON; null if there is none or it cannot be parsed. */
  json(key: string): unknown {
    return parseJson(this.get(key) ?? "");
  }
}

export const tabStorage = new WebStorage(() => sessionStorage);
export const browserStorage = new WebStorage(() => localStorage);

/** The value of a JSON text; null if the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
