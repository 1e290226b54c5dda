// The store of the extension: it is opened at the first use, and followed as long as the window lives. The lists that
// views show are read again after changes, those of other windows and of the command line included.

import type { CallView, CompiledSource, ExecutionSummary, OpenOptions, Runstate, Status } from "runstate";
import type { StoreChange } from "runstate/types";
import type { SourceOptions } from "runstate/compiler";

import type { Editor } from "./editor.ts";
import { codeOf, detailOf, messageOf, unlessMissing } from "./errors.ts";
import type { Scratch } from "./replay.ts";
import { type SessionRow, SessionReader } from "./sessions/session-reader.ts";
import { WINDOWS } from "./sessions/window-documents.ts";

/** The difference between the desktop and the web: where the store is, and how the WebAssembly is loaded. */
export interface Host {
  /** The name of this host, under which it is registered as a machine. */
  readonly hostname: string;
  open(editor: Editor, options: OpenOptions): Promise<Runstate>;
  compile(editor: Editor, name: string, source: string, files?: SourceOptions): Promise<CompiledSource>;
  /** Opens a store in memory. Where a clock can be simulated, it begins at `now`. */
  scratch(editor: Editor, now: number): Promise<Scratch>;
}

/** The sessions, executions and calls that views show. */
export interface Snapshot {
  /** Sessions with their tasks; those that have not ended first. */
  sessions: SessionRow[];
  /** Those that have not ended, then recent ones; each newest first. */
  executions: ExecutionSummary[];
  /** The calls of all executions that wait for a person: questions, and calls of tools that await an approval. */
  waiting: CallView[];
  /** Documents that the lists leave out, because they cannot be read. */
  damaged: string[];
}

/** The collections whose changes are followed, and {@link WINDOWS} as soon as it is declared. */
const FOLLOWED = ["cvm.executions", "cvm.cc_history", "cvm.outputs", "orchestration.sessions", "orchestration.tasks"];

/** Those that views do not list. */
const UNLISTED: ReadonlySet<string> = new Set(["cvm.outputs", WINDOWS]);

/** How long one poll waits for changes, in milliseconds. */
const POLL_MS = 1000;

/** The largest number of executions that have not ended that views show. */
const SHOWN = 500;

/** The largest number of changed executions that are read one by one. */
const UPDATED = 50;

/** The statuses of executions that have not ended. */
const ACTIVE: Status[] = ["running", "waiting_cc", "paused"];

/** How long changes are collected before the lists are read again, in milliseconds. */
const SETTLE_MS = 100;

/** The longest pause before a store that failed is followed again, in milliseconds. */
const LONGEST_PAUSE_MS = 30_000;

export class Store {
  #opening: Promise<Runstate> | undefined;
  #snapshot: Snapshot = { sessions: [], executions: [], waiting: [], damaged: [] };
  /** The calls that wait for a person, by id; those that have changed since they were read, and new ones. */
  readonly #waiting = new Map<string, CallView>();
  readonly #changedCalls = new Set<string>();
  readonly #newCalls = new Set<string>();
  readonly #sessions = new SessionReader();
  #failure: string | undefined;
  #reportRead: () => void = () => {};
  /** Fulfilled as soon as the snapshot, or the reason why it cannot be read, is known. */
  readonly wasRead = new Promise<void>((resolve) => (this.#reportRead = resolve));
  #listeners: (() => void)[] = [];
  #waitingListeners: ((call: CallView) => void)[] = [];
  #executionListeners: ((execution: string) => void)[] = [];
  #documentListeners: ((collection: string, id: string) => void)[] = [];
  #stopped = new AbortController();
  /** Executions that have changed since the snapshot was updated. */
  #changed = new Set<string>();
  #updating: Promise<void> | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly editor: Editor,
    private readonly host: Host,
  ) {}

  /** The open store. A failed attempt to open it is repeated at the next call. */
  open(): Promise<Runstate> {
    // Work that is left in a window that closes must not open the store anew.
    if (this.#stopped.signal.aborted) return Promise.reject(new Error("the window is closing"));
    // Due work runs programs, so a window without trust leaves it to others.
    const opening = (this.#opening ??= this.host.open(this.editor, { timers: this.editor.isTrusted ? "auto" : "off" }));
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Why the snapshot is not current: the store cannot be opened or read. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Calls `listener` after the snapshot or the failure has changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Calls `listener` with a call that waits for a person, once. */
  onWaiting(listener: (call: CallView) => void): void {
    this.#waitingListeners.push(listener);
  }

  /** Calls `listener` with the id of an execution that has changed. */
  onExecutionChange(listener: (execution: string) => void): () => void {
    this.#executionListeners.push(listener);
    return () => (this.#executionListeners = this.#executionListeners.filter((other) => other !== listener));
  }

  /** Calls `listener` with the collection and the id of a document that has changed. */
  onDocumentChange(listener: (collection: string, id: string) => void): void {
    this.#documentListeners.push(listener);
  }

  /** Follows the store until `close`. A failure is logged, and the store is followed again after a pause. */
  async follow(): Promise<void> {
    const { signal } = this.#stopped;
    for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const attempt = new AbortController();
      const ended = AbortSignal.any([signal, attempt.signal]);
      try {
        const rs = await this.open();
        let { next: from } = await rs.call("store.changes", { waitMs: 0 });
        this.#waiting.clear();
        await this.refresh();
        this.#followWaiting(rs, ended).catch((error: unknown) => attempt.abort(error));
        for (let collections = FOLLOWED; ; ) {
          const page = await rs.call("store.changes", { from, collections, waitMs: POLL_MS }, { signal: ended });
          if (collections === FOLLOWED && (await isDeclared(rs, WINDOWS))) {
            // The page may lack its first changes, so it is read again.
            collections = [...FOLLOWED, WINDOWS];
            continue;
          }
          from = page.next;
          pause = 500;
          page.events.forEach((change) => this.#report(change));
        }
      } catch (error) {
        if (signal.aborted) return;
        // `reopen` closes the store.
        if (codeOf(error) !== "closed") this.#fail(error);
        // Its folder was deleted, or its disk is not there.
        if (codeOf(error) === "unavailable") await this.reopen();
        await new Promise((resolve) => setTimeout(resolve, pause));
      } finally {
        attempt.abort();
      }
    }
  }

  /** Collects the calls that wait for a person. `follow` reports their changes. */
  async #followWaiting(rs: Runstate, signal: AbortSignal): Promise<void> {
    for await (const { call } of rs.questions({ signal })) {
      this.#waiting.set(call.id, call);
      // A change before this line was not collected.
      this.#changedCalls.add(call.id);
      this.#newCalls.add(call.id);
      this.#updateSoon(null);
    }
  }

  #report({ collection, id, document }: StoreChange): void {
    const execution = collection === "cvm.executions" ? id : collection.startsWith("cvm.") ? document : null;
    if (this.#waiting.has(id)) this.#changedCalls.add(id);
    if (execution !== null) this.#executionListeners.forEach((listener) => listener(execution));
    this.#documentListeners.forEach((listener) => listener(collection, id));
    if (collection === "orchestration.tasks") this.#sessions.forgetTasks();
    if (!UNLISTED.has(collection)) this.#updateSoon(execution);
  }

  /** Updates the snapshot after a change, of an execution if there is one. */
  #updateSoon(execution: string | null): void {
    if (execution !== null) this.#changed.add(execution);
    this.#updating ??= new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
      .then(() => {
        this.#updating = undefined;
        const changed = [...this.#changed];
        this.#changed.clear();
        return changed.length > UPDATED || this.#failure !== undefined ? this.refresh() : this.#update(changed);
      })
      .catch((error: unknown) => this.#fail(error));
  }

  /** Reads the snapshot. */
  refresh(): Promise<void> {
    for (const id of this.#waiting.keys()) this.#changedCalls.add(id);
    return this.#inTurn(async (rs) => this.#show(rs, (await rs.list({ status: ACTIVE, limit: SHOWN })).items));
  }

  /** Updates the snapshot after changes of these executions. A list reads all that have not ended, which would
   * block the thread. */
  #update(changed: string[]): Promise<void> {
    return this.#inTurn(async (rs) => {
      // Those that were deleted are missing.
      const summaries = await Promise.all(changed.map((id) => unlessMissing(rs.runs.summary(id))));
      const others = this.#snapshot.executions.filter(({ id }) => !changed.includes(id));
      const active = [...others, ...summaries.filter((summary) => summary !== undefined)].filter(({ status }) => ACTIVE.includes(status));
      await this.#show(rs, active.sort(compareAsListed).slice(0, SHOWN));
    });
  }

  /** Reads one after the other, so that no older snapshot replaces a newer one. */
  #inTurn(read: (rs: Runstate) => Promise<void>): Promise<void> {
    const reading = this.#reading.then(async () => read(await this.open()));
    this.#reading = reading.catch(() => {});
    return reading;
  }

  /** Shows these executions, which have not ended, and what is quick to read. */
  async #show(rs: Runstate, active: ExecutionSummary[]): Promise<void> {
    const finished = this.editor.setting("finishedExecutions");
    const [recent, { sessions, damaged }] = await Promise.all([
      finished === 0 ? { items: [], damaged: [] } : rs.list({ limit: finished }),
      this.#sessions.read(rs),
      this.#readWaiting(rs),
    ]);
    const shown = new Set(active.map(({ id }) => id));
    const executions = [...active, ...recent.items.filter(({ id }) => !shown.has(id))];
    const lost = [...(recent.damaged ?? []), ...damaged].map(({ id }) => id);
    this.#snapshot = { sessions, executions, waiting: [...this.#waiting.values()], damaged: lost };
    this.#failure = undefined;
    this.#reportRead();
    this.#listeners.forEach((listener) => listener());
  }

  /** Reads the changed calls that waited for a person. */
  async #readWaiting(rs: Runstate): Promise<void> {
    for (const id of this.#changedCalls) {
      this.#changedCalls.delete(id);
      const call = await unlessMissing(rs.runs.call(id));
      const isNew = this.#newCalls.delete(id);
      if (call === undefined || !waitsForPerson(call)) {
        this.#waiting.delete(id);
        continue;
      }
      this.#waiting.set(id, call);
      // Not at once: a rule of `rs.code` may approve it.
      if (isNew) this.#waitingListeners.forEach((listener) => listener(call));
    }
  }

  #fail(error: unknown): void {
    if (this.#stopped.signal.aborted) return;
    const failure = messageOf(error);
    if (failure !== this.#failure) this.editor.log("error", `the store cannot be read: ${detailOf(error)}`);
    this.#failure = failure;
    this.#reportRead();
    this.#listeners.forEach((listener) => listener());
  }

  async compile(name: string, source: string, files?: SourceOptions): Promise<CompiledSource> {
    return this.host.compile(this.editor, name, source, files);
  }

  /** Opens a store in memory, which its caller closes. */
  scratch(now = Date.now()): Promise<Scratch> {
    return this.host.scratch(this.editor, now);
  }

  /** Opens the store anew, for example when the person has come to trust the workspace. */
  async reopen(): Promise<void> {
    const previous = this.#opening;
    this.#opening = undefined;
    await previous?.then((rs) => rs.close()).catch(() => {});
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.reopen();
  }
}

/** Whether a collection of the extension, by its whole name, is declared. Without trust this window declares none. */
async function isDeclared(rs: Runstate, name: string): Promise<boolean> {
  return (await rs.documents.collections()).some(({ collection }) => `documents.${collection}` === name);
}

/** Newest first, then by id, as the package lists executions. */
function compareAsListed(a: ExecutionSummary, b: ExecutionSummary): number {
  return b.started - a.started || (a.id < b.id ? -1 : 1);
}

export function waitsForPerson({ waitsFor }: Pick<CallView, "waitsFor">): boolean {
  return waitsFor === "person" || waitsFor === "approval";
}
