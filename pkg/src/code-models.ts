// Tools for models, in the form of the AI SDK.

import type { CodeResult } from "./code-states.js";
import type { Json } from "./json.js";

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

/** What a model must know to write scripts. */
export const INSTRUCTIONS = `Runs a TypeScript script: the body of an async function, with \`await\` and \`return\`. It calls tools as \
\`await tools.crm.find({ q: "a" })\`; use \`Promise.all\` for calls that do not need each other. \`await ask("question")\` asks the \
user, \`console.log\` prints. It has no network, no file system and no \`import\`. Return what you need to \
know. A run may wait for a person: it then continues by itself, and \`run\` is its id.`;

/** Makes a tool. All parameters but the required ones may be left out. */
export function modelTool<A, R = CodeResult>(
  description: string,
  required: string[],
  properties: { [name: string]: Json },
  execute: ModelTool<A, R>["execute"],
): ModelTool<A, R> {
  const jsonSchema = { type: "object", required, additionalProperties: false, properties };
  // As `jsonSchema` of the SDK makes it.
  const inputSchema = { [Symbol.for("vercel.ai.schema")]: true, jsonSchema, validate: (value: unknown) => ({ success: true, value }) };
  return { description, inputSchema, execute };
}
