// What crosses into the WebAssembly and out of it: the calls by name, with what they take and what they give.

import type { Json, Plain } from "./json.js";

/** Stable names of what can fail; never renamed. */
export type ErrorCode =
  | "illegal_transition" | "not_found" | "already_exists" | "in_use" | "invalid" | "limit" | "stale" | "already_answered"
  | "invalid_answer" | "ambiguous_call" | "deadline_passed" | "stale_claim" | "needs_recompile" | "invalid_bytecode"
  | "command_id_reused" | "compile_error" | "usage" | "io" | "conflict" | "unique_violation" | "unknown_outcome" | "unavailable"
  | "full" | "corrupt" | "too_large" | "read_only" | "newer_version" | "unsupported" | "closed" | "invalid_url"
  | "position_expired" | "internal";

/** What an execution is doing. */
export type Status = "running" | "waiting_cc" | "paused" | "complete" | "error" | "cancelled";

/** How much of an execution is logged. */
export type LogLevel = "off" | "calls" | "instructions";

/** What a command that drives an execution came to. */
export interface Reached {
  id: string;
  status: Status;
}

/** What loading came to. */
export interface LoadedProgram {
  id: string;
  name: string;
  programVersion: number;
  /** Whether loading changed anything. */
  changed: boolean;
}

/** What a program threw that nobody caught. */
export interface ProgramFault {
  message: string;
  name: string;
  line: number;
  column: number;
  instruction: number;
  stack: string[];
  timestamp: number;
}

/** A call that waits for its answer. Times are milliseconds since 1970. */
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
  /** From here on no answer is taken. */
  deadline: number | null;
  /** What the program gets when the deadline has passed; missing: it is thrown a `TimeoutError`. */
  default?: Json;
  /** Who works on it. */
  owner: string | null;
  /** The end of that one's lease, unless it says more. */
  leaseUntil?: number;
  /** Line of the source that asks. */
  line: number;
  /** The variables visible there by name, cut with a mark (`…`); missing: none are known. */
  variables?: Json;
  requestedAt: number;
}

/** All of an execution. Times are milliseconds since 1970. */
export interface ExecutionView {
  id: string;
  programName: string;
  programVersion: number;
  status: Status;
  /** All lines printed so far. */
  output: string[];
  /** The program's value, once complete. */
  result: Json;
  /** Why it failed. */
  error: ProgramFault | null;
  /** The open calls. */
  calls: OpenCall[];
  /** SHA-256 of what the execution is, the same wherever it is loaded. */
  stateHash: string;
  started: number;
  completed: number | null;
  lastModified: number;
  metrics: { instructionsExecuted: number; ccCallsCount: number; executionTimeMs: number };
}

/** What is seen of an execution at a glance. */
export interface Seen {
  status: Status;
  /** Lines printed since the look that said `from`. */
  lines: string[];
  /** Where the next look goes on. */
  next: number;
  /** The open calls. */
  calls: OpenCall[];
  /** Calls asked so far. */
  asked: number;
}

/** One line of a list of executions. */
export interface Summary {
  id: string;
  programName: string;
  programVersion: number;
  status: Status;
  /** What it waits for. */
  prompt: string | null;
  openCalls: number;
  started: number;
  lastModified: number;
}

/** A call in a worker's hands. */
export interface Work {
  call: OpenCall;
  programName: string;
  claimed: Claimed;
}

/** A claim: `token` tells the one who holds it from those who held it before, `until` is the end of the lease. */
export interface Claimed {
  call: string;
  execution: string;
  token: number;
  until: number;
  attempts: number;
}

/** When a failed call is tried again: after `initial`, then twice as long each time, in milliseconds. */
export interface Backoff {
  attempts: number;
  initialMs: number;
  longestMs: number;
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
  failed: { execution: string; error: { code: ErrorCode; message: string } }[];
}

/** Rows of a list, and where its next page begins; `next` missing: there is none. */
export interface Paged<T> {
  rows: T[];
  next?: string;
}

/** A call, open or closed. Times are milliseconds since 1970. */
export interface CallRow {
  id: string;
  executionId: string;
  programName: string;
  step?: number;
  kind: string;
  key?: string;
  prompt?: string;
  args?: Json;
  choices?: Json;
  schema?: Json;
  default?: Json;
  line?: number;
  askedAt?: number;
  availableAt?: number;
  deadline?: number;
  /** How it ended; missing while it is open. */
  outcome?: string;
  /** The answer, null included. */
  result?: Json;
  answeredAt?: number;
  latencyMs?: number;
  /** Who answered. */
  by?: string;
  /** Who works on it. */
  claim?: { owner?: string; token?: number; until?: number; attempts?: number };
  /** The newest failure of a worker. */
  error?: { name?: string; message?: string; timestamp?: number; by?: string };
}

/** A row of the log. */
export interface LogRow {
  id: string;
  timestamp: number;
  event: string;
  details: Json;
}

/** A page of the log. */
export interface LogPage {
  rows: LogRow[];
  /** Where to go on, also where nothing more is there yet; missing before the first row. */
  next?: string;
  /** Whether more is there already. */
  more: boolean;
}

/** A program in a list. */
export interface ProgramSummary {
  id: string;
  name: string;
  programVersion?: number;
  description?: string;
  tags: string[];
  created?: number;
  modified?: number;
  bytecodeVersion?: number;
  compiler?: string;
  removing?: boolean;
}

/** A program with its newest version. */
export interface ProgramView extends ProgramSummary {
  source: string;
  bytecode: Json;
}

/** A version of a program in a list. */
export interface VersionSummary {
  id: string;
  programId: string;
  programVersion?: number;
  created?: number;
  bytecodeVersion?: number;
  compiler?: string;
}

/** A version of a program. */
export interface VersionView extends VersionSummary {
  source: string;
  bytecode: Json;
}

/** How long answers took, and how calls ended. Milliseconds. */
export interface Latency {
  calls: number;
  answered: number;
  avgMs: number | null;
  maxMs: number | null;
  p50Ms: number | null;
  p95Ms: number | null;
  outcomes: { [outcome: string]: number };
}

/** Executions in numbers. */
export interface Stats {
  program: string | null;
  executions: number;
  statuses: { [status: string]: number };
  instructions: { avg: number | null; max: number | null };
  executionTimeMs: { avg: number | null; max: number | null };
  latency: Latency;
}

/** A committed change of a document. */
export interface Change {
  collection: string;
  id: string;
  /** The revision it has since; null: it was deleted. */
  revision: string | null;
  /** The command that changed it. */
  command: string;
  /** The position of its commit: where to go on after it. */
  position: string;
}

/** What a change is about. */
export type Thing = "program" | "version" | "execution" | "call" | "output" | "log";

/** A committed change, told in terms of programs and executions. */
export interface CvmChange {
  thing: Thing;
  id: string;
  /** The execution it belongs to. */
  executionId?: string;
  deleted: boolean;
  command: string;
  position: string;
}

/** What a store can do. */
export interface Capabilities {
  [name: string]: Json;
}

/** What a store is and holds. */
export interface Info {
  capabilities: Capabilities;
  health: Json;
  collections: { name: string; version: number; documents: number | null }[];
  executions: { [status: string]: number };
  oldest: Summary | null;
  newest: Summary | null;
}

/** What an import did. */
export interface Imported {
  /** What the export holds: documents of each collection, and the hash over all of them. */
  summary: { counts: { [collection: string]: number }; contents: string };
  /** Documents that were written now. */
  written: number;
  /** Those that were there already. */
  there: number;
}

/** What a look at every file of a store found. */
export interface FilesReport {
  /** The store's id; null: it cannot be told. */
  store: string | null;
  /** The snapshot that the state begins with. */
  snapshot: number | null;
  /** The last commit that is whole with all before it. */
  head: number;
  /** Commit files after the snapshot that were read. */
  commits: number;
  /** Documents, as far as they are whole. */
  documents: number;
  /** Bytes of all files that were read. */
  bytes: number;
  /** What is not as it should be, in the order in which it was found. */
  findings: { at: string; gravity: "harmless" | "damage"; why: string; gone?: string[] }[];
}

/** A compiled program. */
export interface Compiled {
  bytecode: Json[];
  /** By what it was compiled. */
  compiler: string;
}

/** Names the command: the same id again does nothing again. */
export interface CommandName {
  commandId?: string;
}

type Named = CommandName & { id: string };
type Page = { limit?: number; cursor?: string };
type Nothing = Record<string, never>;

/** The calls that the WebAssembly takes. */
export interface Calls {
  info: { params: Nothing; result: Info };
  health: { params: Nothing; result: Json };
  capabilities: { params: Nothing; result: Capabilities };
  "store.changes": {
    params: { from?: string; collection?: string; limit?: number; waitMs: number };
    result: { events: Change[]; next: string };
  };
  "cvm.load": {
    params: CommandName & Compiled & { name: string; source: string; description?: string; tags?: string[] };
    result: LoadedProgram;
  };
  "cvm.removeProgram": { params: CommandName & { name: string }; result: null };
  "cvm.start": {
    params: CommandName & { program: string; id?: string; input?: Plain; logLevel?: LogLevel };
    result: Reached;
  };
  "cvm.next": { params: Named; result: Reached };
  "cvm.pause": { params: Named; result: Reached };
  "cvm.unpause": { params: Named; result: Reached };
  "cvm.cancel": { params: Named; result: Reached };
  "cvm.retry": { params: Named; result: Reached };
  "cvm.delete": { params: Named; result: null };
  "cvm.wake": { params: Named; result: null };
  "cvm.answer": {
    params: Named & { answer: Plain; call?: string; key?: string; occurrence?: number; by?: string };
    result: Reached;
  };
  "cvm.claim": {
    params: ({ kinds: readonly string[] } | { call: string }) & { owner: string; leaseMs: number };
    result: Work | null;
  };
  "cvm.heartbeat": { params: { claimed: Claimed; leaseMs: number }; result: number };
  "cvm.complete": { params: CommandName & { claimed: Claimed; answer: Plain; by?: string }; result: Reached };
  "cvm.fail": {
    params: CommandName & { claimed: Claimed; message: string; name?: string; by?: string; retry?: Backoff };
    result: { retryAt: number | null; reached: Reached | null };
  };
  "cvm.release": { params: { claimed: Claimed }; result: null };
  "cvm.runDue": { params: { limit: number; pace?: "stop" | "slice" }; result: Due };
  "cvm.nextDue": { params: Nothing; result: number | null };
  "cvm.show": { params: { id: string }; result: ExecutionView };
  "cvm.glance": { params: { id: string; from: number }; result: Seen };
  "cvm.output": { params: { id: string }; result: string[] };
  "cvm.list": { params: { status?: Status; program?: string; limit?: number }; result: Summary[] };
  "cvm.active": { params: { limit?: number }; result: Summary[] };
  "cvm.history": { params: { program: string; limit?: number }; result: Summary[] };
  "cvm.calls": {
    params: Page & { execution?: string; program?: string; kind?: string; open?: boolean };
    result: Paged<CallRow>;
  };
  "cvm.slowest": { params: { program?: string; limit?: number }; result: CallRow[] };
  "cvm.logs": { params: { id: string; after?: string; limit?: number }; result: LogPage };
  "cvm.programs": { params: Page & { tag?: string }; result: Paged<ProgramSummary> };
  "cvm.program": { params: { name: string }; result: ProgramView };
  "cvm.versions": { params: Page & { name: string }; result: Paged<VersionSummary> };
  "cvm.version": { params: { name: string; version: number }; result: VersionView };
  "cvm.stats": { params: { program?: string }; result: Stats };
  "cvm.statuses": { params: { program?: string }; result: { [status: string]: number } };
  "cvm.latency": { params: { program?: string }; result: Latency };
  "cvm.changes": {
    params: { from?: string; things?: readonly Thing[]; executions?: readonly string[]; limit?: number; waitMs: number };
    result: { events: CvmChange[]; next: string };
  };
  "cvm.countFinished": { params: { before: number }; result: number };
  "cvm.deleteFinished": { params: { before: number; limit?: number }; result: Due };
}

/** The name of a call. */
export type Method = keyof Calls;
