// The exports that all hosts share. Each entry (node.ts, browser.ts) adds its own `open`.

import type { OpenOptions } from "./open.js";
import type { Runstate } from "./runstate.js";

export { Apps } from "./apps.js";
export { type ArtifactContent, Artifacts, type PutArtifactOptions, type ReadArtifactOptions } from "./artifacts.js";
export {
  type AnyDocument, DocumentCollection, type DocumentFromSchema, type DocumentKey, type DocumentOf, type DocumentPageOf,
  type ExpectOptions, type InsertOptions,
} from "./collection.js";
export type { ChangeSubject, CvmChange } from "./changes.js";
export {
  Code, type CodeError, type CodeLimits, type CodeOptions, type CodeResult, type ModelTool, type PendingCall, type PendingCallId, type ResultOptions,
  type RunScriptOptions,
} from "./code.js";
export {
  type McpClient, type McpOptions, type McpTool, type Tool, type ToolDefinition, type Tools, type ToolServer, mcp, tool,
} from "./code-tools.js";
export { Cvm, type ListOptions, type ProgramSource, type StartOptions } from "./cvm.js";
export { Driver, type DriverState } from "./driver.js";
export { CallFailure, type ErrorInit, ExecutionError, RunstateError } from "./errors.js";
export type { JsonInput, JsonInputOf } from "./json.js";
export type { OpenOptions } from "./open.js";
export type { CommandOptions, ImportChoices, WaitOptions } from "./options.js";
export { Question } from "./question.js";
export { Run, type AnswerOptions, type ShowOptions } from "./run.js";
export { Runstate, type Change, type StoreInfo } from "./runstate.js";
export type { FromSchema, JsonSchema } from "./schema.js";
export type { StandardIssue, StandardResult, StandardSchema, ValueOf, ValueSchema } from "./standard-schema.js";
export type {
  Handler, QuestionHandler, HandlerResult, StepHandler, StepTask, WorkerHandle, Task, ToolHandler, WorkerOptions,
} from "./worker.js";
export type * from "./wire.js";
// A handler's `Task` has the name already.
export type { Task as SessionTask } from "./wire.js";

/**
 * Opens a store and creates it if it does not exist.
 *
 * - `indexeddb:NAME`: a database of this page's origin. All tabs and workers of the origin may use it at the same
 *   time.
 * - `file:DIR`: a folder. Other processes (Node, native programs, the command line) may use it at the same time.
 * - `file:DIR?single_process`: a folder that only one process uses. It also works on file systems without hard links.
 * - `memory:`: a store that ends with this page or process.
 *
 * Errors: `unsupported` if this host does not have the kind of store.
 *
 * @example
 * const rs = await open("indexeddb:my-app");
 * await rs.cvm.load({ name: "greet", source: `console.log("hello " + CC("your name?"))` });
 * const run = await rs.cvm.start("greet");
 * for await (const q of run.questions()) await q.answer("Ada");
 * console.log(run.status, await run.output());
 * await rs.close();
 */
export declare function open(url: string, options?: OpenOptions): Promise<Runstate>;

export declare const version: string;
