// `rs.code`: scripts that call the tools of their host. A script is an execution as any other: it waits for people for
// as long as they take, survives its process, and continues where it stopped. No line of it runs twice.

import { type NamedTool, type Tools, listTools } from "./code-tools.js";
import { declareTools, searchTools } from "./code-types.js";
import { createFeed } from "./changes.js";
import type { Cvm } from "./cvm.js";
import type { Engine } from "./engine.js";
import { RunstateError, usageError } from "./errors.js";
import type { Json, JsonInputOf } from "./json.js";
import { type CommandOptions, WAIT, type WaitOptions, requireText } from "./options.js";
import { interruptible } from "./stream.js";
import { type OptionValidators, anyOf, anything, flag, integerBetween, objectByKind, objectOf, positiveInteger, required, text, validateOptions } from "./validation.js";
import type { CallView, CompiledSource, Diagnostic, ExecutionProgress, ProgramError } from "./wire.js";
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

/** What {@link Code.tool} returns: a tool in the form of the AI SDK. */
export interface ModelTool<A> {
  description: string;
  inputSchema: { readonly jsonSchema: Json };
  execute(args: A, context?: { abortSignal?: AbortSignal }): Promise<CodeResult>;
}

/** The beginning of the names of programs that are scripts. The rest is the hash of the script. */
const PREFIX = "script-";

/** The program that undoes calls, the latest first. */
const REVERT = { name: `${PREFIX}revert`, source: "for (const { kind, call: id } of input) await call(kind, { call: id });" };

/** The kind of calls that undo those of a tool. */
const revertKind = (path: string): string => `${path}.revert`;

/** Most bytes of lines that a result has. */
const OUTPUT_BYTES = 256 * 1024;

const LIMITS: OptionValidators<CodeLimits> = {
  ms: anything, instructions: anything, heap: anyOf(positiveInteger, text), output: anyOf(positiveInteger, text), calls: anything, open: anything,
};

const CODE: OptionValidators<CodeOptions> = { tools: required(objectByKind), limits: objectOf(LIMITS), serve: flag, concurrency: positiveInteger };

/** The longest wait is that of the timers of JavaScript. */
const RESULT: OptionValidators<ResultOptions> = { waitMs: integerBetween(0, 2 ** 31 - 1), ...WAIT };

/** Scripts over a store, with the tools of their host. Every method rejects with a `RunstateError`. */
export class Code implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #cvm: Cvm;
  readonly #options: CodeOptions;
  readonly #limits: Required<Pick<CodeLimits, "output">> & CodeLimits;
  /** The tools by their paths. */
  readonly #tools: Promise<Map<string, NamedTool>>;
  readonly #closing = new AbortController();
  #worker: WorkerHandle | undefined;
  /** Whether calls need a person, by their ids: what the rules of their tools said. */
  readonly #decided = new Map<string, Promise<boolean>>();

  /** @internal */
  constructor(engine: Engine, cvm: Cvm, options: CodeOptions) {
    this.#engine = engine;
    this.#cvm = cvm;
    this.#options = validateOptions("code", options, CODE);
    const { heap, output = OUTPUT_BYTES, ...others } = validateOptions("code: `limits`", options.limits ?? {}, LIMITS);
    this.#limits = { ...others, ...(heap !== undefined && { heap: bytesOf(heap) }), output: bytesOf(output) };
    this.#tools = this.#start();
    // Each method reports why the tools could not be listed.
    this.#tools.catch(() => {});
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
    // Rules apply also to runs that nobody waits for.
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
    const tools = await this.#tools;
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
    const run = await this.#startRun(name, { id, input, signal, kinds: [...kinds, "cc"], approve: kinds.filter((kind) => tools.get(kind)?.approve) });
    return this.result(run, { waitMs, signal });
  }

  async #startRun(program: string, { id, kinds, approve, ...options }: { id?: string; input?: unknown; kinds: string[]; approve: string[] } & WaitOptions): Promise<string> {
    const { ms, calls, open, instructions, heap, output } = this.#limits;
    const policy = { kinds, approve, ms, calls, open };
    try {
      const started = await this.#cvm.start(program, { ...options, id, policy, instructions, heapBytes: heap, outputBytes: output } as object);
      return started.id;
    } catch (error) {
      const exists = error instanceof RunstateError && error.code === "already_exists" && id !== undefined;
      if (exists && (await this.#cvm.summary(id)).programName === program) return id;
      throw error;
    }
  }

  /** Waits for a run as {@link Code.run} does, and returns its state. */
  async result(run: string, options: ResultOptions = {}): Promise<CodeResult> {
    const { waitMs = 30_000, signal } = validateOptions("code.result", options, RESULT);
    await this.#tools;
    const watch = this.#engine.follower.watch(requireText(run, "the id of a run"), signal);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await watch.open();
      timer = setTimeout(() => watch.close(), waitMs);
      for (let isOver = waitMs === 0; ; ) {
        const state = await this.#read(run, signal);
        if (isOver || state.status !== "waiting" || waitsForPeople(state.pending)) return state;
        isOver = (await watch.wait()) === "closed";
      }
    } finally {
      clearTimeout(timer);
      watch.close();
    }
  }

  /** Reads the state of a run. */
  async #read(run: string, signal: AbortSignal | undefined): Promise<CodeResult> {
    const output: string[] = [];
    let bytes = 0;
    let progress: ExecutionProgress;
    for (let from = 0; ; from = progress.next) {
      progress = await this.#cvm.progress(run, { from, signal });
      for (const line of progress.lines) {
        bytes += line.length;
        if (bytes > OUTPUT_BYTES) break;
        output.push(line);
      }
      if (bytes > OUTPUT_BYTES) {
        output.push("… (the rest of the output is left out)");
        break;
      }
      if (!progress.more) break;
    }
    const base = { run, output, calls: progress.callsMade };
    switch (progress.status) {
      case "complete":
        return { status: "complete", ...base, result: progress.result };
      case "error":
      case "cancelled":
        return { status: "failed", ...base, error: errorOf(progress.error) };
      default: {
        const needed = await Promise.all(progress.calls.map((call) => this.#needsDecision(call)));
        return { status: "waiting", ...base, pending: progress.calls.filter((_, at) => needed[at]).map(pendingCall) };
      }
    }
  }

  /** Iterates over the approvals and questions of all runs that wait for a person, those that are there and those that
   * come, each once. The iteration continues until you leave the loop. */
  pending(options: WaitOptions = {}): AsyncGenerator<PendingCall, void, void> {
    const { signal } = validateOptions("code.pending", options, WAIT);
    return interruptible(this.#followPending(signal));
  }

  async *#followPending(signal: AbortSignal | undefined): AsyncGenerator<PendingCall, void, void> {
    await this.#tools;
    const feed = createFeed(this.#engine, { kinds: ["call"], signal });
    await feed.ready();
    const seen = new Set<string>();
    const isNew = async (call: CallView) => {
      const isForPeople = call.waitsFor === "approval" || call.waitsFor === "person";
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
        if (error instanceof RunstateError && error.code === "not_found") return null;
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
      try {
        for await (const _ of this.#followPending(signal)) failures = 0;
      } catch (error) {
        if (signal.aborted || (error instanceof RunstateError && error.code === "closed")) return;
        this.#engine.warn("code: approvals by rules are delayed", error);
        await new Promise((resolve) => setTimeout(resolve, Math.min(30_000, 1_000 * 2 ** failures)));
      }
    }
  }

  /** Whether a call waits for what it seems to. A call that its tool's rule lets pass is approved here. */
  async #needsDecision(call: CallView): Promise<boolean> {
    const tool = (await this.#tools).get(call.kind);
    if (call.waitsFor !== "approval" || tool === undefined) return true;
    let decided = this.#decided.get(call.id);
    if (decided === undefined) {
      decided = this.#decide(tool, call);
      this.#decided.set(call.id, decided);
      // A decision that failed is made again.
      decided.catch(() => this.#decided.delete(call.id));
    }
    return decided;
  }

  async #decide(tool: NamedTool, call: CallView): Promise<boolean> {
    const isFree = await tool.isFree(call.args).catch(() => false);
    if (!isFree) return true;
    try {
      await this.#cvm.approve(call.executionId, { call: call.id, by: "rule", note: `the rule of tools.${tool.path}` });
    } catch (error) {
      // Another process was faster, or the run has ended.
      if (!(error instanceof RunstateError) || error.retryable) throw error;
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
    await this.#cvm.cancel(run, options);
  }

  /**
   * Undoes the calls of a run that has ended, by the `revert` of their tools: the latest first, one after the other. It is
   * a run itself, which survives this process. Repeated, it continues; nothing is undone twice.
   */
  async revert(run: string, options: ResultOptions = {}): Promise<CodeResult> {
    const { signal } = validateOptions("code.revert", options, RESULT);
    const tools = await this.#tools;
    const { status } = await this.#cvm.progress(requireText(run, "the id of a run"), { from: 0, signal });
    if (status !== "complete" && status !== "error" && status !== "cancelled") {
      throw new RunstateError({ code: "illegal_transition", message: `run ${run} has not ended; cancel it first` });
    }
    const done: CallView[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await this.#cvm.calls({ execution: run, cursor, signal });
      done.push(...page.items.filter((call) => call.outcome === "answered" && tools.get(call.kind)?.revertable === true));
      if (page.next === undefined) break;
      cursor = page.next;
    }
    const at = (call: CallView) => call.response?.timestamp ?? 0;
    done.sort((a, b) => at(b) - at(a) || (b.step ?? 0) - (a.step ?? 0));
    await this.#cvm.load({ ...REVERT, script: true }, { signal });
    const input = done.map(({ id, kind }) => ({ kind: revertKind(kind), call: id }));
    const kinds = [...new Set(input.map(({ kind }) => kind))];
    return this.result(await this.#startRun(REVERT.name, { id: `${run}.revert`, input, signal, kinds, approve: [] }), options);
  }

  async #revertCall(tool: NamedTool, id: string, task: Task): Promise<Json> {
    const call = await this.#cvm.call(id);
    return tool.revert(call.args, call.response?.result ?? null, task);
  }

  /** The TypeScript declaration of the tools, in at most about `budget` tokens. Default: 4,000. */
  async types({ budget = 4_000 }: { budget?: number } = {}): Promise<string> {
    return declareTools([...(await this.#tools).values()], budget);
  }

  /** The declarations of the tools that fit the words best, in at most about `budget` tokens. Default: 2,000. */
  async search(query: string, { limit = 10, budget = 2_000 }: { limit?: number; budget?: number } = {}): Promise<string> {
    return searchTools([...(await this.#tools).values()], requireText(query, "the words to search for"), limit, budget);
  }

  /**
   * A tool for a model that runs scripts, in the form of the AI SDK (`streamText({ tools: { code: await code.tool() } })`).
   * Its description has {@link Code.types}.
   */
  async tool(options: { budget?: number } = {}): Promise<ModelTool<{ script: string; input?: Json }>> {
    const types = await this.types(options);
    return {
      description: `${INSTRUCTIONS}\n\n${types}`,
      inputSchema: modelSchema({
        type: "object", required: ["script"], additionalProperties: false,
        properties: { script: { type: "string", description: "The script." }, input: { description: "The value of `input` in it." } },
      }),
      execute: ({ script, input }, { abortSignal } = {}) => this.run(script, { ...(input !== undefined && { input: input as never }), ...(abortSignal && { signal: abortSignal }) }),
    };
  }

  /** A tool for a model that reads the state of a run which waited, beside {@link Code.tool}. */
  resultTool(): ModelTool<{ run: string }> {
    return {
      description: "Returns the state of a run that waited: its result, or what it waits for.",
      inputSchema: modelSchema({ type: "object", required: ["run"], additionalProperties: false, properties: { run: { type: "string" } } }),
      execute: ({ run }, { abortSignal } = {}) => this.result(run, { ...(abortSignal && { signal: abortSignal }) }),
    };
  }

  /** Stops running tools. Runs continue when a process has the tools again. */
  async close(): Promise<void> {
    this.#closing.abort(usageError("the code was closed"));
    await this.#tools.catch(() => {});
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
user, \`console.log\` prints. Each call runs once. There is no network, no file system and no \`import\`. Return what you need to \
know. A run may wait for a person: it then continues by itself, and \`run\` is its id.`;

/** A JSON Schema in the form that the AI SDK makes with `jsonSchema`. */
function modelSchema(schema: Json): { readonly jsonSchema: Json } {
  const validate = (value: unknown) => ({ success: true, value });
  return { [Symbol.for("vercel.ai.schema")]: true, jsonSchema: schema, validate } as { readonly jsonSchema: Json };
}

function waitsForPeople(pending: readonly PendingCall[]): boolean {
  return pending.length > 0 && pending.every(({ kind }) => kind === "approval" || kind === "question");
}

const KIND = { approval: "approval", person: "question", worker: "tool", queue: "tool", time: "timer" } as const;

function pendingCall(call: CallView): PendingCall {
  const { id, executionId: run, kind, waitsFor = "worker", choices, schema, line, requestedAt, deadline } = call;
  return {
    id, run, kind: KIND[waitsFor], name: kind, args: kind === "cc" ? call.prompt : call.args,
    ...(choices !== null && { choices }), ...(schema !== null && { schema }),
    line, since: requestedAt ?? 0, ...(deadline !== null && { until: deadline }),
  };
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
