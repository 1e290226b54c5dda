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
  answer(execution: string, answer: Json, options?: { call?: string; by?: string }): Promise<Reached>;
  /**
   * Answers the call under a key (`CC(prompt, { key })`), whether it was asked already or not: an answer that comes first is kept.
   * `occurrence`: the how-manyth call of the execution under that key, from 1.
   */
  answer(execution: string, answer: Json, options: { key: string; occurrence?: number; by?: string }): Promise<Reached>;
  /** Lets an execution rest; answers that come meanwhile are kept. */
  pause(execution: string): Promise<Reached>;
  /** Lets a resting execution go on. */
  unpause(execution: string): Promise<Reached>;
  /** Ends an execution for good. */
  cancel(execution: string): Promise<Reached>;
  /** Lets a failed execution go on at the failing instruction. */
  retry(execution: string): Promise<Reached>;
  /** Removes a finished execution with everything that belongs to it. */
  delete(execution: string): Promise<void>;
  /** Hands one open call of these kinds, or this call, to a worker until its lease ends; null: there is none. */
  claim(claim: ({ kinds: string[] } | { call: string }) & { owner: string; leaseMs?: number }): Promise<Work | null>;
  /** Tells that a claimed call is still worked on; resolves to the new end of its lease. Refused as `stale_claim`: stop. */
  heartbeat(work: Work, leaseMs?: number): Promise<number>;
  /** Gives a claimed call its answer and runs its execution on. */
  complete(work: Work, answer: Json, options?: { by?: string }): Promise<Reached>;
  /** Tells that a claimed call could not be done. With `retry` it is tried again later; else its program is thrown an error. */
  fail(
    work: Work,
    message: string,
    options?: { name?: string; by?: string; retry?: { attempts: number; initialMs: number; longestMs: number } },
  ): Promise<{ retryAt: number | null; reached: Reached | null }>;
  /** Gives a claimed call back for others to take at once. */
  release(work: Work): Promise<void>;
  /** Does what is due now: timers, deadlines, executions left by dead processes, what has expired. Several hosts may do so at once. */
  runDue(limit?: number): Promise<Due>;
  /** When {@link runDue} has something to do next, in milliseconds since 1970; null: not before something is commanded. */
  nextDue(): Promise<number | null>;
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

/** A call in a worker's hands. */
export interface Work {
  call: OpenCall;
  programName: string;
  /** The claim: `token` tells the one who holds it from those who held it before, `until` is the end of the lease. */
  claimed: { call: string; execution: string; token: number; until: number; attempts: number };
}

/** What was due and done. */
export interface Due {
  /** Executions that went on. */
  woken: number;
  deleted: number;
  /** Rows that had expired. */
  swept: number;
  /** There is more than was asked for. */
  more: boolean;
  /** Executions for which it could not be done; the others are not held up by them. */
  failed: { execution: string; error: { code: string; message: string } }[];
}

/** A call that waits for its answer. */
export interface OpenCall {
  callId: string;
  /** The how-manyth call of the execution it is, from 1. */
  step: number;
  /** The question; empty for tools and timers. */
  prompt: string;
  /** What a tool is given. */
  args: Json;
  /** The only answers it takes; null: any. */
  choices: Json[] | null;
  /** What an answer must look like, as JSON Schema; null: anything. */
  schema: Json;
  /** Who is asked: `cc`, the name of a tool, `timer`, `fs.readFile`, … */
  kind: string;
  /** The name by which it can be answered too. */
  key: string | null;
  /** From here on no answer is taken, in milliseconds since 1970. */
  deadline: number | null;
  /** What the program gets when the deadline has passed; missing: it is thrown a `TimeoutError`. */
  default?: Json;
  /** Who works on it. */
  owner: string | null;
  /** Line of the source that asks. */
  line: number;
  requestedAt: number;
}
