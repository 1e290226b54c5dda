// A question that an execution asks.

import type { Json, JsonInput, JsonInputOf } from "./json.js";
import type { CommandOptions } from "./options.js";
import type { Run } from "./run.js";
import type { FromSchema, JsonSchema } from "./schema.js";
import type { CallView } from "./wire.js";

/** An open question of an execution. `A` is the type of its answers. */
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

  /** The id of the call. An answer applies to this call and to no later one. */
  get callId(): string {
    return this.call.id;
  }

  /** The text of the question. */
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

  /** The kind of the call, which is `cc` for a question. */
  get kind(): string {
    return this.call.kind;
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
    return this.#run.answer(value as unknown as JsonInput, { ...options, call: this.callId });
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
