// A question that an execution has asked, to be answered.

import { options as checked } from "./given.js";
import type { Json, Plain, PlainOf } from "./json.js";
import { BY, type CommandOptions } from "./options.js";
import type { Run } from "./run.js";
import type { FromSchema, JsonSchema } from "./schema.js";
import type { OpenCall } from "./wire.js";

/** An open question of an execution; `A` is what it takes as an answer. */
export class Question<A extends Plain = Plain> {
  readonly #run: Run;
  /** The call as the engine tells it. */
  readonly call: OpenCall;

  /** @internal */
  constructor(run: Run, call: OpenCall) {
    this.#run = run;
    this.call = call;
  }

  /** The execution that asks. */
  get run(): Run {
    return this.#run;
  }

  /** The id of the call: the answer is meant for it and for no later one. */
  get callId(): string {
    return this.call.callId;
  }

  /** The question. */
  get prompt(): string {
    return this.call.prompt;
  }

  /** The only answers it takes; null: any. */
  get choices(): Json[] | null {
    return this.call.choices;
  }

  /** What an answer must look like, as JSON Schema; null: anything. */
  get schema(): JsonSchema | null {
    return this.call.schema as JsonSchema | null;
  }

  /** Who is asked: `cc`. */
  get kind(): string {
    return this.call.kind;
  }

  /** The name by which it can be answered too, also before it is asked. */
  get key(): string | null {
    return this.call.key;
  }

  /** From here on no answer is taken, in milliseconds since 1970; null: it waits for ever. */
  get deadline(): number | null {
    return this.call.deadline;
  }

  /** Line of the source that asks, from 1. */
  get line(): number {
    return this.call.line;
  }

  /**
   * Answers it and runs the execution on to its next stop. An answer that does not fit is refused as `invalid_answer` and changes nothing;
   * where somebody else was first, as `already_answered`.
   */
  async answer<V>(value: [Plain] extends [A] ? V & PlainOf<V> : A, options: { by?: string } & CommandOptions = {}): Promise<Run> {
    checked("question.answer", options, BY);
    return this.#run.answer(value as unknown as Plain, { ...options, call: this.callId });
  }

  /**
   * The same question with the type of answers that `schema` takes. It is for types alone: what is checked is the schema of the program.
   *
   * @example
   * await q.as({ type: "object", required: ["name"], properties: { name: { type: "string" } } } as const).answer({ name: "Ada" });
   */
  as<const S extends JsonSchema>(_schema: S): Question<FromSchema<S> & Plain> {
    return this as unknown as Question<FromSchema<S> & Plain>;
  }
}
