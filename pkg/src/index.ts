// What the package exports on every host, beside `open`, which each entry makes for its own (node.ts, browser.ts).

import type { OpenOptions } from "./open.js";
import type { Runstate } from "./runstate.js";

export { Cvm, type ListOptions, type Load, type StartOptions } from "./cvm.js";
export { Driver, type DriverState } from "./driver.js";
export { CallFailure, type ErrorInit, ExecutionError, RunstateError } from "./errors.js";
export type { Plain, PlainOf } from "./json.js";
export type { OpenOptions } from "./open.js";
export type { CommandOptions, PageOptions, WaitOptions } from "./options.js";
export { Question } from "./question.js";
export { Run, type AnswerOptions, type ShowOptions } from "./run.js";
export { Runstate, type Change } from "./runstate.js";
export type { FromSchema, JsonSchema } from "./schema.js";
export type { Handler, QuestionHandler, Said, Stop, Task, ToolHandler, WorkerOptions } from "./worker.js";
export type * from "./wire.js";

/**
 * Opens a store, and makes it where there is none.
 *
 * `indexeddb:NAME` is a database of this page's origin, which all its tabs and workers may use at the same time. `file:DIR` is a folder,
 * which other processes (Node, native programs, the command line) may use at the same time; `file:DIR?single_process` also where files
 * cannot be linked, as long as one process alone uses it. `memory:` is gone with this page or process. What a host does not have is
 * refused as `unsupported`.
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

/** The version of runstate. */
export declare const version: string;
