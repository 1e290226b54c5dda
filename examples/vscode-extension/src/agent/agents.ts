// Agents: executions of `programs/agent.run.ts`. The execution's input names its workspace and what answers its
// questions, so every window knows both. The windows of that workspace serve its tools as workers: one of them claims
// each call, and another one takes over after the lease.

import type { CallView, Json, Task } from "runstate";

import type { Answering } from "../answering.ts";
import type { Choice, Editor, LanguageModel } from "../editor.ts";
import { detailOf, isInterruption, messageOf, unlessMissing } from "../errors.ts";
import { RUN_PAGE } from "../run-page.ts";
import type { WindowSessions } from "../sessions/window-sessions.ts";
import type { Store } from "../store.ts";
import { ConfinedFiles, ToolRefusal } from "./confined-files.ts";
import { digestOf } from "./edit-decisions.ts";
import { EditTool } from "./edits.ts";
import { ModelAnswering } from "./model-answering.ts";
import { EDIT_TOOL, kindOf } from "./tool-kind.ts";
import { type Started, runScript, scriptTools } from "./scripts.ts";
import { ReadingTools, type ToolArguments, toArguments } from "./tools.ts";

/** The name of the agents' program. */
export const AGENT = "ask-agent";

/** The input of the program. */
type AgentInput = {
  task: string;
  /** The short name of the workspace, which the kinds of tool calls end with. */
  workspace: string;
  /** The model that answers; missing: the person does. */
  model?: Pick<LanguageModel, "id" | "name">;
};

/** How long a claim of a tool call lasts without a heartbeat, in milliseconds. */
const LEASE_MS = 20_000;

/** How long running tools may continue when the window closes, in milliseconds. Edits that wait for the person are
 * left to the next window. */
const GRACE_MS = 500;

/** Claims that end with their window count as attempts too, and an edit may wait for the person through any number of
 * windows. */
const BACKOFF = { attempts: 1_000_000, initialMs: 1000, longestMs: 10_000 };

/** After how many attempts an error is the answer. */
const TRIES = 3;

/** The pause before tools are served again after the store failed, in milliseconds. */
const PAUSE_MS = 5000;

export class Agents {
  readonly #edits: EditTool;
  readonly #reading: ReadingTools;
  readonly #models: ModelAnswering;
  readonly #inputs = new Map<string, AgentInput>();
  readonly #listeners: (() => void)[] = [];
  readonly #stopped = new AbortController();
  #serving: Promise<void> = Promise.resolve();

  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly answering: Answering,
    private readonly sessions: WindowSessions,
    private readonly presenceMs: number,
  ) {
    const files = new ConfinedFiles(editor.workspace);
    this.#edits = new EditTool(editor, store, files, () => this.#report());
    this.#reading = new ReadingTools(files);
    this.#models = new ModelAnswering(editor, store, AGENT, (call) => this.#modelOf(call));
    store.onChange(() => void this.#readInputs().catch((error: unknown) => editor.log("warn", `agents were not read: ${detailOf(error)}`)));
  }

  /** Serves the agents of the workspace until `close`. Only a trusted window may. */
  start(): void {
    if (this.editor.workspace.id === undefined) return;
    this.#models.start();
    this.#serving = this.#serve();
  }

  /** Leaves what is not finished to other windows. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await Promise.all([this.#models.close(), this.#serving]);
  }

  /** Asks the person for a task and starts an agent. */
  async ask(): Promise<void> {
    const workspace = await this.#workspace();
    if (workspace === undefined) return this.editor.inform("Open a folder first: an agent works on the files of a folder.");
    const validate = (text: string) => (text.trim() === "" ? "Write a task, for example: explain how the settings are read" : undefined);
    const typed = await this.editor.input({ title: "Ask an agent", prompt: "The task for this folder", validate });
    if (typed === undefined || !("text" in typed)) return;
    const chosen = await this.#chooseModel();
    if (chosen === undefined) return;
    const source = new TextDecoder().decode(await this.editor.asset("programs/agent.run.ts"));
    const input: AgentInput = { task: typed.text.trim(), workspace, ...(chosen.value && { model: chosen.value }) };
    const run = await this.sessions.runProgram(AGENT, source, input);
    this.editor.log("info", `agent ${run.id} was started; its questions are answered by ${chosen.label}`);
    this.editor.showPage(RUN_PAGE, run.id);
    if (chosen.value === undefined) await this.answering.answerNext(run.id);
  }

  /** Starts a script with the tools of the workspace that only read. Returns its run, or why it does not compile. */
  async runScript(source: string): Promise<Started> {
    return runScript(await this.store.open(), this.#reading, await this.#workspace(), source);
  }

  /** Asks again about an edit; without a call, about the first one that waits. */
  reviewEdit(call?: string): void {
    this.#edits.review(call);
  }

  /** Says, for lists, whether a model or the person answers the questions of an agent; undefined for other
   * executions. */
  noteOf(execution: string): string | undefined {
    const input = this.#inputs.get(execution);
    return input && `answered by ${input.model?.name ?? "you"}`;
  }

  /** The calls whose edits wait for the person in this window. */
  get edits(): CallView[] {
    return this.#edits.waiting;
  }

  /** Calls `listener` when notes become known, and when edits change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async #chooseModel(): Promise<Choice<LanguageModel | undefined> | undefined> {
    const models = await this.editor.models.list();
    const person = { label: "you", description: "you choose each step yourself", value: undefined };
    if (models.length === 0) return person;
    const choices = models.map((model) => ({ label: model.name, description: model.id, value: model }));
    return this.editor.pick<LanguageModel | undefined>("Ask an agent", "Its questions are answered by", [...choices, person]);
  }

  /** A short name of the workspace, the same in all its windows. */
  async #workspace(): Promise<string | undefined> {
    const { id } = this.editor.workspace;
    return id === undefined ? undefined : (await digestOf(id)).slice(0, 16);
  }

  async #modelOf({ executionId, programName }: CallView): Promise<string | undefined> {
    if (programName !== AGENT) return undefined;
    const input = await this.#readInput(executionId);
    return input?.workspace === (await this.#workspace()) ? input?.model?.id : undefined;
  }

  async #readInputs(): Promise<void> {
    const unknown = this.store.snapshot.executions.filter(({ id, programName }) => programName === AGENT && !this.#inputs.has(id));
    if (unknown.length === 0) return;
    await Promise.all(unknown.map(({ id }) => this.#readInput(id)));
    this.#report();
  }

  #report(): void {
    this.#listeners.forEach((listener) => listener());
  }

  /** The input of an agent, which never changes. */
  async #readInput(id: string): Promise<AgentInput | undefined> {
    const known = this.#inputs.get(id);
    if (known !== undefined) return known;
    const rs = await this.store.open();
    const input = (await unlessMissing(rs.call("cvm.show", { id, hash: false })))?.input;
    if (isAgentInput(input)) this.#inputs.set(id, input);
    return this.#inputs.get(id);
  }

  /** Serves the tools while the window answers: what a closed window claims would wait for a person who is elsewhere.
   * A worker ends if the store fails too, and is started again after a pause. */
  async #serve(): Promise<void> {
    const { signal } = this.#stopped;
    const workspace = (await this.#workspace()) ?? "";
    const kind = (tool: string) => kindOf(tool, workspace);
    const handlers = {
      [kind("listFiles")]: answers((args, task) => this.#reading.listFiles(args, task.signal)),
      [kind("readFile")]: answers((args) => this.#reading.readFile(args)),
      [kind("search")]: answers((args, task) => this.#reading.search(args, task.signal)),
      [kind(EDIT_TOOL)]: answers((args, task) => this.#edits.apply(args, task)),
    };
    while (!signal.aborted) {
      const round = new AbortController();
      const serving = AbortSignal.any([signal, round.signal]);
      try {
        await Promise.race([this.editor.responds(), aborted(serving)]);
        void this.#untilAbsent(serving).then(() => round.abort());
        const rs = await this.store.open();
        const code = rs.code({ tools: scriptTools(this.#reading, workspace) });
        await rs.worker(handlers, { owner: "VS Code", leaseMs: LEASE_MS, graceMs: GRACE_MS, backoff: BACKOFF, signal: serving }).done.finally(() => code.close());
      } catch (error) {
        if (signal.aborted) return;
        this.editor.log("warn", `the tools of agents are not served: ${detailOf(error)}`);
        await pause(PAUSE_MS, signal);
      } finally {
        round.abort();
      }
    }
  }

  /** Waits until the window does not answer for a while; ends early if `signal` is aborted. */
  async #untilAbsent(signal: AbortSignal): Promise<void> {
    for (let present = true; present && !signal.aborted; ) {
      await pause(this.presenceMs, signal);
      present = await Promise.race([this.editor.responds().then(() => true), pause(this.presenceMs, signal).then(() => false)]);
    }
  }
}

/** A handler that answers with the reason if the tool refuses. Other errors are retried by the engine, and are the
 * answer if they persist. An interruption never is one. */
function answers(tool: (args: ToolArguments, task: Task) => Promise<Json>) {
  return async (args: Json, task: Task): Promise<Json> => {
    try {
      if (task.program !== AGENT) throw new ToolRefusal("only an agent may use the tools of a workspace");
      return await tool(toArguments(args), task);
    } catch (error) {
      if (error instanceof ToolRefusal) return { error: error.message };
      if (task.signal.aborted || isInterruption(error) || task.attempt < TRIES) throw error;
      return { error: messageOf(error) };
    }
  };
}

function isAgentInput(input: unknown): input is AgentInput {
  return typeof input === "object" && input !== null && "workspace" in input && "task" in input;
}

/** Waits; ends early if `signal` is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve());
    if (signal.aborted) resolve();
  });
}
