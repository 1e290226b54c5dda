// The person's decisions on edits, as documents in the store. A decision is stored before the file is changed and
// before the call is answered, so that after a crash the person is not asked again, and an edit that was applied is
// not applied twice.

import type { Json, Runstate } from "runstate";

import { type Declaration, DeclaredCollection } from "../declared-collection.ts";
import { unlessMissing } from "../errors.ts";

/** A decision. */
export interface EditDecision {
  /** The call that asked for the edit. */
  call: string;
  execution: string;
  applies: boolean;
  /** Digests of the file's text before and after the edit; `before` is `missing` if the edit creates the file. */
  before: string;
  after: string;
}

const COLLECTION = "edit_decisions";

/** How long decisions are kept, in milliseconds. */
const KEPT_MS = 30 * 86_400_000;

/** The digest of a text; undefined is a file that does not exist. */
export async function digestOf(text: string | undefined): Promise<string> {
  if (text === undefined) return "missing";
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const DECLARATION: Declaration = {
  fields: [
    { name: "execution", kind: "id", required: true },
    { name: "applies", kind: "bool", required: true },
    { name: "before", kind: "text", required: true },
    { name: "after", kind: "text", required: true },
    { name: "decidedAt", kind: "timestamp", required: true },
  ],
  ttl: { field: "decidedAt", afterMs: KEPT_MS },
};

export class EditDecisions {
  readonly #collection: DeclaredCollection;

  constructor(open: () => Promise<Runstate>) {
    this.#collection = new DeclaredCollection(open, COLLECTION, DECLARATION);
  }

  async get(call: string): Promise<EditDecision | undefined> {
    const rs = await this.#collection.open();
    const [found] = (await unlessMissing(rs.documents.get(COLLECTION, { ids: [call] }))) ?? [];
    return found ? toDecision(found) : undefined;
  }

  /** Stores a decision. Returns the stored one, which is another if one was there already: the first decision
   * counts. */
  async decide(decision: EditDecision): Promise<EditDecision> {
    const rs = await this.#collection.open();
    const { call, ...fields } = decision;
    const put = { ...fields, decidedAt: Date.now() };
    try {
      await rs.documents.commit({ writes: [{ collection: COLLECTION, id: call, put, expect: "absent" }] });
      return decision;
    } catch (error) {
      const stored = await this.get(call);
      if (stored === undefined) throw error;
      return stored;
    }
  }
}

function toDecision(document: { [key: string]: Json }): EditDecision {
  const { _id, execution, applies, before, after } = document;
  return { call: String(_id), execution: String(execution), applies: applies === true, before: String(before), after: String(after) };
}
