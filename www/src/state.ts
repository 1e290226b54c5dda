// The state of the page that the browser keeps: texts in web storage, and the address.

import { signal } from "@preact/signals";

/** Small texts that survive the tab, by name. If the browser denies web storage, nothing survives. */
export const texts = {
  /** Reads a value that was stored as JSON; null if there is none or it cannot be parsed. */
  read<T>(name: string): T | null {
    try {
      return JSON.parse(localStorage.getItem(`runstate.${name}`) ?? "null") as T;
    } catch {
      return null;
    }
  },

  /** Writes synchronously, so that a kill after the call loses nothing. Null removes the text. A full storage keeps
   * its text. */
  write(name: string, value: unknown): void {
    try {
      if (value === null) localStorage.removeItem(`runstate.${name}`);
      else localStorage.setItem(`runstate.${name}`, JSON.stringify(value));
    } catch (error) {
      console.info(`runstate: ${name} is not kept for a reload:`, error);
    }
  },
};

/** Random letters and digits, without those that look alike. */
export function randomWord(length: number): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join("");
}

/** A short name of this tab, which is recorded with its answers. */
export const tabName = `tab-${randomWord(3)}`;

/**
 * The shown part of the page, with the id of the shown execution or "", or that of an app. It is in the address, so
 * that a reload, a bookmark or another tab shows the same part. Wide screens show the list beside every part; on a
 * phone the list is a part of its own.
 */
export type Route = { at: "new" | "list" | "execution" | "apps" | "budgets"; id: string; app?: string };

export const LIST = "#/executions";
export const APPS = "#/apps";
export const BUDGETS = "#/budgets";

export const route = signal(parseRoute(location.hash));
addEventListener("hashchange", () => (route.value = parseRoute(location.hash)));

function parseRoute(hash: string): Route {
  if (hash === LIST) return { at: "list", id: "" };
  if (hash === BUDGETS) return { at: "budgets", id: "" };
  try {
    const [, part, id = ""] = /^#\/(x|apps)(?:\/(.+))?$/.exec(hash) ?? [];
    if (part === "apps") return { at: part, id: "", app: decodeURIComponent(id) };
    return { at: id === "" ? "new" : "execution", id: decodeURIComponent(id) };
  } catch {
    // The address was truncated within an escape sequence.
    return { at: "new", id: "" };
  }
}

export function hrefOf(id: string): string {
  return `#/x/${encodeURIComponent(id)}`;
}

export const hrefOfApp = (id: string) => `${APPS}/${encodeURIComponent(id)}`;
export const showExecution = (id: string) => void (location.hash = hrefOf(id));
export const showEditor = () => void (location.hash = "#/new");
