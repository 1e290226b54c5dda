// Changes of programs, executions and their rows, from the changes of their collections.

import { ChangeFeed } from "./feed.js";
import type { ExecutionChange } from "./follower.js";
import type { OperationCaller } from "./generated.js";
import type { WaitOptions } from "./options.js";
import type { StoreChange } from "./wire.js";

/** A kind of document that changes. */
export type ChangeSubject = "program" | "version" | "execution" | "call" | "output" | "log";

/** A committed change of a program, an execution or one of its rows. */
export interface RunChange extends Omit<StoreChange, "collection" | "document" | "revision"> {
  /** The kind of document that changed. */
  kind: ChangeSubject;
  /** The execution it belongs to. Undefined for a row that was deleted, because only its id is known. */
  executionId: string | undefined;
  deleted: boolean;
}

/** The collections whose changes are reported. */
const COLLECTIONS: { readonly [kind in ChangeSubject]: string } = {
  program: "cvm.programs",
  version: "cvm.program_versions",
  execution: "cvm.executions",
  call: "cvm.cc_history",
  output: "cvm.outputs",
  log: "cvm.execution_logs",
};

const SUBJECT_OF = new Map(Object.entries(COLLECTIONS).map(([kind, collection]) => [collection, kind as ChangeSubject]));

/** Documents that are parts of an execution. */
const PARTS: ReadonlySet<ChangeSubject> = new Set<ChangeSubject>(["call", "output", "log"]);

/** Creates a feed of the changes of these kinds of documents, of all executions or of some. */
export function createFeed(
  engine: OperationCaller,
  { kinds, executions, from, signal }: { kinds?: ChangeSubject[]; executions?: string[]; from?: string } & WaitOptions,
): ChangeFeed<RunChange> {
  const collections = (kinds ?? [...SUBJECT_OF.values()]).map((kind) => COLLECTIONS[kind]);
  const readPage = async (at: string | undefined, waitMs: number) => {
    const { events, next } = await engine.invoke("store.changes", { signal }, { from: at, collections, subjects: executions, waitMs });
    return { events: events.map(describeChange), next };
  };
  return new ChangeFeed(readPage, from);
}

/** Creates a feed of the changes of executions of apps. */
export function createAppFeed(engine: OperationCaller): ChangeFeed<ExecutionChange> {
  return new ChangeFeed(async (from, waitMs) => {
    const { events, next } = await engine.invoke("store.changes", {}, { from, collections: ["apps.executions"], waitMs });
    return { events: events.map(({ id }) => ({ executionId: id })), next };
  });
}

function describeChange({ collection, id, document, revision, command, position }: StoreChange): RunChange {
  const kind = SUBJECT_OF.get(collection) ?? "execution";
  const executionId = kind === "execution" ? id : PARTS.has(kind) ? (document ?? undefined) : undefined;
  return { kind, id, executionId, deleted: revision === null, command, position };
}
