// What crosses into the WebAssembly and out of it. The types are made from the Rust sources (generated.ts); what only the package knows is
// added here.

import type { Calls, Execution, ExecutionSummary } from "./generated.js";

export type * from "./generated.js";

/** The name of a call. */
export type Method = keyof Calls;

/** As the engine calls an {@link Execution}. */
export type ExecutionView = Execution;

/** As the engine calls an {@link ExecutionSummary}. */
export type Summary = ExecutionSummary;

/** What a look at every file of a store found. */
export interface FilesReport {
  /** The store's id; null: it cannot be told. */
  store: string | null;
  /** The snapshot that the state begins with. */
  snapshot: number | null;
  /** The last commit that is whole with all before it. */
  head: number;
  /** Commit files after the snapshot that were read. */
  commits: number;
  /** Documents, as far as they are whole. */
  documents: number;
  /** Bytes of all files that were read. */
  bytes: number;
  /** What is not as it should be, in the order in which it was found. */
  findings: { at: string; gravity: "harmless" | "damage"; why: string; gone?: string[] }[];
}
