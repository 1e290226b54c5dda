// What crosses into the WebAssembly and out of it. The types are made from the Rust sources (generated.ts); what only the package knows is
// added here.

import type { Calls, Execution, ExecutionSummary } from "./generated.js";

export type * from "./generated.js";

/** The name of a call. */
export type Method = keyof Calls;

/** As the engine calls an {@link Execution}. */
export type ExecutionView = Execution;

/** As the engine calls an {@link ExecutionSummary}. */
export type Summary = ExecutionSummary;
