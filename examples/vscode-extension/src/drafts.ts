// Drafts of answers, as documents in the store: they survive reloads, and other windows see them. A draft that is
// being sent holds the answer and its command id. The answer and the removal of its draft are one commit, so a draft
// that a crash left behind is sent again without harm.

import type { Json, Runstate } from "runstate";

import { type Declaration, DeclaredCollection } from "./declared-collection.ts";
import { unlessMissing } from "./errors.ts";

/** A draft. */
export interface Draft {
  /** The call. */
  call: string;
  execution: string;
  /** The text that the person has typed. */
  text: string;
  /** The answer that is being sent, and its command id. */
  sent?: { answer: Json; by: string; commandId: string };
}

const COLLECTION = "answer_drafts";

/** How long drafts of calls that were answered elsewhere are kept, in milliseconds. A question may stay open for
 * months. */
const KEPT_MS = 366 * 86_400_000;

const DECLARATION: Declaration = {
  // Version 1 kept drafts for 30 days.
  version: 2,
  fields: [
    { name: "execution", kind: "id", required: true },
    { name: "text", kind: "text", required: true },
    { name: "sent", kind: "object" },
    { name: "savedAt", kind: "timestamp", required: true },
  ],
  ttl: { field: "savedAt", afterMs: KEPT_MS },
};

export class Drafts {
  readonly #collection: DeclaredCollection;

  constructor(private readonly open: () => Promise<Runstate>) {
    this.#collection = new DeclaredCollection(open, COLLECTION, DECLARATION);
  }

  async get(call: string): Promise<Draft | undefined> {
    const rs = await this.open();
    const [found] = (await unlessMissing(rs.documents.get(COLLECTION, { ids: [call] }))) ?? [];
    return found ? toDraft(found) : undefined;
  }

  async save(draft: Draft): Promise<void> {
    const rs = await this.#collection.open();
    await rs.documents.commit({ writes: [{ collection: COLLECTION, id: draft.call, put: toDocument(draft) }] });
  }

  async discard(call: string): Promise<void> {
    const rs = await this.#collection.open();
    await rs.documents.commit({ writes: [{ collection: COLLECTION, id: call, delete: true }] });
  }

  /** Sends the answer of a call and removes its draft, in one commit. The draft is stored first, with the command id
   * of that commit. */
  async send(draft: Draft & { sent: NonNullable<Draft["sent"]> }): Promise<void> {
    await this.save(draft);
    await this.resend(draft);
  }

  /** Sends a stored draft. If the commit has happened already, this has no effect. */
  async resend({ call, execution, sent }: Draft): Promise<void> {
    if (sent === undefined) return;
    const { answer, by, commandId } = sent;
    const rs = await this.#collection.open();
    await rs.documents.commit({
      commandId,
      command: { name: "cvm.answer", parameters: { id: execution, call, answer, by } },
      writes: [{ collection: COLLECTION, id: call, delete: true }],
    });
  }

  /** The drafts that were being sent when a window or its process ended. */
  async unsent(): Promise<Draft[]> {
    const rs = await this.#collection.open();
    const { items } = await rs.documents.query(COLLECTION, { where: { exists: ["sent", true] } });
    return items.map(toDraft);
  }
}

function toDocument({ execution, text, sent }: Draft): { [key: string]: Json } {
  return { execution, text, savedAt: Date.now(), ...(sent && { sent }) };
}

function toDraft(document: { [key: string]: Json }): Draft {
  const { _id, execution, text, sent } = document;
  return { call: String(_id), execution: String(execution), text: String(text), sent: (sent ?? undefined) as Draft["sent"] };
}
