// The sessions that this window drives: its own one, which is created when the window opens and continued when it is
// reloaded, and those that it has recovered. Heartbeats show other windows that it lives. Commands carry the epoch, so
// a session that another window has recovered rejects them.
//
// Every change is one commit with the document of the window, so a window that is killed leaves nothing half-made but
// a task that was added and not started. The document names that task.

import type { ExecutionStatus, Json, Runstate } from "runstate";
import type { Session, SessionSummary } from "runstate/sessions";
import type { CommandParameters } from "runstate/types";
import type { SourceOptions } from "runstate/compiler";

import type { Editor } from "../editor.ts";
import { codeOf, detailOf, messageOf, unlessMissing } from "../errors.ts";
import { startCommandOf } from "../replay.ts";
import type { Store } from "../store.ts";
import { registerMachine } from "./machine.ts";
import { hasEnded } from "./session-reader.ts";
import { type DrivenSession, WINDOWS, type WindowChanges, type WindowDocument, WindowDocuments } from "./window-documents.ts";

/** Times in milliseconds. */
export interface SessionTiming {
  /** Between heartbeats. A session is healthy for 60 seconds after one. */
  beatMs: number;
  /** How long a window has to show that it lives. */
  probeMs: number;
  /** How often a host asks whether its window answers, and how long the window may take. */
  presenceMs: number;
}

export const SESSION_TIMING: SessionTiming = { beatMs: 30_000, probeMs: 3000, presenceMs: 5000 };

/** How old the document of a window may become, in milliseconds, before it is saved again so that it does not
 * expire. */
const RENEWED_MS = 86_400_000;

/** The number of attempts to recover a session whose owner sends heartbeats meanwhile. */
const ATTEMPTS = 32;

/** The errors of a heartbeat to a session that this window does not drive any longer. */
const GONE: ReadonlySet<string> = new Set(["stale_owner", "illegal_transition", "not_found"]);

/** The errors after which the start of a task is not tried again. */
const REJECTED: ReadonlySet<string> = new Set(["stale_owner", "illegal_transition", "not_found", "dependencies_open"]);

export class WindowSessions {
  /** Identifies this start of the extension. */
  readonly #owner = crypto.randomUUID();
  readonly #documents: WindowDocuments;
  #window: WindowDocument | undefined;
  #hasStarted = false;
  #isStarting = false;
  #isClosed = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly hostname: string,
    private readonly timing: SessionTiming,
  ) {
    this.#documents = new WindowDocuments(() => store.open(), timing.probeMs);
    store.onDocumentChange((collection, id) => {
      if (collection === WINDOWS && id === this.#window?.id) void this.#logged(() => this.#answerProbe());
    });
    // Another owner has a higher epoch. The next heartbeat would detect it, but later.
    store.onChange(() => this.#isSuperseded() && void this.#logged(() => this.#beat()));
  }

  /** Creates or continues the session of this window, and begins its heartbeats. A failure is logged; the next
   * heartbeat tries again. */
  start(): void {
    if (this.editor.project === undefined || this.#timer !== undefined) return;
    const tick = () => void this.#logged(() => (this.#hasStarted ? this.#beat() : this.#begin()));
    this.#timer = setInterval(tick, this.timing.beatMs);
    // In Node the timer must not keep the process alive.
    if (typeof this.#timer === "object") this.#timer.unref();
    tick();
  }

  /** The epoch under which this window drives the session; undefined if it does not. */
  epochOf({ id, epoch }: Pick<Session, "id" | "epoch">): number | undefined {
    return this.#window?.sessions.some((driven) => driven.id === id && driven.epoch === epoch) ? epoch : undefined;
  }

  /**
   * Loads and runs a program, as a task of this window's session; by itself if the session runs a task already or is
   * paused, or if there is none. It is loaded last of all, because another window may load a program of the same name.
   */
  async runProgram(program: string, source: string, input: Json | undefined, files: SourceOptions = {}): Promise<Pick<ExecutionStatus, "id" | "status">> {
    const id = crypto.randomUUID();
    const load = async () => (await this.store.open()).load({ name: program, source, ...files });
    const run = await this.#runTask(program, load, input);
    if (run !== undefined) return run;
    await load();
    return (await this.store.open()).start(program, { id, commandId: startCommandOf(id), input });
  }

  /** Undefined: nothing was started. */
  async #runTask(program: string, load: () => Promise<unknown>, input: Json | undefined): Promise<ExecutionStatus | undefined> {
    const task = `vscode-${crypto.randomUUID()}`;
    const epoch = await this.#serially(async () => {
      const session = await this.#ownSession().catch((error: unknown) => this.#log(error));
      const isBusy = this.#window?.starting !== null || session?.currentTaskId !== null;
      if (isBusy || session?.status !== "active") return undefined;
      const parameters = { sessionId: session.id, id: task, name: program, program, epoch: session.epoch };
      const command = { name: "orchestration.task.add", parameters: input === undefined ? parameters : { ...parameters, input } };
      await load();
      await this.#change(() => ({ starting: task }), command);
      this.#isStarting = true;
      return session.epoch;
    });
    return epoch === undefined ? undefined : this.#startTask(task, epoch);
  }

  /** Recovers a session in this window. One that another window drives is taken from it. */
  recover(id: string): Promise<void> {
    return this.#serially(async () => {
      const own = await this.#ownSession();
      if (own === undefined) throw new Error("this window has no sessions: open a folder first");
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#recover(id, own.machineId);
        } catch (error) {
          // A heartbeat of the other window has made the session active again.
          if (codeOf(error) !== "illegal_transition" || attempt === ATTEMPTS) throw error;
        }
      }
    });
  }

  async #recover(id: string, machine: string): Promise<void> {
    const rs = await this.store.open();
    const session = await rs.sessions.session.show(id);
    // Stalled, its task runs on under the new epoch. It would fail with a session that fails.
    if (!hasEnded(session) && session.status !== "stalled") await rs.sessions.session.stall(id, { reason: "it was moved to another window" });
    const task = session.status === "failed" ? await findInterruptedTask(rs, id) : undefined;
    const driven = { id, project: session.projectId, epoch: session.epoch + 1 };
    const withDriven = ({ sessions }: WindowDocument) => ({ sessions: [...sessions.filter((other) => other.id !== id), driven] });
    const parameters = { id, machine };
    const command = { name: "orchestration.session.recover", parameters: task === undefined ? parameters : { ...parameters, task } };
    const { epoch } = (await this.#change(withDriven, command)) as unknown as SessionSummary;
    if (epoch === driven.epoch) return;
    // It was recovered elsewhere, and stalled again, after it was read.
    driven.epoch = epoch;
    await this.#change(withDriven);
  }

  /** Sends a heartbeat to all driven sessions, and forgets those that another window drives or that have ended. */
  beat(): Promise<void> {
    return this.#serially(() => this.#beat());
  }

  /** Ends the heartbeats. The next window of this workspace may continue at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#last;
    if (this.#window !== undefined) await this.#change(() => ({ owner: null })).catch((error: unknown) => this.#log(error));
    this.#window = undefined;
  }

  async #begin(): Promise<void> {
    if (await this.#ownSession()) this.#hasStarted = true;
  }

  /** The session of this window's project that it drives, which is created if there is none. Undefined in a window
   * without a folder. */
  async #ownSession(): Promise<Session | undefined> {
    const { project: workspace } = this.editor;
    if (workspace === undefined) return undefined;
    this.#window ??= await this.#documents.take(workspace.id, this.#owner);
    await this.#beat();
    const rs = await this.store.open();
    const own = this.#window?.sessions.find(({ project }) => project === workspace.name);
    if (own !== undefined) return rs.sessions.session.show(own.id);
    const created: DrivenSession = { id: `vscode-${crypto.randomUUID()}`, project: workspace.name, epoch: 1 };
    const parameters = { id: created.id, project: created.project, machine: await registerMachine(rs, this.hostname) };
    const command = { name: "orchestration.session.create", parameters };
    if (this.#window !== undefined) await this.#change(({ sessions }) => ({ sessions: [...sessions, created] }), command);
    else {
      const window = { id: crypto.randomUUID(), workspace: workspace.id, owner: this.#owner, probe: null, sessions: [created], starting: null };
      this.#window = await this.#documents.insert(window, command);
    }
    return rs.sessions.session.show(created.id);
  }

  async #beat(): Promise<void> {
    const window = await this.#read();
    if (window === undefined) return;
    const rs = await this.store.open();
    const machines = new Set<string>();
    const gone = new Set<string>();
    for (const driven of window.sessions) {
      try {
        machines.add((await rs.sessions.session.heartbeat(driven.id, { epoch: driven.epoch })).machineId);
      } catch (error) {
        if (!GONE.has(codeOf(error) ?? "")) throw error;
        gone.add(driven.id);
        this.editor.log("info", `this window gives session ${driven.id} up: ${detailOf(error)}`);
        if (codeOf(error) === "stale_owner") this.editor.inform(`The session “${driven.project}” continues in another window. This window no longer drives it.`);
      }
    }
    for (const machine of machines) await rs.sessions.machine.heartbeat(machine);
    const isOld = window.savedAt < Date.now() - RENEWED_MS;
    if (gone.size > 0 || isOld) await this.#change(({ sessions }) => ({ sessions: sessions.filter(({ id }) => !gone.has(id)) }));
    if (this.#window !== undefined) await this.#startPending(this.#window);
  }

  /** Starts the task that was added last. It may run for long, so heartbeats do not wait for it. */
  async #startTask(task: string, epoch: number): Promise<ExecutionStatus | undefined> {
    const forget = () => this.#serially(() => this.#change(() => ({ starting: null })));
    try {
      const rs = await this.store.open();
      // The first execution of a task has this id.
      const { execution } = await rs.sessions.task.start(task, { epoch, commandId: startCommandOf(`task:${task}:0`) });
      await forget();
      return execution ?? undefined;
    } catch (error) {
      const isRejected = REJECTED.has(codeOf(error) ?? "");
      // The task was started before the window was killed, or it cannot start. It stays in the list with its status.
      if (isRejected) await forget();
      throw isRejected ? error : new Error(`the task is stored, and starts with a later heartbeat of this window: do not run it again. ${messageOf(error)}`, { cause: error });
    } finally {
      this.#isStarting = false;
    }
  }

  /** Starts the task that this window had added when it was killed. */
  async #startPending({ starting, sessions }: WindowDocument): Promise<void> {
    if (starting === null || this.#isStarting) return;
    const rs = await this.store.open();
    const task = await unlessMissing(rs.sessions.task.show(starting));
    const session = task?.status === "pending" ? sessions.find(({ id }) => id === task.sessionId) : undefined;
    if (session === undefined) return void (await this.#change(() => ({ starting: null })));
    this.#isStarting = true;
    void this.#startTask(starting, session.epoch).catch((error: unknown) => this.#log(error));
  }

  /** The document of this window; undefined if another window has taken it. */
  async #read(): Promise<WindowDocument | undefined> {
    if (this.#window === undefined) return undefined;
    const window = await this.#documents.get(this.#window.id);
    const isOwner = window?.owner === this.#owner;
    this.#window = isOwner ? window : undefined;
    // It was deleted with the folder of the store: the next heartbeat creates another.
    if (window === undefined) this.#hasStarted = false;
    else if (!isOwner) this.editor.inform("Another window continues the sessions of this window, which did not answer in time. This window no longer drives them.");
    return this.#window;
  }

  /** Changes the document of this window, which also answers a probe. */
  async #change(changes: (window: WindowDocument) => WindowChanges, command?: CommandParameters): Promise<Json> {
    for (;;) {
      const window = await this.#read();
      if (window === undefined) throw new Error("another window continues the sessions of this window; nothing was changed");
      try {
        const changed = await this.#documents.change(window, { probe: null, ...changes(window) }, command);
        this.#window = changed.window;
        return changed.result;
      } catch (error) {
        // A probe has changed it.
        if (codeOf(error) !== "conflict") throw error;
      }
    }
  }

  async #answerProbe(): Promise<void> {
    const window = await this.#read();
    if (window?.probe) await this.#change(() => ({}));
  }

  #isSuperseded(): boolean {
    const { sessions = [] } = this.#window ?? {};
    return this.store.snapshot.sessions.some(({ session }) => sessions.some(({ id, epoch }) => id === session.id && epoch < session.epoch));
  }

  /** Runs one change after the other. */
  #serially<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }

  async #logged(act: () => Promise<void>): Promise<void> {
    await this.#serially(async () => (this.#isClosed ? undefined : act())).catch((error: unknown) => this.#log(error));
  }

  #log(error: unknown): undefined {
    this.editor.log("warn", `sessions: ${detailOf(error)}`);
  }
}

/** The task of a failed session whose program has not ended. */
async function findInterruptedTask(rs: Runstate, session: string): Promise<string | undefined> {
  const { items } = await rs.sessions.task.list({ session, status: "failed", limit: 1000 });
  for (const { id, executionId } of items) {
    if (executionId === null) continue;
    const { status } = await rs.run(executionId);
    if (status === "running" || status === "waiting_cc" || status === "paused") return id;
  }
  return undefined;
}
