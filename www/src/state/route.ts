// The shown part of the page. It is in the address, so that a reload, a bookmark or another tab shows the same. The list is beside
// everything else where there is room, and a part of its own on a phone.

import { signal } from "@preact/signals";

export type Route = { at: "new" } | { at: "list" } | { at: "execution"; id: string };

/** The address of the list. */
export const LIST = "#/executions";

export const route = signal<Route>(parse(location.hash));

addEventListener("hashchange", () => {
  route.value = parse(location.hash);
});

/** Reads the part of an address behind `#`. */
export function parse(hash: string): Route {
  if (hash === LIST) return { at: "list" };
  const found = /^#\/x\/(.+)$/.exec(hash)?.[1];
  if (found === undefined) return { at: "new" };
  try {
    return { at: "execution", id: decodeURIComponent(found) };
  } catch {
    // Somebody cut the address in the middle of an escape.
    return { at: "new" };
  }
}

/** The address of an execution. */
export function hrefOf(id: string): string {
  return `#/x/${encodeURIComponent(id)}`;
}

/** Shows an execution. */
export function show(id: string): void {
  location.hash = hrefOf(id);
}

/** Shows the editor. */
export function showNew(): void {
  location.hash = "#/new";
}
