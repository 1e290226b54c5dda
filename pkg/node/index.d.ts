/** A plain value: what JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The version of runstate. */
export declare function version(): string;

/**
 * Opens a store, and makes it where there is none.
 *
 * `file:DIR` keeps it in a directory, which other processes (Node, native programs, the command line) may use at the same time;
 * `file:DIR?single_process` also where files cannot be linked, as long as one process alone uses it. `memory:` is gone with this process.
 *
 * @example
 * const runstate = await open("file:./data");
 * const { id, status } = await runstate.start({ program: "greet" });
 * if (status === "waiting_cc") await runstate.answer(id, "Ada");
 * console.log((await runstate.show(id)).output);
 * await runstate.close();
 */
export declare function open(url: string): Promise<Runstate>;

/** An open store with its engine. Every method fails with a {@link RunstateError}. */
export declare class Runstate {
  private constructor();
  /** As {@link open}. */
  static open(url: string): Promise<Runstate>;
  /** Loads a compiled program under its name; the same source again changes nothing, a changed one is the next version. */
  load(load: Load): Promise<LoadedProgram>;
  /** Starts a program and runs it to its first stop. */
  start(start: Start): Promise<Reached>;
  /** Runs an execution that was left running on to its next stop. */
  next(execution: string): Promise<Reached>;
  /** Answers a call with a plain value and runs on to the next stop. `call`: the one that is meant, where several may be open. */
  answer(execution: string, answer: Json, options?: { call?: string }): Promise<Reached>;
  /** All of an execution. */
  show(execution: string): Promise<Execution>;
  /** Ends the use of the store: every later call is refused as `closed`. Closing again is fine. */
  close(): Promise<void>;
}

/** What failed, and whether it may go better next time. Unless the code is `unknown_outcome` nothing was changed. */
export declare class RunstateError extends Error {
  constructor(fields: {
    code: string;
    message: string;
    retryable?: boolean;
    collection?: string;
    key?: string;
    details?: Json;
  });
  readonly name: "RunstateError";
  /** Stable, `snake_case`: `not_found`, `already_answered`, `unavailable`, … */
  readonly code: string;
  /** The same call may succeed later with nothing changed by the caller. */
  readonly retryable: boolean;
  /** The collection concerned. */
  readonly collection: string | undefined;
  /** The id of the document concerned. */
  readonly key: string | undefined;
  /** More, for programs. */
  readonly details: Json | undefined;
}

/** A compiled program, as `runstate` compiles it. */
export interface Load {
  name: string;
  source: string;
  bytecode: Json[];
  /** By what it was compiled. */
  compiler: string;
  description?: string | null;
  tags?: string[] | null;
}

/** What loading came to. */
export interface LoadedProgram {
  id: string;
  name: string;
  programVersion: number;
  /** Whether loading changed anything. */
  changed: boolean;
}

/** What to start. */
export interface Start {
  /** Name of the program; its newest version is taken. */
  program: string;
  /** Id of the execution; without it one is made. */
  id?: string | null;
  /** The program's `input`. */
  input?: Json;
}

/** What an execution is doing. */
export type Status = "running" | "waiting_cc" | "paused" | "complete" | "error" | "cancelled";

/** What a command that drives an execution came to. */
export interface Reached {
  id: string;
  status: Status;
}

/** An execution. Times are milliseconds since 1970. */
export interface Execution {
  id: string;
  programName: string;
  programVersion: number;
  status: Status;
  /** All lines printed so far. */
  output: string[];
  /** The program's value, once complete. */
  result: Json;
  /** Why it failed. */
  error: {
    message: string;
    name: string;
    line: number;
    column: number;
    instruction: number;
    stack: string[];
    timestamp: number;
  } | null;
  /** The open calls. */
  calls: OpenCall[];
  /** SHA-256 of what the execution is, the same wherever it is loaded. */
  stateHash: string;
  started: number;
  completed: number | null;
  lastModified: number;
  metrics: { instructionsExecuted: number; ccCallsCount: number; executionTimeMs: number };
}

/** A call that waits for its answer. */
export interface OpenCall {
  callId: string;
  prompt: string;
  /** The only answers it takes; null: any. */
  choices: Json[] | null;
  /** Who is asked. */
  kind: string;
  /** Line of the source that asks. */
  line: number;
  requestedAt: number;
}
