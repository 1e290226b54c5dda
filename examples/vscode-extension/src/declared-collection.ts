// A collection of the extension's own documents. It is declared once in each store that is opened: a store whose
// folder was deleted is opened anew, without the collection.

import type { Runstate } from "runstate";

export type Declaration = Parameters<Runstate["documents"]["declare"]>[1];

export class DeclaredCollection {
  readonly #declared = new WeakMap<Runstate, Promise<unknown>>();

  constructor(
    private readonly openStore: () => Promise<Runstate>,
    private readonly name: string,
    private readonly declaration: Declaration,
  ) {}

  /** The open store, which has the collection. */
  async open(): Promise<Runstate> {
    const rs = await this.openStore();
    const declared = this.#declared.get(rs) ?? rs.documents.declare(this.name, this.declaration);
    this.#declared.set(rs, declared);
    try {
      await declared;
    } catch (error) {
      // The next call tries again.
      this.#declared.delete(rs);
      throw error;
    }
    return rs;
  }
}
