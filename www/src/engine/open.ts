// Opening the store that the page works on: IndexedDB where the browser has it, else memory, and then the page says so.

import { open, RunstateError, type Runstate } from "runstate";

import { explain, type Explanation } from "./errors";

/** An open store, and what the page must tell about it. */
export interface Opened {
  rs: Runstate;
  url: string;
  /** Whether what is committed survives this tab. */
  durable: boolean;
  /** Why the store is not the one that was wanted, or can only be read. */
  trouble: Explanation | null;
}

/** The codes that say that this browser keeps nothing for pages, now or ever. */
const NOTHING_KEPT = ["unsupported", "unavailable"];

/** What the address asks for: `?store=indexeddb:NAME` or `?store=memory:`; without it the demo's own database. */
export function storeUrl(search: string): string {
  const asked = new URLSearchParams(search).get("store");
  return asked !== null && /^(indexeddb:.+|memory:)$/.test(asked) ? asked : "indexeddb:runstate-demo";
}

/** Opens the store of this page. Rejects only where not even memory is left. */
export async function openStore(url: string): Promise<Opened> {
  try {
    const rs = await open(url);
    const problem = await rs.health();
    return { rs, url, durable: url !== "memory:", trouble: problem === null ? null : explain(problem) };
  } catch (error) {
    if (!(error instanceof RunstateError) || !NOTHING_KEPT.includes(error.code)) throw error;
    return { rs: await open("memory:"), url: "memory:", durable: false, trouble: onlyInMemory(error) };
  }
}

function onlyInMemory(error: RunstateError): Explanation {
  return {
    title: "Nothing is kept: this browser gives the page no database",
    what: error.message,
    todo: "Programs run in memory and are gone with this tab. Leave the private window, or allow this site to store data, then reload.",
    code: error.code,
  };
}
