// The public handle of an open store.
// The reference declares the types of `await using` also in projects whose `lib` lacks them:
/// <reference lib="esnext.disposable" preserve="true" />

import { Apps } from "./apps.js";
import { Budgets } from "./budgets.js";
import { type AnyDocument, DocumentCollection, type DocumentFromSchema } from "./collection.js";
import { Code, type CodeOptions } from "./code.js";
import type { Driver } from "./driver.js";
import type { Engine } from "./engine.js";
import { RunstateError, usageError } from "./errors.js";
import { ChangeFeed, iterate } from "./feed.js";
import { DocumentsOperations, Domains, DueOperations, StoreOperations } from "./generated.js";
import { rejectLoneSurrogates } from "./json-encoding.js";
import { type CommandOptions, IMPORT_CHOICES, type ImportChoices, WAIT, type WaitOptions } from "./options.js";
import type { Question } from "./question.js";
import type { Run } from "./run.js";
import { type ImportedProgram, type ListOptions, type ProgramSource, type QuestionsOptions, Runs } from "./runs.js";
import type { JsonSchema } from "./schema.js";
import type { StandardSchema, ValueSchema } from "./standard-schema.js";
import { callback, checkOptions, schemaObject, text, validateOptions } from "./validation.js";
import type {
  ExecutionSummaryPage, ImportResult, Info, Json, LoadedProgram, OperationName, Operations, Overview, Progress, StoreChange, VerifyReport,
} from "./wire.js";
import type { Handlers, KindOf, WorkerHandle, WorkerOptions } from "./worker.js";

/** The kind of a store, and statistics about its contents. */
export interface StoreInfo extends Info, Overview {}

/** A committed change of a document. */
export interface Change extends StoreChange {
  deleted: boolean;
}

/** An open store. Every method rejects with a {@link RunstateError}. */
export class Runstate extends Domains implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #store: StoreOperations;
  #closed = false;
  /** The URL with which the store was opened. */
  readonly url: string;
  /** Programs and executions: what this class has, and more. */
  readonly runs: Runs;
  /** Starts an execution of a program; see {@link Runs.start}. */
  readonly start: Runs["start"];
  /** Apps: executions of several steps. Pages have them by `runstate/full`. */
  override readonly apps: Apps;
  /** Budgets of projects and of any other owner: the costs of calls count against them. Pages have them by
   * `runstate/full`. */
  readonly budgets: Budgets;
  /** Due work of all domains: timers, deadlines, executions of dead processes, expired rows. The driver does it by
   * itself. */
  readonly due: DueOperations;
  /** Documents of your own, in collections that are declared at run time. */
  readonly documents: DocumentsOperations;
  /** The driver of timers and deadlines; its state says whether this tab or process runs them. */
  readonly driver: Driver;

  /** @internal */
  constructor(engine: Engine, driver: Driver) {
    super(engine);
    this.#engine = engine;
    this.#store = new StoreOperations(engine);
    this.url = engine.url;
    this.runs = new Runs(engine);
    this.start = this.runs.start.bind(this.runs);
    this.apps = new Apps(engine);
    this.budgets = new Budgets(engine);
    this.due = new DueOperations(engine);
    this.documents = new DocumentsOperations(engine);
    this.driver = driver;
  }

  /** Loads a program; see {@link Runs.load}. */
  load(program: ProgramSource | ImportedProgram, options?: CommandOptions): Promise<LoadedProgram> {
    return this.runs.load(program, options);
  }

  /** Returns a handle on an existing execution; see {@link Runs.run}. */
  run(id: string, options?: WaitOptions): Promise<Run> {
    return this.runs.run(id, options);
  }

  /** Lists executions page by page, newest first; see {@link Runs.list}. */
  list(options?: ListOptions): Promise<ExecutionSummaryPage> {
    return this.runs.list(options);
  }

  /** Starts a worker, which answers calls; see {@link Runs.worker}. */
  worker<A>(handlers: Handlers<A>, options?: WorkerOptions<KindOf<A>>): WorkerHandle {
    return this.runs.worker(handlers, options);
  }

  /** Iterates over the open questions and approvals of all executions, and those that come; see {@link Runs.questions}. */
  questions(options?: QuestionsOptions): AsyncGenerator<Question, void, void> {
    return this.runs.questions(options);
  }

  /** @deprecated It is {@link Runstate.runs} now. */
  get cvm(): never {
    throw usageError("`rs.cvm` is `rs.runs` now; `load`, `start`, `run`, `list` and `worker` are also methods of the store itself");
  }

  /** @deprecated It is {@link Runstate.sessions} now. */
  get orchestration(): never {
    throw usageError("`rs.orchestration` is `rs.sessions` now");
  }

  /**
   * Calls an operation by its name, with its parameters. The methods of this class and of its members call the same
   * operations.
   *
   * @example
   * const { items } = await rs.call("cvm.list", { status: "waiting_cc" });
   */
  call<N extends OperationName>(name: N, params: Operations[N]["params"], options?: WaitOptions): Promise<Operations[N]["result"]>;
  call(name: string, params?: object, options?: WaitOptions): Promise<Json>;
  async call(name: string, params: object = {}, options: WaitOptions = {}): Promise<unknown> {
    const { signal } = validateOptions("call", options, WAIT);
    return this.#engine.call(name, checkOptions(name, params), signal);
  }

  /**
   * Scripts that call the tools of their host, as models write them: see {@link Code}. Two of them over one store share
   * their runs.
   *
   * @example
   * const code = rs.code({ tools: { crm: { find: async ({ days }: { days: number }) => crm.find(days) }, pay: { refund: tool({ approve: true, run: refund }) } } });
   * const r = await code.run("for (const o of await tools.crm.find({ days: 30 })) await tools.pay.refund({ order: o.id })");
   */
  code<K extends string>(options: CodeOptions<K>): Code {
    return new Code(this.#engine, this.runs, options);
  }

  /**
   * Returns a declared collection of documents, with the type of its documents: an interface, or that of a schema. A
   * document that the schema refuses is `invalid`, and nothing is written. Documents that are read are not checked
   * against it.
   *
   * Errors: it throws `usage` for a schema that cannot be used.
   *
   * @example
   * interface Note { tag: string; text?: string }
   * await rs.documents.declare("notes");
   * const notes = rs.collection<Note>("notes");
   * await notes.insert("n1", { tag: "home" }, { ifAbsent: true });
   */
  collection<T extends object = AnyDocument>(name: string): DocumentCollection<T>;
  collection<I extends object, O extends object>(name: string, options: { schema: StandardSchema<I, O> }): DocumentCollection<O, I>;
  collection<const S extends JsonSchema>(name: string, options: { schema: S }): DocumentCollection<DocumentFromSchema<S>>;
  collection(name: string, options: { schema?: ValueSchema } = {}): DocumentCollection {
    return new DocumentCollection(this.#engine, name, validateOptions("collection", options, { schema: schemaObject }).schema);
  }

  /**
   * Follows committed changes of any process, from now on or after the position `from`. The iteration continues until
   * you leave the loop.
   *
   * Errors: `position_expired` if the store no longer keeps the position; read the documents anew and start without a
   * position.
   *
   * @example
   * for await (const change of rs.changes({ collection: "cvm.executions" })) render(change.id);
   */
  changes(
    options: { collection?: string; id?: string; from?: string } & WaitOptions = {},
  ): AsyncIterable<Change> {
    const { collection, id, from, signal } = validateOptions("changes", options, { collection: text, id: text, from: text, ...WAIT });
    const readPage = async (at: string | undefined, waitMs: number) => {
      const collections = collection === undefined ? undefined : [collection];
      const { events, next } = await this.#store.changes({ from: at, collections, waitMs, signal });
      return { next, events: events.map((event): Change => ({ ...event, deleted: event.revision === null })) };
    };
    return iterate(new ChangeFeed(readPage, from), (change) => id === undefined || change.id === id);
  }

  /** Reads the kind of the store and statistics about its contents. */
  async info(options: WaitOptions = {}): Promise<StoreInfo> {
    return { ...(await this.#store.info(options)), ...(await this.runs.overview(options)) };
  }

  /**
   * Checks whether the store can be read and written, with one read of one row. Resolves to null if it can. Otherwise
   * it resolves to the reason: the store cannot be reached (`unavailable`, `timeout`) or is read-only (`corrupt`,
   * `newer_version`, `read_only`).
   */
  async health(options: WaitOptions = {}): Promise<RunstateError | null> {
    if (this.#closed) throw new RunstateError({ code: "closed", message: "the store is closed; open it again" });
    const error = await this.#store.health(options);
    return error === null ? null : new RunstateError(error);
  }

  /**
   * Checks the whole store; pages can by `runstate/full`. It checks the data of the backend itself, then each document
   * against its schema, then references and index entries. It also checks the heap, output and calls of executions, and
   * the results of commands. It reads everything and changes nothing; other processes may use the store at the same
   * time. The store is intact if no finding has the severity `damage`.
   */
  verify(options: WaitOptions = {}): Promise<VerifyReport> {
    return this.#store.verify(options);
  }

  /** Exports the whole store, or one execution with its program, as JSON lines. The command line reads the same
   * format. */
  async export(options: { execution?: string } & WaitOptions = {}): Promise<Blob> {
    const { execution, signal } = validateOptions("export", options, { execution: text, ...WAIT });
    const parts: Blob[] = [];
    const collect = (chunk: string | null) => {
      if (chunk === null) parts.length = 0;
      // Collected as blobs, because browsers keep large blobs on disk.
      else parts.push(new Blob([chunk]));
    };
    await this.#engine.export(execution === undefined ? {} : { collection: "cvm.executions", id: execution }, collect, signal);
    return new Blob(parts, { type: "application/jsonl" });
  }

  /**
   * Imports an export; pages can by `runstate/full`. It checks the whole export before it writes. Repeated, it
   * continues where it stopped. A later export of the same store updates what an import wrote and nothing has changed
   * here since; nothing else is overwritten. What has changed on both sides is refused as `already_exists`, or kept;
   * see {@link ImportChoices}.
   */
  async import(
    data: Blob | Uint8Array | string,
    options: { onProgress?: (event: Progress) => void } & ImportChoices & WaitOptions = {},
  ): Promise<ImportResult> {
    const { conflicts, restoreDeleted, onProgress, signal } = validateOptions("import", options, {
      ...IMPORT_CHOICES,
      onProgress: callback,
      ...WAIT,
    });
    return this.#engine.import(await toBytes(data), { conflicts, restoreDeleted }, onProgress, signal);
  }

  /** Closes the store. Every later call is rejected as `closed`; closing again has no effect. */
  async close(): Promise<void> {
    this.#closed = true;
    this.driver.stop();
    await this.#engine.close();
  }

  /** Does the same as {@link Runstate.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function toBytes(data: Blob | Uint8Array | string): Promise<Uint8Array> {
  rejectLoneSurrogates("the data to import", data);
  if (typeof data === "string") return new TextEncoder().encode(data);
  if (data instanceof Uint8Array) return data;
  if (typeof data?.arrayBuffer !== "function") throw usageError("the data to import must be a Blob, a Uint8Array or a string");
  return new Uint8Array(await data.arrayBuffer());
}
