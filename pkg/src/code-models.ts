// Tools for models: in the form of the AI SDK, and with the plain description that other SDKs take.

import type { CodeResult } from "./code-states.js";
import type { Json } from "./json.js";
import { objectByKind } from "./validation.js";

/** What an SDK knows of a call of a tool, under the names of the AI SDK. */
export interface ModelContext {
  toolCallId?: string;
  abortSignal?: AbortSignal;
}

/** What {@link Code.tool} returns: a tool for a model. It has the form of the AI SDK. Other SDKs take its `name`,
 * `description`, `parameters` and `execute`. */
export interface ModelTool<R = CodeResult> {
  name: string;
  description: string;
  /** The JSON Schema of the arguments. It is not in the strict form of OpenAI, in which every parameter is required. */
  parameters: ModelParameters;
  // The type of the SDK has a symbol of its own.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  inputSchema: any;
  /** Runs a call. The arguments are those that the model has written: they are checked here. */
  execute(args: unknown, context?: ModelContext): Promise<R>;
}

/** The JSON Schema of the arguments of a {@link ModelTool}. */
export interface ModelParameters {
  type: "object";
  properties: { [name: string]: { [keyword: string]: Json } };
  required: string[];
  additionalProperties: true;
}

/** What a model must know to write scripts. */
export const INSTRUCTIONS = `Runs a TypeScript script: the body of an async function, with \`await\` and \`return\`. It calls tools as \
\`await tools.crm.find({ q: "a" })\`; use \`Promise.all\` for calls that do not need each other, as in \
\`await Promise.all(list.map((q) => tools.crm.find({ q })))\`. A call that is not awaited is cancelled when the script returns, \
and \`forEach\` awaits nothing. \`await ask("question")\` asks the \
user, \`console.log\` prints. It has no network, no file system and no \`import\`. Return what you need to \
know. A run may wait for a person: it then continues by itself, and \`run\` is its id.`;

/** Makes a tool. All parameters but the required ones may be left out. `execute` must check its arguments. */
export function modelTool<A extends object, R = CodeResult>(
  name: string,
  description: string,
  required: string[],
  properties: ModelParameters["properties"],
  execute: (args: A, context: ModelContext) => Promise<R>,
): ModelTool<R> {
  const parameters: ModelParameters = { type: "object", properties, required, additionalProperties: true };
  // As `jsonSchema` of the AI SDK makes it.
  const inputSchema = { [Symbol.for("vercel.ai.schema")]: true, jsonSchema: parameters, validate: (value: unknown) => ({ success: true, value }) };
  return {
    name, description, parameters, inputSchema,
    execute: async (args, context = {}) => execute((objectByKind.accepts(args) ? args : {}) as A, context),
  };
}
