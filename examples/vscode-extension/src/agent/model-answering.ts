// Answers the questions of agents by the language model that the person chose for the execution. A question that the
// model fails to answer is left to the person: the reason is stored with the call, so no window asks the model again.

import type { CallView, Json, Runstate, Work } from "runstate";

import { formOf } from "../answer-form.ts";
import type { Editor, LanguageModel } from "../editor.ts";
import { codeOf, detailOf, messageOf } from "../errors.ts";
import { oneLine } from "../format.ts";
import type { Store } from "../store.ts";

/** How long a claim of a call lasts without a heartbeat, in milliseconds. */
const LEASE_MS = 20_000;
const HEARTBEAT_MS = LEASE_MS / 3;

/** How often calls are looked for whose lease has ended, in milliseconds: the end of a lease is not a change. */
const CHECK_MS = 5000;

/** How often windows may die while a model answers a call, before the call is left to the person. */
const CLAIMS = 3;

/** Errors of a call that this window must not answer any more. */
const LOST: ReadonlySet<string> = new Set(["stale_claim", "already_answered", "deadline_passed", "illegal_transition", "not_found"]);

/** Leaves a failed call open. */
const STAYS_OPEN = { attempts: 1_000_000, initialMs: 0, longestMs: 0 };

/** An open call, as far as it is needed to answer it. */
type Call = Pick<CallView, "id" | "prompt" | "choices" | "schema" | "kind">;

export class ModelAnswering {
  /** The calls that are being answered. */
  readonly #answering = new Map<string, Promise<void>>();
  /** The calls whose model is not available, which is logged once. */
  readonly #waiting = new Set<string>();
  readonly #stopped = new AbortController();
  #timer: ReturnType<typeof setInterval> | undefined;
  #checking: Promise<void> = Promise.resolve();

  /**
   * `program` is the one whose questions models may answer. `modelOf` returns the id of the model that answers a call;
   * undefined if this window does not serve it, or a person answers.
   */
  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly program: string,
    private readonly modelOf: (call: CallView) => Promise<string | undefined>,
  ) {}

  start(): void {
    this.store.onChange(() => this.#check());
    this.editor.models.onChange(() => this.#check());
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    this.#check();
  }

  /** Releases the calls that the model answers at the moment. */
  async close(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#timer);
    await this.#checking;
    await Promise.all(this.#answering.values());
  }

  #check(): void {
    const log = (error: unknown) => this.editor.log("warn", `questions for models were not read: ${detailOf(error)}`);
    this.#checking = this.#checking.then(() => this.#startAnswering()).catch(log);
  }

  /** Reads the open calls anew: the snapshot may lack some. */
  async #startAnswering(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const rs = await this.store.open();
    for (const call of (await rs.runs.calls({ open: true, program: this.program, kind: "cc", limit: 1000 })).items) {
      const { id, error, availableAt } = call;
      if (error !== null || (availableAt ?? 0) > Date.now() || this.#answering.has(id)) continue;
      const answering = this.#answer(call)
        .catch((failure: unknown) => this.editor.log("error", `${nameOf(call)} was not answered by a model: ${detailOf(failure)}`))
        .finally(() => this.#answering.delete(id));
      this.#answering.set(id, answering);
    }
  }

  async #answer(call: CallView): Promise<void> {
    const id = await this.modelOf(call);
    if (id === undefined) return;
    const model = (await this.editor.models.list()).find((listed) => listed.id === id);
    // Its extension may not have started yet; `onChange` reports it. The person may answer meanwhile.
    if (model === undefined) return this.#logUnavailable(call, id);
    const rs = await this.store.open();
    const work = await rs.runs.claim({ call: call.id, owner: model.name, leaseMs: LEASE_MS });
    if (work === null) return;
    // Another window's model failed after the calls were read: it waits for the person.
    if (work.call.error !== null) return await rs.runs.release(work);
    const lost = new AbortController();
    const heartbeats = setInterval(() => {
      rs.runs.heartbeat(work, LEASE_MS).catch((error: unknown) => {
        if (LOST.has(codeOf(error) ?? "")) lost.abort();
        else this.editor.log("warn", `the claim of ${nameOf(call)} was not renewed: ${detailOf(error)}`);
      });
    }, HEARTBEAT_MS);
    try {
      await this.#answerClaimed(rs, work, call, model, AbortSignal.any([lost.signal, this.#stopped.signal]));
    } catch (error) {
      await this.#giveUp(rs, work, call, model, error);
    } finally {
      clearInterval(heartbeats);
    }
  }

  #logUnavailable(call: Call, model: string): void {
    if (!this.#waiting.has(call.id)) this.editor.log("warn", `${nameOf(call)} waits for you: the model ${model} is not available`);
    this.#waiting.add(call.id);
  }

  /** Asks the model, and once more with the reason if its answer does not fit. */
  async #answerClaimed(rs: Runstate, work: Work, call: Call, model: LanguageModel, signal: AbortSignal): Promise<void> {
    if (work.claimed.attempts > CLAIMS) throw new Error(`windows ended ${CLAIMS} times while the model answered`);
    const messages = [promptOf(call)];
    for (;;) {
      const response = await this.editor.models.ask(model.id, messages, signal);
      try {
        await rs.runs.complete(work, parseResponse(call, response), { by: model.name });
        return this.editor.log("info", `${model.name} answered ${nameOf(call)}`);
      } catch (error) {
        const isRejected = codeOf(error) === "invalid_answer" || error instanceof SyntaxError;
        if (!isRejected || messages.length > 1) throw error;
        this.editor.log("warn", `the answer of ${model.name} to ${nameOf(call)} does not fit: ${detailOf(error)}`);
        messages.push(response, `This answer is not accepted: ${messageOf(error)}. Answer again, in the required form only.`);
      }
    }
  }

  /** Leaves the call to the person, unless it is closed or this window ends. */
  async #giveUp(rs: Runstate, work: Work, call: Call, model: LanguageModel, error: unknown): Promise<void> {
    if (LOST.has(codeOf(error) ?? "")) return this.editor.log("info", `${nameOf(call)} was answered elsewhere`);
    try {
      if (this.#stopped.signal.aborted) return await rs.runs.release(work);
      const message = messageOf(error) || "the model failed";
      await rs.runs.fail(work, message, { by: model.name, retry: STAYS_OPEN });
      this.editor.log("warn", `${model.name} did not answer ${nameOf(call)}, which waits for you: ${detailOf(error)}`);
    } catch (failure) {
      if (!LOST.has(codeOf(failure) ?? "")) throw failure;
      this.editor.log("info", `${nameOf(call)} was answered elsewhere`);
    }
  }
}

function nameOf({ prompt, kind }: Call): string {
  return `“${oneLine(prompt, 60) || kind}”`;
}

/** The question with the form of its answer. */
function promptOf(call: Call): string {
  const { prompt = "", choices, schema } = call;
  if (choices !== null) return `${prompt}\n\nAnswer with exactly one of these values, as JSON: ${JSON.stringify(choices)}`;
  if (formOf(call).kind === "text" && schema === null) return prompt;
  return `${prompt}\n\nAnswer only with JSON that is valid by this JSON Schema, without explanations:\n${JSON.stringify(schema ?? {})}`;
}

/** The answer in a response, which may be in a fenced block. */
function parseResponse(call: Call, response: string): Json {
  if (call.choices === null && call.schema === null) return response.trim();
  const text = /```(?:json)?\s*\n([\s\S]*?)\n\s*```/.exec(response)?.[1] ?? response;
  if (Array.isArray(call.choices) && call.choices.includes(text.trim())) return text.trim();
  return JSON.parse(text) as Json;
}
