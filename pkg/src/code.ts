// `rs.code`: scripts that call the tools of their host. A script is an execution as any other: it waits for people for
// as long as they take, survives its process, and continues where it stopped. No line of it runs twice.

import { untilAborted } from "./abort.js";
import { type NamedTool, type Tools, listTools } from "./code-tools.js";
import { declareTools, searchTools } from "./code-types.js";
import { createFeed } from "./changes.js";
import type { Cvm } from "./cvm.js";
import type { Engine } from "./engine.js";
import { RunstateError, usageError } from "./errors.js";
import type { Json, JsonInputOf } from "./json.js";
import { type CommandOptions, WAIT, type WaitOptions, requireText } from "./options.js";
import { interruptible } from "./stream.js";
import { type OptionValidators, anyOf, anything, callback, flag, integerBetween, objectByKind, positiveInteger, required, text, validateOptions } from "./validation.js";
import type { CallView, CompiledSource, Diagnostic, ExecutionProgress, ProgramError, Status } from "./wire.js";
import type { Handler, Task, WorkerHandle } from "./worker.js";

/** Options of {@link Runstate.code}. */
export interface CodeOptions {
  /** The tools that scripts call, as `tools.crm.find(args)` for `{ crm: { find } }`. */
  tools: Tools;
  /** The limits of each run. */
  limits?: CodeLimits;
  /** Whether this process runs the tools. Without, another one must. Default: true. */
  serve?: boolean;
  /** How many calls of one tool this process runs at once. Default: 16. */
  concurrency?: number;
}

/** The limits of a run. One that reaches a limit fails, but `open`. */
export interface CodeLimits {
  /** The time that it has from its start, in milliseconds, approvals included; at least 1,000. Default: any. */
  ms?: number;
  /** Instructions from one answer to the next. Default: that of the store's settings. */
  instructions?: number;
  /** Memory, as a number of bytes or as `"64 MiB"`. Default: 64 MiB. */
  heap?: number | string;
  /** Printed text from one answer to the next, as `heap`. Default: 256 KiB. */
  output?: number | string;
  /** Calls in all. Default: any number. */
  calls?: number;
  /** Calls that are open at once; further ones wait in a queue. Default: 1,000. */
  open?: number;
}

/** Options of {@link Code.run}. */
export interface RunScriptOptions<I = unknown> extends ResultOptions {
  /** The value of the global `input` in the script. */
  input?: I & JsonInputOf<I>;
  /** The id of the run. A run of the same script under this id is continued; it does not start twice. Default: a new
   * one. */
  id?: string;
}

/** Options of {@link Code.result}. */
export interface ResultOptions extends WaitOptions {
  /** How long to wait for the end, in milliseconds. A run that waits for nothing but people is not waited for. Default:
   * 30,000. */
  waitMs?: number;
}

/** The state of a run. */
export type CodeResult =
  /** It has ended. `output` are the lines that it printed, `calls` the number of its calls. */
  | { status: "complete"; run: string; result: Json; output: string[]; calls: number }
  /** It waits for these calls; or it was paused, if there are none. */
  | { status: "waiting"; run: string; pending: PendingCall[]; output: string[]; calls: number }
  /** It has failed, or was cancelled. A script that does not compile has no run. */
  | { status: "failed"; run: string | null; error: CodeError; output: string[]; calls: number };

/** Why a run failed. */
export interface CodeError {
  /** `compile`: the script was refused and nothing ran. `limit`: a limit was reached. `error`: it threw an error.
   * `cancelled`: it was cancelled. */
  kind: "compile" | "limit" | "error" | "cancelled";
  name: string;
  message: string;
  /** The line of the script, from 1. */
  line?: number;
  column?: number;
  /** What would work. */
  hint?: string;
  /** All complaints of the compiler. */
  diagnostics?: Diagnostic[];
}

/** A call that a run waits for. */
export interface PendingCall {
  /** The id of the call. */
  id: string;
  /** The id of the run. */
  run: string;
  /** `approval`: {@link Code.approve} or {@link Code.reject}. `question`: {@link Code.answer}. `tool`: a process that runs
   * the tool. `timer`: the time. */
  kind: "approval" | "question" | "tool" | "timer";
  /** The tool, as `pay.refund`. */
  name: string;
  /** The arguments; of a question, the text. */
  args: Json;
  /** The answers of a question that are allowed, and their schema. */
  choices?: Json[];
  schema?: Json;
  /** The line of the script, from 1. */
  line: number;
  /** When the call was made, in milliseconds since 1970. */
  since: number;
  /** Its deadline. */
  until?: number;
}

/** A call by its ids. */
export type PendingCallId = Pick<PendingCall, "run" | "id">;

/** What the AI SDK passes to a tool. */
export interface ModelContext {
  toolCallId?: string;
  abortSignal?: AbortSignal;
}

/** What {@link Code.tool} returns: a tool in the form of the AI SDK. */
export interface ModelTool<A, R = CodeResult> {
  description: string;
  // The type of the SDK has a symbol of its own.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  inputSchema: any;
  execute(args: A, context?: ModelContext): Promise<R>;
}

/** The beginning of the names of programs that are scripts. The rest is the hash of the script. */
const PREFIX = "script-";

/** The program that undoes calls, the latest first. One that fails does not prevent the others. */
const REVERT = {
  name: `${PREFIX}revert`,
  source: `
    const undone = [], failed = [];
    for (const { kind, call: id } of input) {
      try { await call(kind, { call: id }); undone.push(id) } catch (e) { failed.push({ call: id, name: e.name, message: e.message }) }
    }
    return { undone, failed };`,
};

/** The kind of calls that undo those of a tool. */
const revertKind = (path: string): string => `${path}.revert`;

/** Most bytes of lines that a result has. */
const OUTPUT_BYTES = 256 * 1024;

const LIMITS: OptionValidators<CodeLimits> = {
  ms: anything, instructions: anything, heap: anyOf(positiveInteger, text), output: anyOf(positiveInteger, text), calls: anything, open: anything,
};

const CODE: OptionValidators<CodeOptions> = { tools: required(objectByKind), limits: objectByKind, serve: flag, concurrency: positiveInteger };

/** The statuses of a run that has ended. */
const ENDED: ReadonlySet<Status> = new Set<Status>(["complete", "error", "cancelled"]);

/** A line number after every line. */
const NO_LINES = Number.MAX_SAFE_INTEGER;

/** The longest wait is that of the timers of JavaScript. */
const RESULT: OptionValidators<ResultOptions> = { waitMs: integerBetween(0, 2 ** 31 - 1), ...WAIT };

/** Scripts over a store, with the tools of their host. Every method rejects with a `RunstateError`. */
export class Code implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #cvm: Cvm;
  readonly #options: CodeOptions;
  readonly #limits: Required<Pick<CodeLimits, "output">> & CodeLimits;
  /** The tools by their paths; undefined if they could not be listed. */
  #listed: Promise<Map<string, NamedTool>> | undefined;
  readonly #closing = new AbortController();
  #worker: WorkerHandle | undefined;

  /** @internal */
  constructor(engine: Engine, cvm: Cvm, options: CodeOptions) {
    this.#engine = engine;
    this.#cvm = cvm;
    this.#options = validateOptions("code", options, CODE);
    const { heap, output = OUTPUT_BYTES, ...others } = validateOptions("code: `limits`", options.limits ?? {}, LIMITS);
    this.#limits = { ...others, ...(heap !== undefined && { heap: bytesOf(heap) }), output: bytesOf(output) };
    // A process that only runs tools calls no method.
    this.#tools().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) engine.warn("code: the tools cannot be listed", error);
    });
  }

  /** The tools by their paths. If they could not be listed, this tries again. */
  #tools(signal?: AbortSignal): Promise<Map<string, NamedTool>> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason as Error);
    const listed = (this.#listed ??= untilAborted(this.#start(), this.#closing.signal));
    listed.catch(() => {
      if (this.#listed === listed) this.#listed = undefined;
    });
    return untilAborted(listed, signal);
  }

  async #start(): Promise<Map<string, NamedTool>> {
    const tools = await listTools(this.#engine, this.#options.tools);
    if (this.#options.serve === false || this.#closing.signal.aborted) return tools;
    const handlers: Record<string, Handler> = {};
    for (const tool of tools.values()) {
      handlers[tool.path] = ((args: Json, task: Task) => tool.run(args, task)) as Handler;
      if (tool.revertable) handlers[revertKind(tool.path)] = ((args: { call: string }, task: Task) => this.#revertCall(tool, args.call, task)) as Handler;
    }
    this.#worker = this.#cvm.worker(handlers, { owner: "code", concurrency: this.#options.concurrency ?? 16 });
    this.#worker.done.catch(() => {});
    // Rules apply also to runs without a caller that waits.
    if ([...tools.values()].some(({ approve }) => approve)) void this.#applyRules();
    return tools;
  }

  /**
   * Runs a script until it has ended, or waits for nothing but people, or `waitMs` have passed. It continues in any case,
   * in this process or in another one that has the tools.
   *
   * @example
   * const r = await code.run(`const late = await tools.crm.find({ days: 30 }); return late.length`);
   * if (r.status === "complete") console.log(r.result);
   */
  async run<I>(script: string, options: RunScriptOptions<I> = {}): Promise<CodeResult> {
    const { waitMs, signal, input, id } = validateOptions("code.run", options, { ...RESULT, input: anything, id: text });
    const tools = await this.#tools(signal);
    let compiled: CompiledSource;
    try {
      compiled = await this.#engine.compile("script.ts", requireText(script, "a script"), { script: true, tools: [...tools.keys()] });
    } catch (error) {
      if (error instanceof RunstateError && error.code === "compile_error") return refusal(error);
      throw error;
    }
    const { hash, ...load } = compiled;
    const name = PREFIX + hash.slice(0, 32);
    await this.#cvm.load({ name, source: script, ...load }, { signal });
    const kinds = compiled.tools ?? [];
    const { ms, calls, open, instructions, heap, output } = this.#limits;
    const policy = { kinds: [...kinds, "cc"], approve: kinds.filter((kind) => tools.get(kind)?.approve), ms, calls, open };
    const run = await this.#startRun(name, { id, input, signal, policy, instructions, heapBytes: heap, outputBytes: output });
    return this.result(run, { waitMs, signal });
  }

  /** Starts a run, unless it was started before under its id. Returns its id. */
  async #startRun(program: string, options: { id?: string | undefined; input?: unknown } & Record<string, unknown>): Promise<string> {
    const { id, input } = options;
    try {
      return (await this.#cvm.start(program, options as object)).id;
    } catch (error) {
      if (!isRefused(error, "already_exists") || id === undefined) throw error;
      const run = await this.#cvm.show(id);
      // A run is that of its script and its input.
      if (run.programName !== program || JSON.stringify(run.input ?? null) !== JSON.stringify(input ?? null)) throw error;
      return id;
    }
  }

  /** Waits for a run as {@link Code.run} does, and returns its state. */
  async result(run: string, options: ResultOptions = {}): Promise<CodeResult> {
    const { waitMs = 30_000, signal } = validateOptions("code.result", options, RESULT);
    await this.#tools(signal);
    const watch = this.#engine.follower.watch(requireText(run, "the id of a run"), signal);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await watch.open();
      timer = setTimeout(() => watch.close(), waitMs);
      for (let isOver = waitMs === 0; ; ) {
        const { progress, pending } = await this.#readProgress(run, signal);
        if (isOver || pending === null || waitsForPeople(pending)) return { ...stateOf(run, progress, pending), output: await this.#readOutput(run, signal) };
        isOver = (await watch.wait()) === "closed";
      }
    } finally {
      clearTimeout(timer);
      watch.close();
    }
  }

  /** Reads the status of a run, and the calls that it waits for; null if it has ended. */
  async #readProgress(run: string, signal: AbortSignal | undefined): Promise<{ progress: ExecutionProgress; pending: CallView[] | null }> {
    for (let isLast = false; ; isLast = true) {
      const progress = await this.#cvm.progress(run, { from: NO_LINES, signal });
      if (ENDED.has(progress.status)) return { progress, pending: null };
      const needed = await Promise.all(progress.calls.map((call) => this.#needsDecision(call)));
      // Calls that were approved here wait for their tools now.
      if (isLast || needed.every(Boolean)) return { progress, pending: progress.calls.filter((_, at) => needed[at]) };
    }
  }

  /** Reads the first lines that a run has printed. */
  async #readOutput(run: string, signal: AbortSignal | undefined): Promise<string[]> {
    const output: string[] = [];
    for (let [from, room] = [0, OUTPUT_BYTES]; ; ) {
      const { lines, next, more } = await this.#cvm.progress(run, { from, signal });
      for (const line of lines) {
        if ((room -= line.length) < 0) return [...output, "… (the rest of the output is left out)"];
        output.push(line);
      }
      if (!more) return output;
      from = next;
    }
  }

  /** Iterates over the approvals and questions of all runs that wait for a person, those that are there and those that
   * come, each once. The iteration continues until you leave the loop. */
  pending(options: WaitOptions = {}): AsyncGenerator<PendingCall, void, void> {
    const { signal } = validateOptions("code.pending", options, WAIT);
    return interruptible(this.#followPending(signal));
  }

  async *#followPending(signal: AbortSignal | undefined): AsyncGenerator<PendingCall, void, void> {
    await this.#tools(signal);
    const feed = createFeed(this.#engine, { kinds: ["call"], signal });
    await feed.ready();
    const seen = new Set<string>();
    const isNew = async (call: CallView) => {
      const isForPeople = call.waitsFor === "approval" || call.waitsFor === "person";
      // A call may wait again, after a retry of its run.
      if (!isForPeople) seen.delete(call.id);
      if (!isForPeople || seen.has(call.id) || !call.programName.startsWith(PREFIX) || !(await this.#needsDecision(call))) return false;
      seen.add(call.id);
      return true;
    };
    for (let changes: { id: string; deleted: boolean }[] | null = null; ; changes = await feed.nextUnlessExpired()) {
      for (const call of changes === null ? await this.#openCalls(signal) : await this.#readCalls(changes, signal)) {
        if (await isNew(call)) yield pendingCall(call);
      }
    }
  }

  /** The open calls that may wait for a person, in the order in which they were made. */
  async #openCalls(signal: AbortSignal | undefined): Promise<CallView[]> {
    const calls: CallView[] = [];
    for (const filter of [{ awaitsApproval: true }, { kind: "cc" }]) {
      for (let cursor: string | undefined; ; ) {
        const page = await this.#cvm.calls({ open: true, ...filter, cursor, signal });
        calls.push(...page.items);
        if (page.next === undefined) break;
        cursor = page.next;
      }
    }
    return calls.sort((a, b) => (a.requestedAt ?? 0) - (b.requestedAt ?? 0) || (a.step ?? 0) - (b.step ?? 0));
  }

  async #readCalls(changes: { id: string; deleted: boolean }[], signal: AbortSignal | undefined): Promise<CallView[]> {
    const calls: CallView[] = [];
    for (const { id } of changes.filter(({ deleted }) => !deleted)) {
      const call = await this.#cvm.call(id, { signal }).catch((error: unknown) => {
        if (isRefused(error, "not_found")) return null;
        throw error;
      });
      if (call !== null) calls.push(call);
    }
    return calls;
  }

  /** Approves the calls that the rules of their tools let pass, while this process runs tools. */
  async #applyRules(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const began = performance.now();
      try {
        for await (const _ of this.#followPending(signal));
      } catch (error) {
        if (signal.aborted || (error instanceof RunstateError && error.code === "closed")) return;
        this.#engine.warn("code: approvals by rules are delayed", error);
        if (performance.now() - began > 60_000) failures = 0;
        let timer: ReturnType<typeof setTimeout> | undefined;
        const pause = new Promise<void>((resolve) => (timer = setTimeout(resolve, Math.min(30_000, 1_000 * 2 ** Math.min(failures, 5)))));
        await untilAborted(pause, signal).catch(() => clearTimeout(timer));
      }
    }
  }

  /** Whether a call waits for what it seems to. A call that its tool's rule lets pass is approved here. */
  async #needsDecision(call: CallView): Promise<boolean> {
    const tool = (await this.#tools()).get(call.kind);
    if (call.waitsFor !== "approval" || tool === undefined || !(await tool.isFree(call.args))) return true;
    try {
      await this.#cvm.approve(call.executionId, { call: call.id, by: "rule", note: `the rule of tools.${tool.path}` });
    } catch (error) {
      // Another process was faster, or the run is paused or has ended.
      const isDecided = ["already_approved", "already_answered", "deadline_passed", "not_found", "illegal_transition"].some((code) => isRefused(error, code));
      if (!isDecided && error instanceof RunstateError && error.retryable) throw error;
      return !isDecided;
    }
    return false;
  }

  /**
   * Approves a call. `args` replace its arguments.
   *
   * Errors: `already_approved`, `already_answered`, `deadline_passed`, `illegal_transition` (the run has ended),
   * `not_found`.
   */
  async approve({ run, id }: PendingCallId, options: { by: string; note?: string; args?: Json } & CommandOptions): Promise<void> {
    await this.#cvm.approve(run, { ...options, call: id });
  }

  /** Rejects a call: the script gets a `RejectedError` with the reason. Errors: as those of {@link Code.approve}. */
  async reject({ run, id }: PendingCallId, options: { by: string; reason?: string } & CommandOptions): Promise<void> {
    await this.#cvm.reject(run, { ...options, call: id });
  }

  /** Answers a question. Errors: `invalid_answer`, `already_answered`, `awaiting_approval`, `not_found`. */
  async answer<A>({ run, id }: PendingCallId, value: A & JsonInputOf<A>, options: { by?: string } & CommandOptions = {}): Promise<void> {
    await this.#cvm.answer(run, { ...options, call: id, answer: value as Json });
  }

  /** Cancels a run, unless it has ended. Its open calls are cancelled; a tool that runs is aborted. */
  async cancel(run: string, options: CommandOptions = {}): Promise<void> {
    await this.#cvm.cancel(run, options).catch((error: unknown) => {
      if (!isRefused(error, "illegal_transition")) throw error;
    });
  }

  /**
   * Undoes the answered calls of a run that has ended, by the `revert` of their tools: the latest first, one after the
   * other. It is a run itself, which survives this process, with the result `{ undone, failed }`. Repeated, it continues,
   * or undoes what failed before; a call that was undone is left. As tools, `revert` runs at least once.
   */
  async revert(run: string, options: ResultOptions = {}): Promise<CodeResult> {
    const { signal } = validateOptions("code.revert", options, RESULT);
    const tools = await this.#tools(signal);
    const { status } = await this.#cvm.progress(requireText(run, "the id of a run"), { from: NO_LINES, signal });
    if (!ENDED.has(status)) throw new RunstateError({ code: "illegal_transition", message: `run ${run} has not ended; cancel it first` });
    await this.#cvm.load({ ...REVERT, script: true }, { signal });
    const undone = new Set<string>();
    for (let attempt = 1; ; attempt += 1) {
      const id = attempt === 1 ? `${run}.revert` : `${run}.revert.${attempt}`;
      const before = await this.#cvm.summary(id, { signal }).catch((error: unknown) => {
        if (isRefused(error, "not_found")) return null;
        throw error;
      });
      if (before !== null && !ENDED.has(before.status)) return this.result(id, options);
      if (before === null) {
        const input = (await this.#answeredCalls(run, signal)).filter((call) => tools.get(call.kind)?.revertable === true && !undone.has(call.id)).map((call) => ({ kind: revertKind(call.kind), call: call.id }));
        if (input.length === 0 && attempt > 1) return this.result(attempt === 2 ? `${run}.revert` : `${run}.revert.${attempt - 1}`, options);
        const policy = { kinds: [...new Set(input.map(({ kind }) => kind))] };
        return this.result(await this.#startRun(REVERT.name, { id, input, signal, policy }), options);
      }
      // Not from its result: it may have been cancelled.
      for (const { args } of await this.#answeredCalls(id, signal)) undone.add((args as { call: string }).call);
    }
  }

  /** The answered calls of a run, the latest first. */
  async #answeredCalls(run: string, signal: AbortSignal | undefined): Promise<CallView[]> {
    const done: CallView[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await this.#cvm.calls({ execution: run, cursor, signal });
      done.push(...page.items.filter((call) => call.outcome === "answered"));
      if (page.next === undefined) break;
      cursor = page.next;
    }
    const at = (call: CallView) => call.response?.timestamp ?? 0;
    return done.sort((a, b) => at(b) - at(a) || (b.step ?? 0) - (a.step ?? 0));
  }

  async #revertCall(tool: NamedTool, id: string, task: Task): Promise<Json> {
    const call = await this.#cvm.call(id);
    return tool.revert(call.args, call.response?.result ?? null, task);
  }

  /** The TypeScript declaration of the tools, in at most about `budget` tokens. Default: 4,000. */
  async types({ budget = 4_000 }: { budget?: number } = {}): Promise<string> {
    return declareTools([...(await this.#tools()).values()], budget);
  }

  /** The declarations of the tools that fit the words best, in at most about `budget` tokens. Default: 2,000. */
  async search(query: string, { limit = 10, budget = 2_000 }: { limit?: number; budget?: number } = {}): Promise<string> {
    return searchTools([...(await this.#tools()).values()], requireText(query, "the words to search for"), limit, budget);
  }

  /**
   * A tool for a model that runs scripts, in the form of the AI SDK (`streamText({ tools: { code: await code.tool() } })`).
   * Its description has {@link Code.types}. With `id`, a call of the tool that is repeated after a crash continues its
   * run: `id: ({ toolCallId }) => toolCallId`.
   */
  async tool(options: { budget?: number; id?: (context: ModelContext) => string | undefined } = {}): Promise<ModelTool<{ script: string; input?: Json }>> {
    const { id, ...rest } = validateOptions("code.tool", options, { budget: positiveInteger, id: callback });
    return {
      description: `${INSTRUCTIONS}\n\n${await this.types(rest)}`,
      inputSchema: modelSchema(["script"], { script: { type: "string", description: "The script." }, input: { description: "The value of `input` in it." } }),
      execute: ({ script, input }, context = {}) => this.run(script, { input: input as never, id: id?.(context), signal: context.abortSignal }),
    };
  }

  /** A tool for a model that reads the state of a run which waited, beside {@link Code.tool}. */
  resultTool(): ModelTool<{ run: string }> {
    return {
      description: "Returns the state of a run that waited: its result, or what it waits for.",
      inputSchema: modelSchema(["run"], { run: { type: "string" } }),
      execute: ({ run }, { abortSignal } = {}) => this.result(run, { signal: abortSignal }),
    };
  }

  /** A tool for a model that finds tools which {@link Code.types} had no room for, beside {@link Code.tool}. */
  searchTool(): ModelTool<{ query: string }, string> {
    return {
      description: "Finds tools that scripts may call, with their types.",
      inputSchema: modelSchema(["query"], { query: { type: "string", description: "Words of names and descriptions." } }),
      execute: ({ query }) => this.search(query),
    };
  }

  /** Stops running tools. Runs continue when a process has the tools again. */
  async close(): Promise<void> {
    this.#closing.abort(usageError("the code was closed"));
    await this.#listed?.catch(() => {});
    // A store that was closed has stopped it.
    await this.#worker?.().catch((error: unknown) => {
      if (!(error instanceof RunstateError) || error.code !== "closed") throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const INSTRUCTIONS = `Runs a TypeScript script: the body of an async function, with \`await\` and \`return\`. It calls tools as \
\`await tools.crm.find({ q: "a" })\`; use \`Promise.all\` for calls that do not need each other. \`await ask("question")\` asks the \
user, \`console.log\` prints. It has no network, no file system and no \`import\`. Return what you need to \
know. A run may wait for a person: it then continues by itself, and \`run\` is its id.`;

/** The schema of an object in the form that the AI SDK makes with `jsonSchema`. */
function modelSchema(required: string[], properties: { [name: string]: Json }): object {
  const validate = (value: unknown) => ({ success: true, value });
  return { [Symbol.for("vercel.ai.schema")]: true, jsonSchema: { type: "object", required, additionalProperties: false, properties }, validate };
}

function isRefused(error: unknown, code: string): boolean {
  return error instanceof RunstateError && error.code === code;
}

/** Whether a run waits for nothing but people. Calls in the queue follow when a person has decided on an earlier one. */
function waitsForPeople(pending: readonly CallView[]): boolean {
  const first = pending.filter(({ waitsFor }) => waitsFor !== "queue");
  return first.length > 0 && first.every(({ waitsFor }) => waitsFor === "approval" || waitsFor === "person");
}

const KIND = { approval: "approval", person: "question", worker: "tool", queue: "tool", time: "timer" } as const;

function pendingCall(call: CallView): PendingCall {
  const { id, executionId: run, kind, waitsFor = "worker", choices, schema, line, requestedAt, deadline } = call;
  return {
    id, run, kind: kind === "cc" ? "question" : KIND[waitsFor], name: kind, args: kind === "cc" ? call.prompt : call.args,
    ...(choices !== null && { choices }), ...(schema !== null && { schema }),
    line, since: requestedAt ?? 0, ...(deadline !== null && { until: deadline }),
  };
}

/** The state of a run without its output. */
function stateOf(run: string, { status, result, error, callsMade: calls }: ExecutionProgress, pending: CallView[] | null): CodeResult {
  const base = { run, calls, output: [] };
  if (pending !== null) return { status: "waiting", ...base, pending: pending.map(pendingCall) };
  return status === "complete" ? { status, ...base, result } : { status: "failed", ...base, error: errorOf(error) };
}

function errorOf(error: ProgramError | null): CodeError {
  if (error === null) return { kind: "cancelled", name: "CancelledError", message: "the run was cancelled" };
  const { name, message, line, column } = error;
  return { kind: name === "LimitError" ? "limit" : "error", name, message, line, column };
}

function refusal(error: RunstateError): CodeResult {
  const { diagnostics = [] } = (error.details ?? {}) as { diagnostics?: Diagnostic[] };
  const [first] = diagnostics;
  const place = first !== undefined && { message: first.message, line: first.line, column: first.column, ...(first.hint && { hint: first.hint }) };
  return { status: "failed", run: null, output: [], calls: 0, error: { kind: "compile", name: "SyntaxError", message: error.message, ...place, diagnostics } };
}

const UNITS: { readonly [unit: string]: number } = { "": 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** A number of bytes, as a number or as `"64 MiB"`. */
function bytesOf(size: number | string): number {
  if (typeof size === "number") return size;
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(size) ?? [];
  const factor = UNITS[unit];
  if (amount === undefined || factor === undefined) throw usageError(`code: ${JSON.stringify(size)} is not a size; write it as "64 MiB"`);
  return Math.floor(Number(amount) * factor);
}
