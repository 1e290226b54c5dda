// The tools of `rs.code`: their definitions, and their names in scripts. The path of a tool, `crm.find`, is the kind of
// its calls.

import { jsonSchemaOf } from "./code-types.js";
import type { Engine } from "./engine.js";
import { CallFailure, RunstateError, usageError } from "./errors.js";
import { encodeAnswer, toWellFormed } from "./json-encoding.js";
import type { Json } from "./json.js";
import type { JsonSchema } from "./schema.js";
import { type InputOf, SchemaCheck, type ValueOf, type ValueSchema, isStandard } from "./standard-schema.js";
import { anyOf, callback, flag, objectByKind, required, schemaObject, text, validateOptions } from "./validation.js";
import type { HandlerResult, Task } from "./worker.js";

/** The mark of what {@link tool} and {@link mcp} return. Copies of the package share it. */
const MARK = Symbol.for("runstate.tool");

/** The result of a tool. It becomes what `JSON.stringify` makes of it: a date becomes text, functions are left out. */
type Result<T> = T | Promise<T>;

/** The value of a schema. Without one it is `T`: the type that the function declares is a promise of the caller. */
type ValueIn<S, T> = [S] extends [ValueSchema] ? ValueOf<S> : T;

/** The arguments of a tool that declares no type for them. */
export interface ToolArguments {
  readonly [name: string]: Json;
}

/** A tool of scripts, as {@link tool} takes it. Without a schema, `A` is the type of its arguments and `R` that of its
 * result as JSON kept it. */
export interface ToolDefinition<I extends ValueSchema | undefined, O extends ValueSchema | undefined, A = ToolArguments, R = Json> {
  /** What it does, for the author of scripts. */
  description?: string;
  /** The schema of its arguments. Others are refused before the tool runs. */
  input?: I;
  /** The schema of its result. */
  output?: O;
  /** Whether a person approves each call before it runs, or those for which the function returns true. The function
   * must depend on the arguments alone. */
  approve?: boolean | ((args: ValueIn<I, A>) => Result<boolean>);
  /** Undoes a call, for {@link Code.revert}. `result` is what JSON kept of the result. */
  revert?: (args: ValueIn<I, A>, result: ValueIn<O, R>, task: Task) => Result<HandlerResult | void>;
  /** Runs a call. An error that it throws is thrown in the script, with its name, message and code. Throw a
   * `CallFailure` to have the call retried. */
  run: (args: ValueIn<I, A>, task: Task) => Result<O extends ValueSchema ? InputOf<O> : unknown>;
}

/** A tool of scripts. {@link tool} makes it. */
export interface Tool {
  readonly [MARK]: "tool";
  readonly definition: ToolDefinition<ValueSchema | undefined, ValueSchema | undefined>;
}

/** The tools of an MCP server. {@link mcp} makes it. */
export interface ToolServer {
  readonly [MARK]: "server";
  readonly client: McpClient;
  readonly options: McpOptions;
}

/** Tools by their names: functions, tools, servers, and objects of them. A function may declare the type of its
 * arguments, and an object may have an interface as its type: so any object is accepted here, and `rs.code` refuses
 * those that are none of these. */
export type Tools<K extends string = string> = {
  readonly [P in K]: Tool | ToolServer | Tools | ((args: ToolArguments, task: Task) => unknown) | object;
};

/** The methods of an MCP client that are used, as `Client` of `@modelcontextprotocol/sdk` has them. */
export interface McpClient {
  listTools(params?: { cursor?: string }): Promise<{ tools: McpTool[]; nextCursor?: string | undefined }>;
  callTool(params: { name: string; arguments?: Record<string, unknown> }, schema?: undefined, options?: { signal?: AbortSignal }): Promise<unknown>;
}

/** A tool as an MCP server lists it. */
export interface McpTool {
  name: string;
  description?: string | undefined;
  inputSchema?: unknown;
  outputSchema?: unknown;
}

/** Options of {@link mcp}. */
export interface McpOptions {
  /** Whether a person approves the calls of a tool, by the name that the server gives it. Default: no. */
  approve?: boolean | ((name: string, args: Json) => boolean);
}

/**
 * Makes a tool for the scripts of `rs.code`.
 *
 * @example
 * const refund = tool({
 *   description: "Refunds an order.",
 *   input: { type: "object", required: ["order"], properties: { order: { type: "string" } } } as const,
 *   approve: true,
 *   run: async ({ order }) => pay.refund(order),
 * });
 */
export function tool<
  const I extends ValueSchema | undefined = undefined,
  const O extends ValueSchema | undefined = undefined,
  A = ToolArguments,
  R = Json,
>(definition: ToolDefinition<I, O, A, R>): Tool {
  validateOptions("tool", definition, {
    description: text, input: schemaObject, output: schemaObject, approve: anyOf(flag, callback), revert: callback, run: required(callback),
  });
  return { [MARK]: "tool", definition: definition as unknown as Tool["definition"] };
}

/**
 * The tools of an MCP server, for the scripts of `rs.code`. Letters of their names that no JavaScript name has become
 * `_`. The client must be connected.
 *
 * @example
 * const code = rs.code({ tools: { github: mcp(client) } });
 */
export function mcp(client: McpClient, options: McpOptions = {}): ToolServer {
  validateOptions("mcp", options, { approve: anyOf(flag, callback) });
  if (!objectByKind.accepts(client) || typeof client.listTools !== "function") throw usageError("mcp takes a connected client of an MCP server");
  return { [MARK]: "server", client, options };
}

/** A tool under its path. */
export interface NamedTool {
  /** As `crm.find`. */
  readonly path: string;
  readonly description: string | undefined;
  readonly input: ValueSchema | undefined;
  readonly output: ValueSchema | undefined;
  /** Whether its calls wait for an approval unless `isFree` says otherwise. */
  readonly approve: boolean;
  readonly revertable: boolean;
  /** Whether a call runs without an approval. */
  isFree(args: Json): Promise<boolean>;
  run(args: Json, task: Task): Promise<Json>;
  revert(args: Json, result: Json, task: Task): Promise<Json>;
}

const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** Longest path, in bytes: that of a kind. */
const PATH_BYTES = 100;

/** Most tools that one server may list. */
const MAX_LISTED = 10_000;

/** A member of the tools, under its path. */
interface Member {
  path: string;
  member: Tool | ToolServer | Handler;
}

type Handler = (args: never, task: Task) => unknown;

/** Throws if a tool has no name that scripts can use, or a schema that cannot be used. */
export function checkTools(engine: Engine, tools: Tools): void {
  for (const { path, member } of members("", tools)) {
    if (typeof member === "function" || member[MARK] === "tool") checkPath(path);
    if (typeof member !== "function" && member[MARK] === "tool") defineTool(engine, path, member.definition);
  }
}

/** Returns the tools with their paths. Asks servers for theirs. */
export async function listTools(engine: Engine, tools: Tools): Promise<Map<string, NamedTool>> {
  const found = new Map<string, NamedTool>();
  for (const { path, member } of members("", tools)) {
    if (typeof member === "function") add(found, defineTool(engine, path, { run: member as never }));
    else if (member[MARK] === "tool") add(found, defineTool(engine, path, member.definition));
    else for (const one of await serverTools(engine, path, member)) add(found, one);
  }
  return found;
}

/** The functions, tools and servers, without those of servers. */
function* members(prefix: string, tools: object): Generator<Member> {
  if (prefix.length > PATH_BYTES) throw usageError("rs.code: `tools` contains itself, or is nested too deeply");
  if (!objectByKind.accepts(tools)) throw usageError(`rs.code: \`tools${prefix && `.${prefix}`}\` must be a function, what \`tool\` or \`mcp\` returns, or an object of them`);
  for (const [name, member] of Object.entries(tools)) {
    if (!NAME.test(name)) throw usageError(`rs.code: ${JSON.stringify(name)} cannot be the name of a tool; use a JavaScript name`);
    const path = prefix === "" ? name : `${prefix}.${name}`;
    if (typeof member === "function") yield { path, member: member.bind(tools) };
    else if (!objectByKind.accepts(member) || !(MARK in member)) yield* members(path, member);
    else yield { path, member: member as Tool | ToolServer };
  }
}

function checkPath(path: string): void {
  const problem =
    /^(?:cc|timer)$|^(?:fs|tools)\./.test(path) ? "is a name of the language"
    : new TextEncoder().encode(path).length > PATH_BYTES ? `is longer than ${PATH_BYTES} bytes`
    : undefined;
  if (problem !== undefined) throw usageError(`rs.code: the tool \`${path}\` ${problem}; rename it`);
}

function add(found: Map<string, NamedTool>, tool: NamedTool): void {
  checkPath(tool.path);
  if (found.has(tool.path)) throw usageError(`rs.code: the tool \`${tool.path}\` occurs twice; rename it`);
  found.set(tool.path, tool);
}

function defineTool(engine: Engine, path: string, definition: Tool["definition"]): NamedTool {
  const { description, input, output, approve = false, revert, run } = definition;
  const inputCheck = new SchemaCheck(engine, `the schema \`input\` of tools.${path}`, input);
  const outputCheck = new SchemaCheck(engine, `the schema \`output\` of tools.${path}`, output);
  const takesObject = input !== undefined && jsonSchemaOf(input, "input")?.type === "object";
  // A call without arguments has null in the store.
  const none = takesObject ? {} : input === undefined || isStandard(input) ? undefined : null;
  const argsOf = (args: Json) => checked(inputCheck, `the arguments of tools.${path}`, args ?? none) as Promise<never>;
  const tool: NamedTool = {
    path, description, input, output, approve: approve !== false, revertable: revert !== undefined,
    // A rule that fails leaves the decision to a person, as do arguments that the tool refuses: another process may
    // have a version of the tool that takes them.
    isFree: async (args) => typeof approve === "function" && !(await inTime(argsOf(args).then(approve)).catch(() => true)),
    run: (args, task) =>
      answered(task, `the result of tools.${path}`, async () => {
        // The policy of a run is that of the process that started it, which may know less of the tool.
        if (tool.approve && task.call.approval?.approved !== true && !(await tool.isFree(args))) {
          throw new CallFailure(`tools.${path} runs only calls that were approved, and this one asked for no approval`, { name: "NotAllowedError", final: true });
        }
        const result = await run(await argsOf(args), task);
        // A JSON Schema describes JSON.
        return checked(outputCheck, `the result of tools.${path}`, output !== undefined && !isStandard(output) ? toJson(result) : result);
      }),
    revert: (args, result, task) => answered(task, `the result of undoing tools.${path}`, async () => revert?.(await argsOf(args), result as never, task)),
  };
  return tool;
}

/** As {@link SchemaCheck.check}, with a TypeError. */
async function checked(schema: SchemaCheck, label: string, value: unknown): Promise<unknown> {
  try {
    return await schema.check(label, value);
  } catch (error) {
    throw error instanceof RunstateError ? new TypeError(error.message, { cause: error }) : error;
  }
}

/** Longest time of a rule for approvals, in milliseconds. */
const RULE_MS = 10_000;

async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(usageError("the rule takes too long")), RULE_MS)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function serverTools(engine: Engine, prefix: string, { client, options }: ToolServer): Promise<NamedTool[]> {
  const found: NamedTool[] = [];
  let cursor: string | undefined;
  do {
    const { tools, nextCursor } = await client.listTools(cursor === undefined ? undefined : { cursor }).catch((cause: unknown) => {
      const message = `the tools of the server \`${prefix}\` cannot be listed: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new RunstateError({ code: "unavailable", message, retryable: true }, { cause });
    });
    for (const listed of tools) {
      const name = nameOf(listed);
      const twins = found.filter(({ path }) => path.replace(/_\d+$/, "") === `${prefix}.${name}`).length;
      found.push(serverTool(engine, `${prefix}.${twins === 0 ? name : `${name}_${twins + 1}`}`, client, listed, options));
    }
    if (found.length > MAX_LISTED) throw usageError(`rs.code: the server \`${prefix}\` lists more than ${MAX_LISTED} tools`);
    cursor = nextCursor === cursor ? undefined : nextCursor;
  } while (cursor !== undefined);
  return found;
}

/** The name of a tool of a server in scripts. */
function nameOf({ name }: McpTool): string {
  return name.replace(/^(?![\p{ID_Start}$_])/u, "_").replace(/[^\p{ID_Continue}$]/gu, "_");
}

function serverTool(engine: Engine, path: string, client: McpClient, { name, description, inputSchema, outputSchema }: McpTool, options: McpOptions): NamedTool {
  const approve = options.approve ?? false;
  const run = async (args: Json, { signal }: Task) => contentOf(await client.callTool({ name, arguments: (args ?? {}) as Record<string, unknown> }, undefined, { signal }));
  // The server checks its arguments and its results.
  return {
    ...defineTool(engine, path, { description, approve: typeof approve === "function" ? (args) => approve(name, args as Json) : approve, run: run as never }),
    input: objectByKind.accepts(inputSchema) ? (inputSchema as JsonSchema) : undefined,
    output: objectByKind.accepts(outputSchema) ? (outputSchema as JsonSchema) : undefined,
  };
}

/** The value of the result of an MCP tool: its structured content, else its text, which is parsed if it is the JSON of a
 * list or an object. */
function contentOf(result: unknown): unknown {
  const { structuredContent, content = [], isError } = result as { structuredContent?: unknown; content?: { type: string; text?: string }[]; isError?: boolean };
  const lines = content.map((part) => (part.type === "text" ? (part.text ?? "") : `[${part.type}]`)).join("\n");
  if (isError === true) throw new Error(lines || "the tool failed");
  if (structuredContent !== undefined) return structuredContent;
  if (!/^\s*[[{]/.test(lines)) return lines;
  try {
    return JSON.parse(lines);
  } catch {
    return lines;
  }
}

/** What JSON makes of a value. */
function toJson(value: unknown): Json {
  const encoded = JSON.stringify(value);
  return encoded === undefined ? null : (JSON.parse(encoded) as Json);
}

/** Largest result of a tool, in bytes of its JSON. */
const RESULT_BYTES = 2 ** 20;

/** Longest name and code of an error, in bytes. */
const NAME_BYTES = 200;

/** Returns the result that is stored. Throws if it cannot be, because a tool that has run must not run again. */
function storable(label: string, value: unknown): Json {
  const json = toJson(value);
  JSON.stringify(json, (key, member: unknown) => {
    if (key.includes("\0")) throw new TypeError(`${label} has a key with a NUL`);
    const lone = [key, member].find((text) => typeof text === "string" && toWellFormed(text) !== text);
    if (lone !== undefined) throw new TypeError(`${label} has half of a surrogate pair in ${JSON.stringify(lone)}, which UTF-8 cannot encode. Cut texts between characters`);
    return member;
  });
  const bytes = new TextEncoder().encode(encodeAnswer(json)).length;
  if (bytes > RESULT_BYTES) throw new RangeError(`${label} has ${bytes} bytes of JSON; at most ${RESULT_BYTES} are stored. Return less`);
  return json;
}

/** A text of an error as it can be stored; undefined if it is none, or too long. */
function shortText(text: unknown): string | undefined {
  if (typeof text !== "string" || text === "") return undefined;
  const formed = toWellFormed(text);
  return new TextEncoder().encode(formed).length <= NAME_BYTES ? formed : undefined;
}

/** Runs a handler. What it throws is final, and is thrown in the script. `label` names its result. */
async function answered(task: Task, label: string, handler: () => Promise<unknown>): Promise<Json> {
  try {
    return storable(label, await handler());
  } catch (thrown) {
    // A call that was interrupted runs again, here or elsewhere.
    if (thrown instanceof CallFailure || task.signal.aborted) throw thrown;
    const isError = typeof thrown === "object" && thrown !== null && "message" in thrown;
    const { name, message, code } = (isError ? thrown : { name: "Error", message: String(thrown) }) as { name?: unknown; message: unknown; code?: unknown };
    throw new CallFailure(String(message), { name: shortText(name) ?? "Error", code: shortText(code), final: true });
  }
}
