// The identities of windows, as documents in the store: which workspace a window shows, and which sessions it drives
// under which epochs. A window that is reloaded, or whose extension host was killed, continues with its document. Two
// windows of the same workspace have two documents.
//
// A document has at most one owner: a start of the extension. The owner removes itself when it ends orderly. After a
// kill, the next start sends a probe: it writes its own id into the document, and an owner that is alive removes it.

import type { Json, Runstate } from "runstate";
import type { CommandParameters } from "runstate/types";

import { type Declaration, DeclaredCollection } from "../declared-collection.ts";
import { codeOf } from "../errors.ts";

/** The stored name of the collection. */
export const WINDOWS = "documents.vscode_windows";

const COLLECTION = WINDOWS.slice("documents.".length);

/** How long the document of a window that is not opened again is kept, in milliseconds. */
const KEPT_MS = 90 * 86_400_000;

/** How often the answer to a probe is looked for, in milliseconds. */
const LOOK_MS = 100;

/** A session that a window drives. */
export interface DrivenSession {
  id: string;
  project: string;
  epoch: number;
}

export interface WindowDocument {
  id: string;
  revision: string;
  workspace: string;
  /** The start of the extension that has it. */
  owner: string | null;
  /** A later start, which asks whether the owner is alive. */
  probe: string | null;
  sessions: DrivenSession[];
  /** The task that is being added and started. */
  starting: string | null;
  savedAt: number;
}

/** The members that an owner changes. */
export type WindowChanges = Partial<Pick<WindowDocument, "owner" | "probe" | "sessions" | "starting">>;

const DECLARATION: Declaration = {
  fields: [
    { name: "workspace", kind: "text", required: true },
    { name: "owner", kind: "text" },
    { name: "probe", kind: "text" },
    { name: "sessions", kind: "list", required: true },
    { name: "starting", kind: "text" },
    { name: "savedAt", kind: "timestamp", required: true },
  ],
  indexes: [{ fields: ["workspace", "-savedAt"] }],
  ttl: { field: "savedAt", afterMs: KEPT_MS },
};

export class WindowDocuments {
  readonly #collection: DeclaredCollection;

  constructor(
    open: () => Promise<Runstate>,
    /** How long an owner has to answer a probe, in milliseconds. */
    private readonly probeMs: number,
  ) {
    this.#collection = new DeclaredCollection(open, COLLECTION, DECLARATION);
  }

  async get(id: string): Promise<WindowDocument | undefined> {
    const rs = await this.#collection.open();
    const [found] = await rs.documents.get(COLLECTION, { ids: [id] });
    return found ? toWindow(found) : undefined;
  }

  /** Takes the document of a window of this workspace that is no longer open; undefined: there is none. */
  async take(workspace: string, owner: string): Promise<WindowDocument | undefined> {
    const rs = await this.#collection.open();
    const { items } = await rs.documents.query(COLLECTION, { where: { eq: ["workspace", workspace] }, order: ["-savedAt"] });
    for (const window of items.map(toWindow)) {
      const free = await this.#waitUntilFree(window, owner);
      const taken = free && (await this.#unlessChanged(this.change(free, { owner, probe: null })));
      if (taken) return taken.window;
    }
    return undefined;
  }

  /** The document as soon as it has no owner that is alive; undefined: its owner is alive, or another start is
   * faster. */
  async #waitUntilFree(window: WindowDocument, prober: string): Promise<WindowDocument | undefined> {
    // A commit whose outcome was unknown may have made the prober the owner.
    if (window.owner === null || window.owner === prober) return window;
    const probed = await this.#unlessChanged(this.change(window, { probe: prober }));
    for (const end = Date.now() + this.probeMs; probed !== undefined && Date.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const now = await this.get(window.id);
      if (now?.owner === null) return now;
      if (now?.probe !== prober) return undefined;
    }
    return probed?.window;
  }

  /** The result of a change; undefined if the document was changed meanwhile. */
  async #unlessChanged<T>(change: Promise<T>): Promise<T | undefined> {
    return change.catch((error: unknown) => {
      if (codeOf(error) === "conflict") return undefined;
      throw error;
    });
  }

  /** Inserts the document of a new window, in one commit with the command. */
  async insert(window: Omit<WindowDocument, "revision" | "savedAt">, command: CommandParameters): Promise<WindowDocument> {
    const rs = await this.#collection.open();
    const { id, ...members } = window;
    const savedAt = Date.now();
    const put = { ...members, savedAt } as unknown as { [key: string]: Json };
    const { revisions } = await rs.documents.commit({ command, writes: [{ collection: COLLECTION, id, put, expect: "absent" }] });
    return { ...window, savedAt, revision: revisions[0] ?? "" };
  }

  /** Changes a document, in one commit with a command. Error `conflict`: another window has changed it, and nothing
   * was changed. */
  async change(window: WindowDocument, changes: WindowChanges, command?: CommandParameters): Promise<{ window: WindowDocument; result: Json }> {
    const rs = await this.#collection.open();
    const savedAt = Date.now();
    const patch = { ...changes, savedAt } as unknown as { [key: string]: Json };
    const { revisions, result } = await rs.documents.commit({ command, writes: [{ collection: COLLECTION, id: window.id, patch, expect: window.revision }] });
    return { window: { ...window, ...changes, savedAt, revision: revisions[0] ?? "" }, result: result ?? null };
  }
}

function toWindow(document: { [key: string]: Json }): WindowDocument {
  const { _id, _rev, workspace, owner = null, probe = null, sessions, starting = null, savedAt } = document;
  return {
    ...{ id: String(_id), revision: String(_rev), workspace: String(workspace), savedAt: Number(savedAt) },
    ...{ owner: owner as string | null, probe: probe as string | null, starting: starting as string | null },
    sessions: sessions as unknown as DrivenSession[],
  };
}
