// `rs.code`: scripts that call the tools of their host. A script is an execution as any other: it waits for people for
// as long as they take, survives its process, and continues where it stopped. No line of it runs twice.

import { untilAborted } from "./abort.js";
import { INSTRUCTIONS, type ModelContext, type ModelTool, modelTool } from "./code-models.js";
import { ENDED, type CodeResult, type PendingCall, type PendingCallId, type TypeDiagnostic, pendingCall, refusal, stateOf, unansweredCalls, waitsForPeople } from "./code-states.js";
import { type NamedTool, type Tools, checkTools, listTools } from "./code-tools.js";
import { declareTools, searchTools } from "./code-types.js";
import type { Engine } from "./engine.js";
import { RunstateError, isRefused, usageError } from "./errors.js";
import { followInbox } from "./inbox.js";
import type { Json, JsonInputOf } from "./json.js";
import { type CommandOptions, WAIT, type WaitOptions, requireText } from "./options.js";
import type { ApproveOptions, RejectOptions } from "./run.js";
import type { Runs } from "./runs.js";
import { MAX_UINT32, type OptionValidators, anyOf, anything, callback, checkOptions, flag, integerBetween, objectByKind, objectOf, positiveInteger, required, text, validateOptions } from "./validation.js";
import type { Backoff, CallView, CompiledSource, Diagnostic, ExecutionProgress, ExecutionSummary } from "./wire.js";
import type { Handler, Task, WorkerHandle } from "./worker.js";

/** Options of {@link Runstate.code}. */
export interface CodeOptions<K extends string = string> {
  /** The tools that scripts call, as `tools.crm.find(args)` for `{ crm: { find } }`. */
  tools: Tools<K>;
  /** The limits of each run. */
  limits?: CodeLimits;
  /** Whether this process runs the tools. Without, another one must. Default: true. */
  serve?: boolean;
  /** How many calls of one tool this process runs at once. Default: 16. */
  concurrency?: number;
  /** How often and when a call is tried again whose tool threw a `CallFailure` that is not final, or whose process died:
   * as `backoff` of {@link Runs.worker}. Default: 5 attempts within some minutes. */
  backoff?: Backoff;
  /** Whether the types of a script are checked before it runs, by the schemas of its tools: in Node, if `typescript` is
   * installed. Default: true. */
  checkTypes?: boolean;
}

/** The limits of a run. One that reaches a limit fails, but `open`. */
export interface CodeLimits {
  /** The time that it has from its start, in milliseconds, approvals included; at least 1,000. Default: any. */
  ms?: number;
  /** Instructions from one answer to the next. Default: 1,000,000,000, which take about a minute. */
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

/** How a run is started: its id, its input, and the parameters of `cvm.start`. */
interface StartRun extends Record<string, unknown> {
  id?: string | undefined;
  input?: unknown;
  signal?: AbortSignal | undefined;
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

/** Instructions of a script from one answer to the next. A model's loop without an end must come to one. */
const INSTRUCTIONS_PER_TURN = 1e9;

/** Most bytes of lines that a result has. */
const OUTPUT_BYTES = 256 * 1024;

/** The ranges are those of the engine. */
const LIMITS: OptionValidators<CodeLimits> = {
  ms: integerBetween(1_000, 366 * 100 * 86_400_000), instructions: integerBetween(1, 1e12), heap: anyOf(positiveInteger, text),
  output: anyOf(positiveInteger, text), calls: integerBetween(1, 1e9), open: integerBetween(1, 1_000),
};

/** Numbers of bytes. */
const BYTES: OptionValidators<{ heap?: number; output: number }> = { heap: integerBetween(2 ** 20, 2 ** 32), output: integerBetween(1, 1e12) };

const DELAY = required(integerBetween(0, MAX_UINT32));

const BACKOFF: OptionValidators<Backoff> = { attempts: required(positiveInteger), initialMs: DELAY, longestMs: DELAY };

const CODE: OptionValidators<CodeOptions> = {
  tools: required(objectByKind), limits: objectByKind, serve: flag, concurrency: positiveInteger, backoff: objectOf(BACKOFF), checkTypes: flag,
};

/** The default of `waitMs`. */
const WAIT_MS = 30_000;

/** A line number after every line. */
const NO_LINES = Number.MAX_SAFE_INTEGER;

/** The longest wait is that of the timers of JavaScript. */
const RESULT: OptionValidators<ResultOptions> = { waitMs: integerBetween(0, 2 ** 31 - 1), ...WAIT };

/** Scripts over a store, with the tools of their host. Every method rejects with a `RunstateError`. */
export class Code implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #runs: Runs;
  readonly #options: CodeOptions;
  readonly #limits: Required<Pick<CodeLimits, "output" | "instructions">> & CodeLimits;
  /** The tools by their paths; undefined if they could not be listed. */
  #listed: Promise<Map<string, NamedTool>> | undefined;
  readonly #closing = new AbortController();
  #worker: WorkerHandle | undefined;

  /** @internal */
  constructor(engine: Engine, runs: Runs, options: CodeOptions) {
    this.#engine = engine;
    this.#runs = runs;
    this.#options = validateOptions("code", options, CODE);
    checkTools(engine, options.tools);
    const { heap, output = OUTPUT_BYTES, instructions = INSTRUCTIONS_PER_TURN, ...others } = validateOptions("code: `limits`", options.limits ?? {}, LIMITS);
    const bytes = validateOptions("code: `limits`", { ...(heap !== undefined && { heap: bytesOf(heap) }), output: bytesOf(output) }, BYTES);
    this.#limits = { ...others, instructions, ...bytes };
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
    this.#worker = this.#runs.worker(handlers, { owner: "code", concurrency: this.#options.concurrency ?? 16, backoff: this.#options.backoff, finalAnswers: true });
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
    const { waitMs = WAIT_MS, signal, input, id } = validateOptions("code.run", options, { ...RESULT, input: anything, id: text });
    const tools = await this.#tools(signal);
    let compiled: CompiledSource;
    try {
      compiled = await this.#engine.compile("script.ts", requireText(script, "a script"), { script: true, tools: [...tools.keys()] });
    } catch (error) {
      if (!isRefused(error, "compile_error")) throw error;
      return refusal({ name: "SyntaxError", message: error.message }, (error.details as { diagnostics?: Diagnostic[] } | null)?.diagnostics ?? []);
    }
    const { hash, ...load } = compiled;
    const kinds = compiled.tools ?? [];
    const wrong = await this.#checkTypes(script, kinds.flatMap((kind) => tools.get(kind) ?? []), id, signal);
    if (wrong.length > 0) return refusal({ name: "TypeError", message: "the script has wrong types" }, wrong);
    const name = PREFIX + hash.slice(0, 32);
    await this.#runs.load({ name, source: script, ...load }, { signal });
    const { ms, calls, open, instructions, heap, output } = this.#limits;
    const policy = { kinds: [...kinds, "cc"], approve: kinds.filter((kind) => tools.get(kind)?.approve), ms, calls, open };
    const state = await this.#runFor(waitMs, name, { id, input, signal, policy, instructions, heapBytes: heap, outputBytes: output });
    const warnings = [...(load.warnings ?? []), ...(state.warnings ?? [])];
    return { ...state, ...(warnings.length > 0 && { warnings }) };
  }

  /** The complaints about the types of a script that uses these tools. A run that exists continues in any case. */
  async #checkTypes(script: string, used: NamedTool[], id: string | undefined, signal: AbortSignal | undefined): Promise<TypeDiagnostic[]> {
    const { checkTypes } = this.#engine;
    const isTyped = used.some(({ input, output }) => input !== undefined || output !== undefined);
    if (checkTypes === undefined || this.#options.checkTypes === false || !isTyped) return [];
    if (id !== undefined && (await this.#summary(id, signal)) !== null) return [];
    return untilAborted(checkTypes(script, declareTools(used, Infinity)), signal).catch((error: unknown) => {
      if (!isRefused(error, "unavailable")) throw error;
      this.#engine.warn("code: a script runs without a check of its types", error);
      return [];
    });
  }

  /** The summary of a run; null if there is none. */
  async #summary(id: string, signal: AbortSignal | undefined): Promise<ExecutionSummary | null> {
    return this.#runs.summary(id, { signal }).catch((error: unknown) => {
      if (isRefused(error, "not_found")) return null;
      throw error;
    });
  }

  /** Starts a run as {@link Code.run} does, and returns its state after at most `waitMs` from its first commit. A script
   * that computes goes on in this process. */
  async #runFor(waitMs: number, program: string, { id, signal, ...options }: StartRun): Promise<CodeResult> {
    const run = id ?? newId(this.#engine.now());
    const isNew = id === undefined || (await this.#summary(id, signal)) === null;
    const watch = this.#engine.follower.watch(run, signal);
    const began = performance.now();
    const left = () => Math.max(0, waitMs - (performance.now() - began));
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await watch.open();
      const started = this.#startRun(program, { ...options, id: run, signal });
      // A start that fails later is the matter of the process that continues the run.
      started.catch(() => {});
      // A run that is there already is refused at once if it is another one.
      await (isNew ? Promise.race([started, watch.change()]) : started);
      await Promise.race([started, new Promise<void>((resolve) => (timer = setTimeout(resolve, left())))]);
    } finally {
      clearTimeout(timer);
      watch.close();
    }
    return this.result(run, { waitMs: Math.ceil(left()), signal });
  }

  /** Starts a run, unless it was started before under its id. Returns its id. */
  async #startRun(program: string, options: StartRun & { id: string }): Promise<string> {
    const { id, input } = options;
    try {
      return (await this.#runs.start(program, options as object)).id;
    } catch (error) {
      if (!isRefused(error, "already_exists")) throw error;
      const run = await this.#runs.show(id);
      // A run is that of its script and its input.
      if (run.programName !== program || JSON.stringify(run.input ?? null) !== JSON.stringify(input ?? null)) throw error;
      return id;
    }
  }

  /** Waits for a run as {@link Code.run} does, and returns its state. */
  async result(run: string, options: ResultOptions = {}): Promise<CodeResult> {
    const { waitMs = WAIT_MS, signal } = validateOptions("code.result", options, RESULT);
    await this.#tools(signal);
    const watch = this.#engine.follower.watch(requireText(run, "the id of a run"), signal);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await watch.open();
      timer = setTimeout(() => watch.close(), waitMs);
      for (let isOver = waitMs === 0; ; ) {
        const { progress, pending } = await this.#readProgress(run, signal);
        const isAtRest = pending === null || (progress.status !== "running" && waitsForPeople(pending));
        if (isOver || isAtRest) {
          const warnings = await this.#unansweredCalls(run, progress, signal);
          return { ...stateOf(run, progress, pending), output: await this.#readOutput(run, signal), ...(warnings.length > 0 && { warnings }) };
        }
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
      const progress = await this.#runs.progress(run, { from: NO_LINES, signal });
      if (ENDED.has(progress.status)) return { progress, pending: null };
      const needed = await Promise.all(progress.calls.map((call) => this.#needsDecision(call)));
      // Calls that were approved here wait for their tools now.
      if (isLast || needed.every(Boolean)) return { progress, pending: progress.calls.filter((_, at) => needed[at]) };
    }
  }

  /** What a complete run did not wait for, in words; only its first page of calls is searched. */
  async #unansweredCalls(run: string, { status, callsMade }: ExecutionProgress, signal: AbortSignal | undefined): Promise<string[]> {
    if (status !== "complete" || callsMade === 0) return [];
    return unansweredCalls((await this.#runs.calls({ execution: run, signal })).items);
  }

  /** Reads the first lines that a run has printed. */
  async #readOutput(run: string, signal: AbortSignal | undefined): Promise<string[]> {
    const output: string[] = [];
    const encoder = new TextEncoder();
    for (let [from, room] = [0, OUTPUT_BYTES]; ; ) {
      const { lines, next, more } = await this.#runs.progress(run, { from, signal });
      for (const line of lines) {
        if ((room -= encoder.encode(line).length) < 0) return [...output, "… (the rest of the output is left out)"];
        output.push(line);
      }
      if (!more) return output;
      from = next;
    }
  }

  /** Iterates over the approvals and questions of all runs that wait for a person, as {@link Runs.questions} does over
   * those of all executions: those that are there and those that come, each once. Ends when the signal aborts or the
   * store is closed. */
  pending(options: WaitOptions = {}): AsyncGenerator<PendingCall, void, void> {
    const { signal } = validateOptions("code.pending", options, WAIT);
    return followInbox(this.#engine, { signal }, async (call) => {
      if (!call.programName.startsWith(PREFIX)) return null;
      await this.#tools(signal);
      return (await this.#needsDecision(call)) ? pendingCall(call) : null;
    });
  }

  /** Approves the calls that the rules of their tools let pass, while this process runs tools. */
  async #applyRules(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const began = performance.now();
      try {
        for await (const _ of this.pending({ signal }));
        return;
      } catch (error) {
        if (signal.aborted || isRefused(error, "closed")) return;
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
    // A rule decides for scripts alone: the policy of another program asks a person.
    // And it approves what a tool does, not what it costs.
    const hasRule = call.waitsFor === "approval" && (call.shortfall ?? []).length === 0 && call.programName.startsWith(PREFIX);
    if (!hasRule || tool === undefined || !(await tool.isFree(call.args))) return true;
    try {
      await this.#runs.approve(call.executionId, { call: call.id, by: "rule", note: `the rule of tools.${tool.path}` });
    } catch (error) {
      // Another process was faster, or the run is paused or has ended.
      const isDecided = isRefused(error, "already_approved", "already_answered", "deadline_passed", "not_found", "illegal_transition");
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
  async approve(call: PendingCallId, options: ApproveOptions): Promise<void> {
    const { run, id } = requireCall("code.approve", call, options);
    await this.#runs.approve(run, { ...options, call: id });
  }

  /** Rejects a call: the script gets a `RejectedError` with the reason. Errors: as those of {@link Code.approve}. */
  async reject(call: PendingCallId, options: RejectOptions): Promise<void> {
    const { run, id } = requireCall("code.reject", call, options);
    await this.#runs.reject(run, { ...options, call: id });
  }

  /** Answers a question. Errors: `invalid_answer`, `already_answered`, `awaiting_approval`, `not_found`. */
  async answer<A>(call: PendingCallId, value: A & JsonInputOf<A>, options: { by?: string } & CommandOptions = {}): Promise<void> {
    const { run, id } = requireCall("code.answer", call, options);
    await this.#runs.answer(run, { ...options, call: id, answer: value as Json });
  }

  /** Cancels a run, unless it has ended. Its open calls are cancelled; a tool that runs is aborted. */
  async cancel(run: string, options: CommandOptions = {}): Promise<void> {
    await this.#runs.cancel(run, options).catch((error: unknown) => {
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
    const { status } = await this.#runs.progress(requireText(run, "the id of a run"), { from: NO_LINES, signal });
    if (!ENDED.has(status)) throw new RunstateError({ code: "illegal_transition", message: `run ${run} has not ended; cancel it first` });
    await this.#runs.load({ ...REVERT, script: true }, { signal });
    const undone = new Set<string>();
    for (let attempt = 1; ; attempt += 1) {
      const id = attempt === 1 ? `${run}.revert` : `${run}.revert.${attempt}`;
      const before = await this.#summary(id, signal);
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
      const page = await this.#runs.calls({ execution: run, cursor, signal });
      const [damaged] = page.damaged ?? [];
      if (damaged !== undefined) throw new RunstateError({ code: "corrupt", message: `call ${damaged.id} of run ${run} cannot be read: whether it was answered is not known` });
      done.push(...page.items.filter((call) => call.outcome === "answered"));
      if (page.next === undefined) break;
      cursor = page.next;
    }
    const at = (call: CallView) => call.response?.timestamp ?? 0;
    return done.sort((a, b) => at(b) - at(a) || (b.step ?? 0) - (a.step ?? 0));
  }

  async #revertCall(tool: NamedTool, id: string, task: Task): Promise<Json> {
    const call = await this.#runs.call(id);
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
   * Other SDKs take its `name`, `description`, `parameters` and `execute`. Its description has {@link Code.types}. With
   * `id`, a call of the tool that is repeated after a crash continues its run: `id: ({ toolCallId }) => toolCallId`.
   */
  async tool(options: { budget?: number; id?: (context: ModelContext) => string | undefined } = {}): Promise<ModelTool> {
    const { id, ...rest } = validateOptions("code.tool", options, { budget: positiveInteger, id: callback });
    const parameters = { script: { type: "string", description: "The script." }, input: { description: "The value of `input` in it." } };
    const description = `${INSTRUCTIONS}\n\n${await this.types(rest)}`;
    return modelTool<{ script: string; input?: Json }>("code", description, ["script"], parameters, ({ script, input }, context) =>
      this.run(script, { input: input as never, id: id?.(context), signal: context.abortSignal }),
    );
  }

  /** A tool for a model that reads the state of a run which waited, beside {@link Code.tool}. */
  resultTool(): ModelTool {
    const description = "Returns the state of a run that waited: its result, or what it waits for.";
    return modelTool<{ run: string }>("code_result", description, ["run"], { run: { type: "string" } }, ({ run }, { abortSignal }) => this.result(run, { signal: abortSignal }));
  }

  /** A tool for a model that finds tools which {@link Code.types} had no room for, beside {@link Code.tool}. */
  searchTool(): ModelTool<string> {
    const query = { type: "string", description: "Words of names and descriptions." };
    return modelTool<{ query: string }, string>("code_search", "Finds tools that scripts may call, with their types.", ["query"], { query }, ({ query: words }) => this.search(words));
  }

  /** Stops running tools. Runs continue when a process has the tools again. */
  async close(): Promise<void> {
    this.#closing.abort(usageError("the code was closed"));
    await this.#listed?.catch(() => {});
    // A store that was closed has stopped it.
    await this.#worker?.().catch((error: unknown) => {
      if (!isRefused(error, "closed")) throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The ids of a call, with options that are an object. Callers in JavaScript may pass anything. */
function requireCall(method: string, call: PendingCallId, options: object): PendingCallId {
  const isCall = objectByKind.accepts(call) && typeof call.run === "string" && typeof call.id === "string";
  if (!isCall) throw usageError(`${method} takes a call as its first argument, of \`pending\`: an object { run, id }`);
  checkOptions(method, options);
  return call;
}

/** A new id of a run: a UUID of version 7 (RFC 9562), as those of the engine. Ids sort by their time. */
function newId(now: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  const random = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = Math.floor(now).toString(16).padStart(12, "0");
  return [time.slice(0, 8), time.slice(8), `7${random.slice(0, 3)}`, `8${random.slice(4, 7)}`, random.slice(8)].join("-");
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
