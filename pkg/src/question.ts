// A question that an execution asks, or an approval that it awaits.

import type { Json, JsonInput, JsonInputOf } from "./json.js";
import type { CommandOptions } from "./options.js";
import type { ApproveOptions, RejectOptions, Run } from "./run.js";
import type { FromSchema, JsonSchema } from "./schema.js";
import type { CallView, ClaimState } from "./wire.js";

/** An open question of an execution, or a call of a tool that awaits an approval. `A` is the type of the answers. */
export class Question<A extends JsonInput = JsonInput> {
  readonly #run: Run;
  /** The call as the engine reports it. */
  readonly call: CallView;

  /** @internal */
  constructor(run: Run, call: CallView) {
    this.#run = run;
    this.call = call;
  }

  /** The execution that asks the question. */
  get run(): Run {
    return this.#run;
  }

  /** The id of the execution that asks. */
  get execution(): string {
    return this.#run.id;
  }

  /** The id of the question. An answer applies to this question and to no later one. */
  get id(): string {
    return this.call.id;
  }

  /** Whether it awaits an approval: {@link Question.approve} or {@link Question.reject}, before any answer. */
  get isApproval(): boolean {
    return this.call.waitsFor === "approval";
  }

  /** What budgets lack for its cost, if that awaits the approval: `needs 2 USD more in the daily budget of money`. */
  get needs(): string | null {
    return (this.call.shortfall ?? []).length > 0 ? (this.call.refusal?.message ?? null) : null;
  }

  /** The text of the question; empty for a tool. */
  get prompt(): string {
    return this.call.prompt;
  }

  /** The allowed answers; null if any answer is allowed. */
  get choices(): Json[] | null {
    return this.call.choices;
  }

  /** The JSON Schema of the answer; null if there is none. */
  get schema(): JsonSchema | null {
    return this.call.schema as JsonSchema | null;
  }

  /** `cc` for a question; otherwise the name of the tool. */
  get kind(): string {
    return this.call.kind;
  }

  /** The arguments of the tool. */
  get args(): Json {
    return this.call.args;
  }

  /** The key of the call, by which it can also be answered before it is asked; null if it has none. */
  get key(): string | null {
    return this.call.key;
  }

  /** The time from which answers are rejected, in milliseconds since 1970; null if the question waits forever. */
  get deadline(): number | null {
    return this.call.deadline;
  }

  /** The line of the source that asks, from 1. */
  get line(): number {
    return this.call.line;
  }

  /**
   * Answers the question and runs the execution until it waits or ends.
   *
   * Errors: `invalid_answer` if the answer does not match the choices or the schema, which changes nothing;
   * `already_answered` if the question was answered before.
   */
  async answer<V>(value: [JsonInput] extends [A] ? V & JsonInputOf<V> : A, options: { by?: string; cost?: string } & CommandOptions = {}): Promise<Run> {
    return this.#run.answer(value as unknown as JsonInput, { ...options, call: this.id });
  }

  /** Approves it; see {@link Run.approve}. */
  approve(options: ApproveOptions): Promise<Run> {
    return this.#run.approve(this.id, options);
  }

  /** Rejects it; see {@link Run.reject}. */
  reject(options: RejectOptions): Promise<Run> {
    return this.#run.reject(this.id, options);
  }

  /**
   * Returns this question with the answer type of `schema`. It affects only types: the engine validates answers with
   * the program's own schema.
   *
   * @example
   * const schema = { type: "object", required: ["name"], properties: { name: { type: "string" } } } as const;
   * await q.as(schema).answer({ name: "Ada" });
   */
  as<const S extends JsonSchema>(_schema: S): Question<FromSchema<S> & JsonInput> {
    return this as unknown as Question<FromSchema<S> & JsonInput>;
  }
}

/** Whether a worker has a valid claim on a call. */
export function isClaimed(call: CallView, now: number): call is CallView & { claim: ClaimState } {
  return call.claim?.owner != null && call.claim.until > now;
}
