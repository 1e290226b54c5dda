// The shown part of the page. It is in the address, so that a reload, a bookmark or another tab shows the same part. Wide screens show the list
// beside every part; on a phone the list is a part of its own.

import { signal } from "@preact/signals";

export type Route = { at: "new" | "list" | "execution"; /** The shown execution; "" for none. */ id: string };

/** The address of the list. */
export const LIST = "#/executions";

export const route = signal<Route>(parseRoute(location.hash));

addEventListener("hashchange", () => (route.value = parseRoute(location.hash)));

function parseRoute(hash: string): Route {
  if (hash === LIST) return { at: "list", id: "" };
  try {
    const id = decodeURIComponent(/^#\/x\/(.+)$/.exec(hash)?.[1] ?? "");
    return { at: id === "" ? "new" : "execution", id };
  } catch {
    // The address was truncated within an escape sequence.
    return { at: "new", id: "" };
  }
}

/** The address of an execution. */
export function hrefOf(id: string): string {
  return `#/x/${encodeURIComponent(id)}`;
}

export function showExecution(id: string): void {
  location.hash = hrefOf(id);
}

export function showEditor(): void {
  location.hash = "#/new";
}
