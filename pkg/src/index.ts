// The exports that all hosts share. Each entry (node.ts, browser.ts) adds its own `open`. The types of domains are in
// `runstate/apps`, `runstate/fleet` and `runstate/sessions`, those of all operations in `runstate/types`.

import type { OpenOptions } from "./open.js";
import type { Runstate } from "./runstate.js";

export type { ChangeSubject, RunChange } from "./changes.js";
export { Code, type CodeLimits, type CodeOptions, type ResultOptions, type RunScriptOptions } from "./code.js";
export type { ModelContext, ModelParameters, ModelTool } from "./code-models.js";
export type { CodeError, CodeResult, PendingCall, PendingCallId } from "./code-states.js";
export {
  type McpClient, type McpOptions, type McpTool, type Tool, type ToolDefinition, type Tools, type ToolServer, mcp, tool,
} from "./code-tools.js";
export {
  type AnyDocument, DocumentCollection, type DocumentFromSchema, type DocumentKey, type DocumentOf, type DocumentPageOf,
  type ExpectOptions, type InsertOptions,
} from "./collection.js";
export { Driver, type DriverState } from "./driver.js";
export { CallFailure, ExecutionError, RunstateError } from "./errors.js";
export type { Json, JsonInput, JsonInputOf } from "./json.js";
export type { OpenOptions } from "./open.js";
export type { CommandOptions, ImportChoices, WaitOptions } from "./options.js";
export { Question } from "./question.js";
export { type AnswerOptions, type ApproveOptions, type RejectOptions, Run } from "./run.js";
export { type ImportedProgram, type ListOptions, type ProgramSource, type QuestionsOptions, Runs, type StartOptions } from "./runs.js";
export { type Change, Runstate, type StoreInfo } from "./runstate.js";
export type { FromSchema, JsonSchema } from "./schema.js";
export type { StandardIssue, StandardResult, StandardSchema, ValueOf, ValueSchema } from "./standard-schema.js";
export type { Handler, HandlerResult, QuestionHandler, Task, ToolHandler, WorkerHandle, WorkerOptions } from "./worker.js";
export type {
  CallView, CompiledSource, Diagnostic, ErrorCode, Execution, ExecutionProgress, ExecutionStatus, ExecutionSummary,
  ExecutionSummaryPage, FrameView, LoadedProgram, OperationName, Operations, ProgramError, Status, WaitsFor, Work,
} from "./wire.js";

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
 * await rs.load({ name: "greet", source: `console.log("hello " + CC("your name?"))` });
 * const run = await rs.start("greet");
 * for await (const q of run.questions()) await q.answer("Ada");
 * console.log(run.status, await run.output());
 * await rs.close();
 */
export declare function open(url: string, options?: OpenOptions): Promise<Runstate>;

export declare const version: string;
