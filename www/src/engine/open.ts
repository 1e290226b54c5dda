// Opening the store that the page works on: IndexedDB where the browser has it, else memory, and then the page says so.

import { init, open, RunstateError, type Runstate } from "runstate/slim";

import { compile } from "./compiler";
import { explain, type Explanation } from "./errors";
import { engineModule } from "./wasm";

/** An open store, and what the page must tell about it. */
export interface Opened {
  rs: Runstate;
  url: string;
  /** Whether what is committed survives this tab. */
  durable: boolean;
  /** Why the store is not the one that was wanted, or can only be read. */
  trouble: Explanation | null;
}

/** The codes that say that the browser keeps nothing for this page, ever or for now. */
const NOTHING_KEPT = ["unsupported", "unavailable"];

/** What the address asks for: `?store=indexeddb:NAME` or `?store=memory:`; without it the demo's own database. */
export function storeUrl(search: string): string {
  const asked = new URLSearchParams(search).get("store");
  return asked !== null && /^(indexeddb:.+|memory:)$/.test(asked) ? asked : "indexeddb:runstate-demo";
}

/** Opens the store of this page. Rejects only where not even memory is left. */
export async function openStore(url: string): Promise<Opened> {
  await init(await engineModule(), { compile });
  try {
    const rs = await open(url);
    const problem = await rs.health();
    return { rs, url, durable: url !== "memory:", trouble: problem === null ? null : explain(problem) };
  } catch (error) {
    if (!(error instanceof RunstateError) || !NOTHING_KEPT.includes(error.code)) throw error;
    return { rs: await open("memory:"), url: "memory:", durable: false, trouble: onlyInMemory(error) };
  }
}

function onlyInMemory({ code, message }: RunstateError): Explanation {
  if (code === "unsupported") {
    return {
      title: "Nothing is kept: this browser gives the page no database",
      what: message,
      todo: "Programs run in memory and are gone with this tab. Use a current browser, outside of private windows.",
      code,
    };
  }
  return {
    title: "Nothing is kept: the database cannot be opened",
    what: `${message}. What it holds is still there.`,
    todo: "Until it opens, programs run in memory and are gone with this tab. Close other tabs of this page, or leave the private window, then reload.",
    code,
  };
}
