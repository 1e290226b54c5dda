// `rs.collection`: the documents of one collection, with their type.

import type { Engine } from "./engine.js";
import type { DocumentsQueryOptions } from "./generated.js";
import type { Json, JsonInputOf } from "./json.js";
import { type CommandOptions, WAIT, type WaitOptions, requireText } from "./options.js";
import type { FromSchema } from "./schema.js";
import { SchemaCheck, type ValueSchema } from "./standard-schema.js";
import { flag, text, validateOptions } from "./validation.js";
import type { Filter, StoredDocument, StoredDocumentPage } from "./wire.js";

/** The fields that documents have beside those of their type: their id and revision. */
export interface DocumentKey {
  readonly _id: string;
  readonly _rev: string;
}

/** A document as it was read. */
export type DocumentOf<T> = T & DocumentKey;

/** A page of documents. */
export type DocumentPageOf<T> = Omit<StoredDocumentPage, "items"> & { items: DocumentOf<T>[] };

/** The type of documents without a type of their own. */
export type AnyDocument = { [key: string]: Json };

/** Options of {@link DocumentCollection.insert}. */
export interface InsertOptions extends CommandOptions {
  /** Whether a document that exists stays as it is. Default: the insert is rejected with `conflict`. */
  ifAbsent?: boolean;
}

/** Options of methods that write one document. */
export interface ExpectOptions extends CommandOptions {
  /** The revision that the document must have. */
  expect?: string;
}

const COMMAND = { commandId: text, ...WAIT };

/**
 * The documents of one collection, with their type. The type is a promise of the caller; a schema is checked before a
 * document is written. Reads are not checked: documents are returned as they are stored, with the type of the schema,
 * and other programs, or an earlier version of the schema, may have written them. Every method rejects with a
 * `RunstateError`.
 */
export class DocumentCollection<T extends object = AnyDocument, I extends object = T> {
  readonly #engine: Engine;
  readonly #schema: SchemaCheck;
  /** The name with which it was declared. */
  readonly name: string;

  /** @internal */
  constructor(engine: Engine, name: string, schema?: ValueSchema) {
    this.#engine = engine;
    this.name = requireText(name, "the name of a collection");
    this.#schema = new SchemaCheck(engine, `the schema of the collection \`${this.name}\``, schema);
  }

  /** Reads a document, as it is stored; null if it does not exist. */
  async get(id: string, options: WaitOptions = {}): Promise<DocumentOf<T> | null> {
    const [document] = await this.#engine.invoke("documents.get", options, { collection: this.name, ids: [id] });
    return (document ?? null) as DocumentOf<T> | null;
  }

  /** Reads documents that match a condition, as they are stored, in order, page by page. */
  async query(options: DocumentsQueryOptions = {}): Promise<DocumentPageOf<T>> {
    return (await this.#engine.invoke("documents.query", options, { collection: this.name })) as DocumentPageOf<T>;
  }

  /** Counts the documents that match a condition, or all. The store counts them. */
  count(where?: Filter, options: WaitOptions = {}): Promise<number> {
    return this.#engine.invoke("documents.count", options, { collection: this.name, where });
  }

  /**
   * Inserts a document, and returns its revision. With `ifAbsent`, null says that one exists, which remains as it is.
   *
   * Errors: `conflict` if a document has this id; `invalid` if the schema refuses the document.
   */
  insert(id: string, document: I & JsonInputOf<I>, options?: InsertOptions & { ifAbsent?: false }): Promise<string>;
  insert(id: string, document: I & JsonInputOf<I>, options: InsertOptions): Promise<string | null>;
  async insert(id: string, document: I & JsonInputOf<I>, options: InsertOptions = {}): Promise<string | null> {
    const { ifAbsent = false, ...rest } = validateOptions("insert", options, { ifAbsent: flag, ...COMMAND });
    const checked = await this.#check(id, document);
    return this.#commit(id, ifAbsent ? { insertIfAbsent: checked } : { put: checked, expect: "absent" }, rest);
  }

  /**
   * Writes a whole document, and returns its revision. A document that was read may be written as it is: it then must
   * still have the revision in its `_rev`.
   *
   * Errors: `conflict` if the document does not have the expected revision; `invalid` if the schema refuses it.
   */
  async put(id: string, document: I & JsonInputOf<I> & Partial<DocumentKey>, options: ExpectOptions = {}): Promise<string> {
    const { expect, ...rest } = validateOptions("put", options, { expect: text, ...COMMAND });
    const { _id, _rev, ...fields } = document as StoredDocument;
    const checked = await this.#check(id, fields);
    const put = { ...checked, ...(_id !== undefined && { _id }), ...(_rev !== undefined && { _rev }) };
    return (await this.#commit(id, { put, expect }, rest)) as string;
  }

  /**
   * Deletes a document. Without `expect`, it has no effect if there is none.
   *
   * Errors: `conflict` if it does not have the expected revision; `details` has both.
   */
  async delete(id: string, options: ExpectOptions = {}): Promise<void> {
    const { expect, ...rest } = validateOptions("delete", options, { expect: text, ...COMMAND });
    await this.#commit(id, { delete: true, expect }, rest);
  }

  /**
   * Deletes all documents of the collection in several commits, and returns their number. The declaration remains. A
   * call that was interrupted has deleted a part of them; the next one continues.
   */
  async drop(options: WaitOptions = {}): Promise<number> {
    return (await this.#engine.invoke("documents.drop", options, { collection: this.name })).deleted;
  }

  async #commit(id: string, write: object, options: CommandOptions): Promise<string | null> {
    const writes = [{ collection: this.name, id, ...write }];
    const { revisions } = await this.#engine.invoke("documents.commit", options, { writes });
    return revisions[0] ?? null;
  }

  /** Returns the document that is written: as the schema returns it. */
  async #check(id: string, document: object): Promise<object> {
    const collection = `documents.${this.name}`;
    return (await this.#schema.check(`${collection}/${id}`, document, { collection, key: id })) as object;
  }
}

/** The type of documents that a JSON Schema describes. */
export type DocumentFromSchema<S> = FromSchema<S> extends infer D extends object ? D : AnyDocument;
