// Opens the store of the page: IndexedDB if the browser has it, otherwise memory with a notice.

import { init, open, RunstateError, type Runstate } from "runstate/slim";

import { compile } from "./compiler";
import { explain, type Explanation } from "./errors";
import { engineModule } from "./wasm";

/** An open store, with what the page must show about it. */
export interface OpenStore {
  rs: Runstate;
  url: string;
  /** Whether committed data survives this tab. */
  durable: boolean;
  /** Why the store is not the requested one, or is read-only; null if neither. */
  problem: Explanation | null;
}

/** The codes of a browser that provides no database, permanently or for now. */
const NO_DATABASE_CODES = ["unsupported", "unavailable"];

/** The store that the address requests: `?store=indexeddb:NAME` or `?store=memory:`; by default the demo's own database. */
export function storeUrl(search: string): string {
  const requested = new URLSearchParams(search).get("store");
  return requested !== null && /^(indexeddb:.+|memory:)$/.test(requested) ? requested : "indexeddb:runstate-demo";
}

/** Opens the store of this page. Falls back to memory if the browser provides no database. */
export async function openStore(url: string): Promise<OpenStore> {
  await init(await engineModule(), { compile });
  try {
    const rs = await open(url);
    const health = await rs.health();
    return { rs, url, durable: url !== "memory:", problem: health === null ? null : explain(health) };
  } catch (error) {
    if (!(error instanceof RunstateError) || !NO_DATABASE_CODES.includes(error.code)) throw error;
    return { rs: await open("memory:"), url: "memory:", durable: false, problem: explainMemoryOnly(error) };
  }
}

function explainMemoryOnly({ code, message }: RunstateError): Explanation {
  if (code === "unsupported") {
    return {
      title: "Nothing is saved: this browser provides no database",
      message,
      advice: "Programs run in memory and are lost when this tab closes. Use a current browser, outside of private windows.",
      code,
    };
  }
  return {
    title: "Nothing is saved: the database cannot be opened",
    message: `${message}. Its data is still stored.`,
    advice: "Until it opens, programs run in memory and are lost when this tab closes. Close other tabs of this page, or leave the private window, then reload.",
    code,
  };
}
