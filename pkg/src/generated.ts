// Generated from the sources of runstate. Do not edit: change the Rust types and let `tests/typescript.rs` write it.

/** A plain value, as in JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Identifies an error. A code is never renamed or given another meaning. */
export type ErrorCode =
  | "illegal_transition"
  | "not_found"
  | "already_exists"
  | "in_use"
  | "invalid"
  | "limit"
  | "stale"
  | "already_answered"
  | "invalid_answer"
  | "ambiguous_call"
  | "deadline_passed"
  | "stale_claim"
  | "needs_recompile"
  | "invalid_bytecode"
  | "command_id_reused"
  | "compile_error"
  | "usage"
  | "io"
  | "conflict"
  | "unique_violation"
  | "unknown_outcome"
  | "unavailable"
  | "not_authorized"
  | "not_a_replica_set"
  | "timeout"
  | "full"
  | "corrupt"
  | "too_large"
  | "read_only"
  | "newer_version"
  | "unsupported"
  | "closed"
  | "invalid_url"
  | "position_expired"
  | "internal";

/** Lists executions that have not ended, newest first. */
export type ActiveParams = {
  /** Maximum number of rows, newest first; missing: 100. */
  limit?: number | null,
};

/** Answers a call of an execution. If several calls are open, `call` or `key` selects one. */
export type AnswerParams = {
  /** The execution. */
  id: string,
  /** The answer: a plain value that the call accepts. */
  answer: Json,
  /** The id of the call; missing: the only open call. */
  call?: string | null,
  /** The key of the call, which may be made later. */
  key?: string | null,
  /** The ordinal of the call among those with that key, from 1; missing: 1. */
  occurrence?: number | null,
  /** The person, model or worker that answers. */
  by?: string | null,
  /** The id of the command. */
  commandId?: string | null,
};

/** When a failed call is retried: after `initialMs`, then after twice the previous wait, at most `longestMs`, until there were `attempts` attempts. */
export type BackoffParams = {
  /** Maximum number of attempts. */
  attempts: number,
  /** The first wait. */
  initialMs: Millis,
  /** The longest wait. */
  longestMs: Millis,
};

/** The claim of a call. */
export type CallClaim = {
  /** The worker; missing between two attempts. */
  owner?: string,
  /** The fencing token: greater with every claim of the call. */
  token?: number,
  /** When the lease ends. */
  until?: Timestamp,
  /** Number of claims, without those that were released. */
  attempts?: number,
};

/** The failure of a worker to complete a call. */
export type CallError = {
  /** The error's name in the program; missing: `CallError`. */
  name?: string | null,
  /** The message. */
  message: string,
  /** When the attempt failed. */
  timestamp: Timestamp,
  /** Name of the worker, if given. */
  by?: string | null,
};

/** A worker's failure to complete a call. */
export type CallFailure = {
  /** The error's name in the program, if the worker named one. */
  name?: string,
  /** The message. */
  message?: string,
  /** When it failed. */
  timestamp?: Timestamp,
  /** The worker. */
  by?: string,
};

/** A call in a list. A field is missing if the call does not have it, or if it cannot be read. */
export type CallRow = {
  /** Its id. */
  id: string,
  /** The execution that made it. */
  executionId: string,
  /** The name of the execution's program. */
  programName: string,
  /** Its number among the calls of the execution, from 1. An early answer has none. */
  step?: number,
  /** Its kind: `cc`, a tool's name, `timer`, …. */
  kind: string,
  /** The key under which it may be answered before it is made. */
  key?: string,
  /** The prompt. */
  prompt?: string,
  /** The arguments of a tool. */
  args?: Json,
  /** The only answers that it accepts. */
  choices?: Json,
  /** The schema that an answer must match. */
  schema?: Json,
  /** The answer that it gets if its deadline passes. */
  default?: Json,
  /** The source line that made it. */
  line?: number,
  /** When it was made. */
  askedAt?: Timestamp,
  /** The time from which it may be claimed. */
  availableAt?: Timestamp,
  /** The time until which it may be answered. */
  deadline?: Timestamp,
  /** Its outcome: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled`. Missing while it is open. */
  outcome?: string,
  /** The answer, null included. */
  result?: Json,
  /** When it was answered. */
  answeredAt?: Timestamp,
  /** The time between the call and its answer. */
  latencyMs?: Millis,
  /** The person, model or worker that answered. */
  by?: string,
  /** The claim of a worker. */
  claim?: CallClaim,
  /** The last failure of a worker. The call may still be open, to be retried. */
  error?: CallFailure,
};

/** Lists calls: those of one execution by step, open ones by kind and time, all others newest first. */
export type CallsParams = {
  /** Only calls of this execution. */
  execution?: string | null,
  /** Only calls of executions of this program. */
  program?: string | null,
  /** Only calls of this kind. */
  kind?: string | null,
  /** Only open calls. */
  open?: boolean | null,
  /** Maximum number of rows; missing: 100, and at most 1,000. */
  limit?: number | null,
  /** `next` of the page before; missing: the first page. */
  cursor?: string | null,
};

/** The features and limits of a store. A missing feature is a typed error (`StoreError.Unsupported`) and never ignored. */
export type Capabilities = {
  /** Name of the kind of store: `memory`, `file`. */
  name: string,
  /** An acknowledged commit survives a crash of the process and a power failure. */
  durable: boolean,
  /** Several processes or tabs may use the store at the same time. */
  shared: boolean,
  /** The backend also deletes expired documents by itself. */
  nativeTtl: boolean,
  /** The store supports `Store.aggregate`. */
  aggregate: boolean,
  /** The store supports `Store.changes`. */
  changeFeed: boolean,
  /** The store supports `crate.schema.Filter.Text`. */
  text: boolean,
  /** Size of the largest document, in bytes of its JSON. */
  documentBytes: number,
  /** Size of the largest batch, as `Batch.bytes` counts it. */
  batchBytes: number,
  /** Largest number of writes and checks in one batch. */
  batchWrites: number,
};

/** A kind of document that changes. Heap pages are internal and have none. */
export type ChangeSubject = "program" | "version" | "execution" | "call" | "output" | "log";

/** Polls the committed changes of a store. */
export type ChangesParams = {
  /** Only changes after this position; missing: changes from now on. */
  from?: Position | null,
  /** Only changes of this collection. */
  collection?: string | null,
  /** Maximum number of changes; missing: 256. */
  limit?: number | null,
  /** How long to wait for a change if there is none. */
  waitMs: Millis,
};

/** Claims an open call of one of these kinds, or this call. */
export type ClaimParams = {
  /** Kinds of calls, at most 16. */
  kinds?: Array<string> | null,
  /** The id of one call. */
  call?: string | null,
  /** The worker's name, for people. */
  owner: string,
  /** The lease: how long the claim lasts without a heartbeat; missing: 30 seconds. */
  leaseMs?: Millis | null,
  /** The id of the command. */
  commandId?: string | null,
};

/** A claimed call. */
export type ClaimedCall = {
  /** The call. */
  call: string,
  /** The execution that made it. */
  execution: string,
  /** The fencing token, which is needed to complete the call. */
  token: number,
  /** The end of the lease. */
  until: Timestamp,
  /** Number of attempts, this one included. */
  attempts: number,
};

/** A collection in a store. */
export type CollectionInfo = {
  /** Its name. */
  name: string,
  /** The schema version that this program declares. */
  version: number,
  /** The number of its documents; null: the store does not count. */
  documents: number | null,
};

/**
 * The id of a command. A repeat of the same id returns the first result.
 *
 * Batches that belong to a command (later slices, staging, deletion) have the ids `id/1`, `id/2`, … (`CommandId.part`).
 */
export type CommandId = string;

/** A command to one execution. */
export type CommandParams = {
  /** The execution. */
  id: string,
  /** The id of the command. */
  commandId?: string | null,
};

/** A compiled source. */
export type CompiledSource = {
  /** The instructions. */
  bytecode: Array<Instruction>,
  /** The compiler: `runstate:0.1.0`. */
  compiler: string,
};

/** Completes a claimed call with an answer. */
export type CompleteParams = {
  /** The claim. */
  claimed: ClaimedCall,
  /** The answer: a plain value that the call accepts. */
  answer: Json,
  /** The person, model or worker that answers. */
  by?: string | null,
  /** The id of the command. */
  commandId?: string | null,
};

/** Counts executions that ended before a time. */
export type CountFinishedParams = {
  /** The time. */
  before: Timestamp,
};

/** One change. */
export type CvmChange = {
  /** The kind of document that changed. */
  thing: ChangeSubject,
  /** Its id. */
  id: string,
  /** The execution it belongs to. Missing for a row that has been deleted since, because only its id is known. */
  executionId?: string,
  /** Whether it was deleted. */
  deleted: boolean,
  /** The command that changed it. */
  command: CommandId,
  /** The position of its commit. */
  position: Position,
};

/** Changes, and the position at which to continue. */
export type CvmChanges = {
  /** In commit order. */
  events: Array<CvmChange>,
  /** The position at which to continue. */
  next: Position,
};

/** Polls the changes of programs and executions. */
export type CvmChangesParams = {
  /** Only changes after this position; missing: changes from now on. */
  from?: Position | null,
  /** Only changes of these kinds of documents; missing: of all. */
  things?: Array<ChangeSubject> | null,
  /** Only changes of these executions and of their rows; missing: of all. */
  executions?: Array<string> | null,
  /** Maximum number of changes; missing: 256. */
  limit?: number | null,
  /** How long to wait for a change if there is none. */
  waitMs: Millis,
};

/** Deletes executions that ended before a time. */
export type DeleteFinishedParams = {
  /** The time. */
  before: Timestamp,
  /** Maximum number of executions. */
  limit: number,
};

/** One diagnostic. All diagnostics of a file are returned at once, in source order. */
export type Diagnostic = {
  /** The file as the caller named it. */
  file: string,
  /** Line, from 1. */
  line: number,
  /** Column, from 1, in UTF-16 units as editors count. */
  column: number,
  /** The reason. */
  kind: DiagnosticKind,
  /** The message. */
  message: string,
  /** The remedy, if known. */
  hint?: string,
  /** The line of the source, truncated to 200 characters. */
  sourceLine: string,
};

/** The reason why a source was refused. */
export type DiagnosticKind = "syntax" | "unsupported" | "name";

/** An execution or a collection whose due work failed. */
export type DueFailure = {
  /** The id of the execution, or the name of the collection. */
  execution: string,
  /** The error. */
  error: ErrorFields,
};

/** The result of running due work. */
export type DueReport = {
  /** Executions that were resumed. */
  woken: number,
  /** Executions deleted because their retention ended, or because an earlier deletion was interrupted. */
  deleted: number,
  /** Rows removed because they expired, or because the command that staged them was abandoned. */
  swept: number,
  /** Whether more may be due than the limit allowed. */
  more: boolean,
  /** Executions whose due work failed. They do not delay the others. */
  failed: Array<DueFailure>,
};

/**
 * A failed operation: what failed, on what, and whether a retry may succeed. A command changed nothing, unless its error has the code
 * `ErrorCode.UnknownOutcome`.
 */
export type ErrorFields = {
  /** Stable code. */
  code: ErrorCode,
  /** For people; may change. */
  message: string,
  /** The collection concerned. */
  collection?: string,
  /** The id of the document concerned. */
  key?: string,
  /** Whether the same call may succeed later without a change by the caller. */
  retryable: boolean,
  /** Details for programs. */
  details?: Json,
};

/** An execution as callers see it. */
export type Execution = {
  /** Its id. */
  id: string,
  /** The program. */
  programName: string,
  /** The version it runs. */
  programVersion: number,
  /** Its status. */
  status: Status,
  /** All lines printed so far. */
  output: Array<string>,
  /** The program's value, once complete. */
  result: Json,
  /** The error, if it failed. */
  error: ProgramError | null,
  /** The open calls. */
  calls: Array<OpenCall>,
  /** SHA-256 of the execution's state, the same wherever it is loaded; missing if it was not requested. */
  stateHash?: string,
  /** The size of its heap, in pages of 64 objects. The cost of the hash grows with it. */
  heapPages: number,
  /** Its input; missing: none. */
  input?: Json,
  /** The execution that started it, if any. */
  parentId?: string,
  /** The position of its machine, with the values of its variables; missing if it was not requested. */
  machine?: MachineView,
  /** When it was started. */
  started: Timestamp,
  /** When it ended. */
  completed: Timestamp | null,
  /** When it was last written. */
  lastModified: Timestamp,
  /** Counters. */
  metrics: Metrics,
};

/** One execution. */
export type ExecutionParams = {
  /** Its id. */
  id: string,
};

/** The position of an execution in a list. */
export type ExecutionPlace = {
  /** When it was started. */
  started: Timestamp,
  /** Its id. */
  id: string,
};

/** The progress of an execution since the last poll. */
export type ExecutionProgress = {
  /** Its status. */
  status: Status,
  /** Lines printed since the last poll, at most some megabytes. */
  lines: Array<string>,
  /** Where the next poll continues. */
  next: number,
  /** Whether more lines exist already. */
  more: boolean,
  /** The open calls. */
  calls: Array<OpenCall>,
  /** Number of calls made so far, the open ones included. */
  asked: number,
  /** The program's value, once complete; otherwise null. */
  result: Json,
  /** The error, if it failed. */
  error: ProgramError | null,
};

/** The result of a command on an execution. */
export type ExecutionStatus = {
  /** The execution. */
  id: string,
  /** Its status after the command. */
  status: Status,
};

/** The status of an execution, and the calls that it waits for. */
export type ExecutionStatusDetails = {
  /** The execution and its status. */
  reached: ExecutionStatus,
  /** Id of the first open call, also while the execution is paused. */
  call: string | null,
  /** Number of open calls. */
  openCalls: number,
};

/** An execution in a list. */
export type ExecutionSummary = {
  /** Its id. */
  id: string,
  /** The name of the program. */
  programName: string,
  /** The version it runs. */
  programVersion: number,
  /** Its status; see `Status`. */
  status: string,
  /** The prompt of the call that it waits for. */
  prompt: string | null,
  /** Number of open calls, also while it is paused. */
  openCalls: number,
  /** When it was started. */
  started: Timestamp,
  /** When it was last written. */
  lastModified: Timestamp,
};

/** Exports a store or one execution. */
export type ExportParams = {
  /** One execution, with its rows and the program version that it runs; missing: the whole store. */
  execution?: string | null,
};

/** Counts and hash of an export. */
export type ExportSummary = {
  /** Number of documents per collection, rows of the ledger included. */
  counts: { [key in string]: number },
  /** SHA-256 over all documents in order: equal for equal contents, whatever the store and the form. */
  contents: string,
};

/** Records the failure of a claimed call. */
export type FailParams = {
  /** The claim. */
  claimed: ClaimedCall,
  /** The message, which the program can read. */
  message: string,
  /** The name of the error in the program; missing: `CallError`. */
  name?: string | null,
  /** The retry policy; missing: the program receives the error at once. */
  retry?: BackoffParams | null,
  /** The worker that failed. */
  by?: string | null,
  /** The id of the command. */
  commandId?: string | null,
};

/** The state of a failed call. */
export type FailedCall = {
  /** When it may be claimed again; null: it is closed. */
  retryAt: Timestamp | null,
  /** The status of its execution, if it is closed. */
  reached: ExecutionStatus | null,
};

/** Why a call could not be answered. Any error converts to a failure that is retried, so `?` works in handlers. */
export type Failure = {
  /** The message, which the program can read. */
  message: string,
  /** The name of the error in the program; null: `CallError`. */
  name: string | null,
  /** Whether another attempt may succeed. The program receives the error after the last attempt, or at once if the call is not retried. */
  retry: boolean,
};

/** One problem found by a verification. */
export type Finding = {
  /** The file, the document (`collection/id`) or the collection. */
  at: string,
  /** The severity. */
  severity: Severity,
  /** The problem. */
  why: string,
  /** Commands or ranges of documents that the problem makes unreadable. */
  gone: Array<string>,
};

/** A call that has not returned. */
export type FrameView = {
  /** The name of the function; `<program>` for the program itself, `<anonymous>` if it has none. */
  function: string,
  /** Its current instruction. */
  pc: number,
  /** Its line in the source, from 1; 0 if unknown. */
  line: number,
  /** Its column in the source, from 1; 0 if unknown. */
  column: number,
  /** Its variables: `this`, parameters and locals in the order of declaration, then those of functions that have returned. */
  variables: Array<VariableView>,
};

/** The failure of a handler. */
export type HandlerFailure = {
  /** The message, which the program can read. */
  message: string,
  /** The name of the error in the program; missing: `CallError`. */
  name?: string | null,
  /** Whether the call is not retried. */
  final?: boolean | null,
};

/** Extends the lease of a claimed call. */
export type HeartbeatParams = {
  /** The claim. */
  claimed: ClaimedCall,
  /** The new lease, from now; missing: 30 seconds. */
  leaseMs?: Millis | null,
};

/** Lists the executions of a program, newest first. */
export type HistoryParams = {
  /** The program. */
  program: string,
  /** Maximum number of rows, newest first; missing: 100. */
  limit?: number | null,
};

/** The result of an import. */
export type ImportResult = {
  /** Counts and hash of the imported data, all of which is in the store now. */
  summary: ExportSummary,
  /** Number of documents and command results that this import wrote. */
  written: number,
  /** Number of those that were already present. */
  there: number,
};

/** One instruction in its wire form. */
export type Instruction = {
  /** Number of the operation. */
  op: number,
  /** Its argument, in the form that the operation's documentation gives. */
  arg?: Json | null,
  /** Line of the source, from 1; 0 if there is none. */
  line: number,
  /** Column of the source, from 1 in UTF-16 units. */
  column?: number | null,
};

/** The outcomes of calls, and the latency of answers in milliseconds. Percentiles are values that occurred (nearest rank). */
export type Latency = {
  /** Calls made, open ones included. */
  calls: number,
  /** Calls that were answered; the latencies are theirs. */
  answered: number,
  /** Mean; null without answers, as the others. */
  avgMs: number | null,
  /** Maximum. */
  maxMs: Millis | null,
  /** The median: half of the answers took no longer. */
  p50Ms: Millis | null,
  /** Of 20 answers 19 took no longer. */
  p95Ms: Millis | null,
  /**
   * Number of calls per outcome: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled`, and `open` for those without. All of these
   * are present; an outcome that a newer version adds is present under its own name.
   */
  outcomes: { [key in string]: number },
};

/** One page of a list. */
export type ListPage<T> = {
  /** In the order of the list. */
  rows: Array<T>,
  /** The cursor of the next page; null: this is the last one. */
  next?: string,
};

/** Lists executions, newest first. */
export type ListParams = {
  /** Only executions with this status. */
  status?: Status | null,
  /** Only executions of this program. */
  program?: string | null,
  /** Maximum number of rows, newest first; missing: 100. */
  limit?: number | null,
  /** The last row of the page before; missing: the first page. */
  after?: ExecutionPlace | null,
};

/** Loads a program. */
export type LoadParams = {
  /** Its name. */
  name: string,
  /** Its source. */
  source: string,
  /** Its bytecode. */
  bytecode: Array<Instruction>,
  /** The compiler that produced the bytecode. */
  compiler: string,
  /** The purpose of the program; missing: unchanged. */
  description?: string | null,
  /** Tags to find the program by; missing: unchanged. */
  tags?: Array<string> | null,
  /** The id of a program that is new under its name; missing: a generated id. */
  id?: string | null,
  /** The id of the command. Repeating it returns the first result. */
  commandId?: string | null,
};

/** The result of loading. */
export type LoadedProgram = {
  /** Id of the program. */
  id: string,
  /** Its name. */
  name: string,
  /** Its newest version. */
  programVersion: number,
  /** Whether loading changed anything. */
  changed: boolean,
};

/** The level of detail in an execution's log. */
export type LogLevel = "off" | "calls" | "instructions";

/** One page of a log. */
export type LogPage = {
  /** Ordered by time, then by id. */
  rows: Array<LogRow>,
  /** The cursor for later rows, also if there are none yet; missing before the first row. */
  next?: string,
  /** Whether more rows exist already. */
  more: boolean,
};

/** A row of the log. Rows without a timestamp have no position in it and are left out. */
export type LogRow = {
  /** Its id. */
  id: string,
  /** The execution. */
  executionId: string,
  /** Its time. */
  timestamp: Timestamp,
  /** The event: `instruction`, `cc_call`, `error`, `complete`; `history` for an imported entry that an older CVM recorded. */
  event: string,
  /** Details of the event. */
  details: Json,
};

/** Lists a page of the log, in order of time. */
export type LogsParams = {
  /** Only rows of this execution; missing: of all. */
  id?: string | null,
  /** Only rows of this event: `instruction`, `cc_call`, `error`, `complete`. */
  event?: string | null,
  /** Only rows from this time on. */
  since?: Timestamp | null,
  /** Only rows before this time. */
  before?: Timestamp | null,
  /** `next` of the page before; missing: the first page. */
  after?: string | null,
  /** Maximum number of rows; missing: 100, and at most 1,000. */
  limit?: number | null,
};

/** The position of a machine. */
export type MachineView = {
  /** The next instruction; while a call is open, the one that made it; after a failure, the one that failed. */
  pc: number,
  /** Its line in the source, from 1; 0 if unknown. */
  line: number,
  /** Its column in the source, from 1; 0 if unknown. */
  column: number,
  /** The operands of all calls that have not returned, with the top of the stack last. Those of an open call are not included. */
  stack: Array<ValueView>,
  /** The calls that have not returned, innermost first; the program itself is the last one. */
  frames: Array<FrameView>,
  /** Whether parts are omitted. */
  cut: boolean,
};

/** A metric over executions. */
export type MetricStats = {
  /** Mean; null without executions. */
  avg: number | null,
  /** Maximum; null without executions. */
  max: number | null,
};

/** Counters of an execution. */
export type Metrics = {
  /** Instructions run. */
  instructionsExecuted: number,
  /** Calls made. */
  ccCallsCount: number,
  /** Time for which the machine ran, each turn rounded to a millisecond; 0 if the host does not measure it. */
  executionTimeMs: number,
};

/** A duration in milliseconds. */
export type Millis = number;

/** Finds the next due time. */
export type NextDueParams = {
  /** Whether the due times known to this process suffice, so that the store is not queried. */
  known: boolean,
};

/** No parameters. */
export type NoParams = Record<symbol, never>;

/** An open call. */
export type OpenCall = {
  /** Its id. */
  callId: string,
  /** Number of the call in its execution, from 1. */
  step: number,
  /** The question; empty for tools and timers. */
  prompt: string,
  /** The arguments of a tool; null: none. */
  args: Json,
  /** The only valid answers; null: any. */
  choices: Array<Json> | null,
  /** The schema of valid answers; null: none. */
  schema: Json | null,
  /** The kind: `cc`, the name of a tool, `timer`, `fs.readFile` and others. */
  kind: string,
  /** The key by which it can be answered too. */
  key: string | null,
  /** From this time on, answers are rejected. */
  deadline: Timestamp | null,
  /** The value that the program gets when the deadline has passed; missing: it gets a `TimeoutError`. */
  default?: Json,
  /** Name of the worker that has claimed the call and not released it. */
  owner: string | null,
  /** The end of that worker's lease, unless a heartbeat extends it. Afterwards other workers may claim the call. */
  leaseUntil?: Timestamp,
  /** Line of the source that makes the call. */
  line: number,
  /** The variables visible there by name, truncated with a mark. */
  variables: Json,
  /** When the call was made. */
  requestedAt: Timestamp,
};

/** Options for opening a store. */
export type OpenParams = {
  /** How long a finished execution is kept; missing: forever. */
  retentionMs?: Millis | null,
  /** Log level of executions that set none. */
  logLevel?: LogLevel | null,
  /** Heap limit in bytes of executions that set none; missing: 67,108,864. */
  heapBytes?: number | null,
  /** Instructions in a slice; missing: 250,000. */
  sliceInstructions?: number | null,
  /** Approximate bytes of changed heap after which a slice ends early; missing: 524,288. */
  sliceBytes?: number | null,
  /** Whether opening fails if the store does not exist; missing: false, the store is created. */
  mustExist?: boolean | null,
};

/** A phase of a transfer. */
export type Phase = "export" | "check" | "compare" | "write" | "verify";

/** A position in the change feed. It is opaque: only the store that returned it can compare it. */
export type Position = string;

/** One program, by its id. */
export type ProgramByIdParams = {
  /** Its id. */
  id: string,
};

/** The error of a failed program. */
export type ProgramError = {
  /** The message. */
  message: string,
  /** The name: `TypeError`, `LimitError`, or that of the value that the program threw. */
  name: string,
  /** Line of the source, from 1. */
  line: number,
  /** Column of the source, from 1. */
  column: number,
  /** Index of the failing instruction. */
  pc: number,
  /** The failing instruction: `{"op":n}`, with `"arg"` if it has one; null if it is not known. */
  instruction: Json,
  /**
   * The function calls that led there, innermost first: `at f (line:column)`. For an imported execution, the operands that the older CVM
   * saved.
   */
  stack: Array<string>,
  /** When the program failed. */
  timestamp: Timestamp,
};

/** Selects one program, or all of them. */
export type ProgramFilterParams = {
  /** The program; missing: all. */
  program?: string | null,
};

/** One program. */
export type ProgramParams = {
  /** Its name. */
  name: string,
};

/** A program in a list. A field is missing if the program does not have it, or if it cannot be read. */
export type ProgramSummary = {
  /** Its id. */
  id: string,
  /** Its name. */
  name: string,
  /** Its latest version, from 1. */
  programVersion?: number,
  /** Its description. */
  description?: string,
  /** Its tags. */
  tags: Array<string>,
  /** When it was first loaded. */
  created?: Timestamp,
  /** When its latest version was loaded. */
  modified?: Timestamp,
  /** Bytecode version of its latest version. */
  bytecodeVersion?: number,
  /** The compiler. */
  compiler?: string,
  /** Whether it is being removed: it cannot be started. Repeat the removal to complete it, unless an execution of it exists. */
  removing?: boolean,
};

/** A program with its latest version. */
export type ProgramView = {
  /** Its source. */
  source: string,
  /** Its bytecode, as stored. */
  bytecode: Json,
  /** Its id. */
  id: string,
  /** Its name. */
  name: string,
  /** Its latest version, from 1. */
  programVersion?: number,
  /** Its description. */
  description?: string,
  /** Its tags. */
  tags: Array<string>,
  /** When it was first loaded. */
  created?: Timestamp,
  /** When its latest version was loaded. */
  modified?: Timestamp,
  /** Bytecode version of its latest version. */
  bytecodeVersion?: number,
  /** The compiler. */
  compiler?: string,
  /** Whether it is being removed: it cannot be started. Repeat the removal to complete it, unless an execution of it exists. */
  removing?: boolean,
};

/** Lists programs. */
export type ProgramsParams = {
  /** Only programs with this tag. */
  tag?: string | null,
  /** Maximum number of rows; missing: 100, and at most 1,000. */
  limit?: number | null,
  /** `next` of the page before; missing: the first page. */
  cursor?: string | null,
};

/** Progress of a transfer. */
export type Progress = {
  /** The current phase. */
  phase: Phase,
  /** Number of documents so far. */
  done: number,
  /** Total number of documents, if known. */
  of: number | null,
};

/** Polls an execution for new output. */
export type ProgressParams = {
  /** The execution. */
  id: string,
  /** `next` of the last poll; missing: from the first line. */
  from?: number | null,
};

/** Releases a claimed call. */
export type ReleaseParams = {
  /** The claim. */
  claimed: ClaimedCall,
};

/** Removes a program. */
export type RemoveProgramParams = {
  /** Its name. */
  name: string,
  /** The id of the command. */
  commandId?: string | null,
};

/** Runs due work. */
export type RunDueParams = {
  /** Maximum number of executions; missing: 1,000. */
  limit?: number | null,
  /** How far each execution runs; missing: to its next stop. */
  pace?: RunLimit | null,
};

/** How far a due execution is driven. */
export type RunLimit = "stop" | "slice";

/** The severity of a finding. */
export type Severity = "harmless" | "damage";

/** Shows an execution. */
export type ShowParams = {
  /** Its id. */
  id: string,
  /** Whether to include the state hash, which reads the whole heap; missing: true. */
  hash?: boolean | null,
  /** Whether to include the machine's call stack with the values of its variables, which reads the heap; missing: as `hash`. */
  machine?: boolean | null,
  /** Whether to include the full values of variables; missing: false, values are cut to a readable length. */
  full?: boolean | null,
};

/** Lists the calls with the longest time to an answer. */
export type SlowestParams = {
  /** Only calls of this program. */
  program?: string | null,
  /** Maximum number of rows; missing: 100. */
  limit?: number | null,
};

/** Starts an execution. */
export type StartParams = {
  /** The name of the program. Its newest version runs. */
  program: string,
  /** The id of the execution; missing: a new one. */
  id?: string | null,
  /** The program's `input`. */
  input?: Json | null,
  /** The log level; missing: the store's default. */
  logLevel?: LogLevel | null,
  /** The heap limit in bytes; missing: the store's default. */
  heapBytes?: number | null,
  /** The id of the command. Repeating it returns the first result. */
  commandId?: string | null,
};

/** Statistics of one program or of all. The numbers are read one after another, not in one snapshot. */
export type Stats = {
  /** The name of the program; null: all programs. */
  program: string | null,
  /** Number of executions. */
  executions: number,
  /** Number of executions per status; see `Cvm.statuses`. */
  statuses: { [key in string]: number },
  /** Instructions run by an execution. */
  instructions: MetricStats,
  /** Milliseconds that an execution has run, as recorded by its commits. */
  executionTimeMs: MetricStats,
  /** Outcomes of calls, and latency of answers. */
  latency: Latency,
};

/** The status on the wire. */
export type Status = "running" | "waiting_cc" | "paused" | "complete" | "error" | "cancelled";

/** A committed change. */
export type StoreChange = {
  /** The collection of the document. */
  collection: string,
  /** Its id. */
  id: string,
  /** Its new revision; null: the document was deleted. */
  revision: string | null,
  /** The command that changed it. */
  command: CommandId,
  /** The position of the commit. */
  position: Position,
};

/** Committed changes. */
export type StoreChanges = {
  /** In commit order. */
  events: Array<StoreChange>,
  /** The position at which to continue. */
  next: Position,
};

/** Capabilities, health and contents of a store. */
export type StoreInfo = {
  /** The capabilities of the store. */
  capabilities: Capabilities,
  /** Why the store is read-only, if it is. */
  health: ErrorFields | null,
  /** Every declared collection, by name. The command ledger is last. */
  collections: Array<CollectionInfo>,
  /** Number of executions per status. */
  executions: { [key in string]: number },
  /** The execution that was started first. */
  oldest: ExecutionSummary | null,
  /** The execution that was started last. */
  newest: ExecutionSummary | null,
};

/** An instant, in milliseconds since 1970-01-01T00:00:00Z. Documents store that number. */
export type Timestamp = number;

/** A view of a value. */
export type ValueView = {
  /**
   * As JSON, with tags for values that JSON lacks: `{"$undefined":true}`, `{"$uninitialised":true}` (not yet assigned),
   * `{"$number":"NaN"}`, `{"$map":[[key,value]]}`, `{"$set":[value]}`, `{"$regexp":{"source":…,"flags":…}}`,
   * `{"$error":{"name":…,"message":…,"stack":…}}` with its `"$cause"`, `{"$function":name}`, `{"$holes":n}` in an array, `{"$circular":n}` for the
   * object n levels further out, `"$class"` in an object that is not a plain one. An omitted part is `{"$cut":n}`, as a property of an object
   * `"$cut"`, of a string `{"$cut":beginning,"of":length}`, and `{"$deep":class}` for an object that is too deep. Keys of the program
   * that begin with `$` have it twice.
   */
  value: Json,
  /** As Node's `util.inspect` writes it. */
  text: string,
};

/** A variable. */
export type VariableView = {
  /** Its name. */
  name: string,
  /**
   * As JSON, with tags for values that JSON lacks: `{"$undefined":true}`, `{"$uninitialised":true}` (not yet assigned),
   * `{"$number":"NaN"}`, `{"$map":[[key,value]]}`, `{"$set":[value]}`, `{"$regexp":{"source":…,"flags":…}}`,
   * `{"$error":{"name":…,"message":…,"stack":…}}` with its `"$cause"`, `{"$function":name}`, `{"$holes":n}` in an array, `{"$circular":n}` for the
   * object n levels further out, `"$class"` in an object that is not a plain one. An omitted part is `{"$cut":n}`, as a property of an object
   * `"$cut"`, of a string `{"$cut":beginning,"of":length}`, and `{"$deep":class}` for an object that is too deep. Keys of the program
   * that begin with `$` have it twice.
   */
  value: Json,
  /** As Node's `util.inspect` writes it. */
  text: string,
};

/** Shows variables of an execution. */
export type VariablesParams = {
  /** The execution. */
  id: string,
  /** Only variables of this name, and only frames that have one. */
  name?: string | null,
  /** Whether to include full values; missing: false, values are cut to a readable length. */
  full?: boolean | null,
};

/** The result of a verification. */
export type VerifyReport = {
  /** The id of the store; none if it is unknown, or if the store does not outlive its process. */
  store: string | null,
  /** File store: the snapshot on which the state is based. */
  snapshot: number | null,
  /** File store: the last commit that is intact together with all commits before it. */
  head: number,
  /** File store: number of commit files after the snapshot that were read. */
  commits: number,
  /** File store: bytes of all files that were read. */
  bytes: number,
  /** Number of documents that were read, including ledger rows. */
  documents: number,
  /** Number of index entries that were compared with the documents. */
  entries: number,
  /** The findings, in the order of discovery. */
  findings: Array<Finding>,
  /** Number of further findings, which are not listed. */
  omitted: number,
};

/** One version of a program. */
export type VersionParams = {
  /** The program. */
  name: string,
  /** The version number, from 1. */
  version: number,
};

/** A version of a program in a list. A field is missing if it cannot be read. */
export type VersionSummary = {
  /** Its id. */
  id: string,
  /** The program. */
  programId: string,
  /** Its number, from 1. */
  programVersion?: number,
  /** When it was loaded. */
  created?: Timestamp,
  /** Bytecode version. */
  bytecodeVersion?: number,
  /** The compiler. */
  compiler?: string,
};

/** A version of a program. */
export type VersionView = {
  /** Its source. */
  source: string,
  /** Its bytecode, as stored. */
  bytecode: Json,
  /** Its id. */
  id: string,
  /** The program. */
  programId: string,
  /** Its number, from 1. */
  programVersion?: number,
  /** When it was loaded. */
  created?: Timestamp,
  /** Bytecode version. */
  bytecodeVersion?: number,
  /** The compiler. */
  compiler?: string,
};

/** Lists the versions of a program. */
export type VersionsParams = {
  /** The program. */
  name: string,
  /** Maximum number of rows; missing: 100, and at most 1,000. */
  limit?: number | null,
  /** `next` of the page before; missing: the first page. */
  cursor?: string | null,
};

/** A call that a worker has claimed. */
export type Work = {
  /** The call. */
  call: OpenCall,
  /** The program that waits for it. */
  programName: string,
  /** The claim, with the fencing token that completing the call needs. */
  claimed: ClaimedCall,
  /** The error of the last attempt, if there was one. */
  error?: CallError,
};

/** An event of a worker. */
export type WorkerEvent = { "event": "claimed" } & Work | { "event": "answered",
  /** The call. */
  work: Work,
  /** The status of its execution. */
  reached: ExecutionStatus,
  /** How long its handler took. */
  took: Millis, } | { "event": "failed",
  /** The call. */
  work: Work,
  /** The failure. */
  failure: Failure,
  /** When it may be tried again; null: it is not retried, and its program received the error. */
  retryAt: Timestamp | null,
  /** How long its handler took. */
  took: Millis, } | { "event": "lost",
  /** The call. */
  work: Work,
  /** The error of the engine. */
  why: ErrorFields, } | { "event": "released" } & Work | { "event": "due" } & DueReport | { "event": "trouble" } & ErrorFields;

/** Options of a worker. */
export type WorkerParams = {
  /** The worker's name, for people; missing: a generated name. */
  owner?: string | null,
  /** The kinds of calls to serve, each with its maximum concurrency. */
  kinds: { [key in string]: number },
  /** The lease: how long a claim lasts without a heartbeat; missing: 30 seconds. */
  leaseMs?: Millis | null,
  /** The retry policy for failed calls; missing: 5 attempts within some minutes. */
  backoff?: BackoffParams | null,
  /** Whether the worker also runs due work; missing: true. */
  runsDue?: boolean | null,
  /** How long running handlers may continue after the worker was stopped; missing: 30 seconds. */
  graceMs?: Millis | null,
};

/** A document of `cvm.cc_history`, version 1 of its schema. */
export interface CvmCcHistoryDocument {
  id: string;
  executionId: string;
  programName: string;
  step?: number | null;
  kind?: string | null;
  key?: string | null;
  /** Milliseconds since 1970, UTC. */
  availableAt?: number | null;
  request?: {
    prompt?: string | null;
    instructionId?: number | null;
    /** Milliseconds since 1970, UTC. */
    timestamp?: number | null;
    /** Milliseconds since 1970, UTC. */
    deadline?: number | null;
    [key: string]: unknown;
  } | null;
  response?: {
    /** Milliseconds since 1970, UTC. */
    timestamp?: number | null;
    [key: string]: unknown;
  } | null;
  outcome?: "answered" | "defaulted" | "timed_out" | "failed" | "cancelled" | null;
  error?: {
    /** Milliseconds since 1970, UTC. */
    timestamp?: number | null;
    [key: string]: unknown;
  } | null;
  context?: { [key: string]: Json } | null;
  claim?: {
    /** Milliseconds since 1970, UTC. */
    until?: number | null;
    [key: string]: unknown;
  } | null;
}

/** A document of `cvm.execution_logs`, version 1 of its schema. */
export interface CvmExecutionLogsDocument {
  id: string;
  executionId: string;
  /** Milliseconds since 1970, UTC. */
  timestamp: number;
  event: "instruction" | "cc_call" | "error" | "complete";
  details: { [key: string]: Json };
}

/** A document of `cvm.executions`, version 2 of its schema. */
export interface CvmExecutionsDocument {
  id: string;
  programId: string;
  programName: string;
  programVersion: number;
  state: {
    pc: number;
    stack: Json[];
    scopes: Json[];
    status: "running" | "waiting_cc" | "paused" | "complete" | "error" | "cancelled";
    output: Json[];
    outputCount: number;
    [key: string]: unknown;
  };
  ccWaiting?: {
    /** Milliseconds since 1970, UTC. */
    requestedAt?: number | null;
    [key: string]: unknown;
  } | null;
  /** Milliseconds since 1970, UTC. */
  started: number;
  /** Milliseconds since 1970, UTC. */
  completed?: number | null;
  /** Milliseconds since 1970, UTC. */
  lastModified: number;
  metrics: { [key: string]: Json };
  error?: {
    /** Milliseconds since 1970, UTC. */
    timestamp?: number | null;
    [key: string]: unknown;
  } | null;
  result?: Json | null;
  input?: Json | null;
  parentId?: string | null;
  pausedFrom?: {
    ccWaiting?: {
      /** Milliseconds since 1970, UTC. */
      requestedAt?: number | null;
      [key: string]: unknown;
    } | null;
    [key: string]: unknown;
  } | null;
  random: Json;
  heap: { [key: string]: Json };
  outputDigest: string;
  logLevel?: string | null;
  heapBytes?: number | null;
  /** Milliseconds since 1970, UTC. */
  wakeAt?: number | null;
  deleting?: boolean | null;
}

/** A document of `cvm.heap_pages`, version 2 of its schema. */
export interface CvmHeapPagesDocument {
  id: string;
  executionId: string;
  page: number;
  version: number;
  objects?: Json[] | null;
  part?: number | null;
  text?: string | null;
}

/** A document of `cvm.history`, version 1 of its schema. */
export interface CvmHistoryDocument {
  id: string;
  executionId: string;
  step: number;
  pc: number;
  instruction: Json;
  stack: Json[];
  variables: { [key: string]: Json };
  /** Milliseconds since 1970, UTC. */
  timestamp: number;
}

/** A document of `cvm.outputs`, version 1 of its schema. */
export interface CvmOutputsDocument {
  id: string;
  executionId: string;
  seq: number;
  lines: Json[];
  continued?: boolean | null;
}

/** A document of `cvm.program_versions`, version 1 of its schema. */
export interface CvmProgramVersionsDocument {
  id: string;
  programId: string;
  programVersion: number;
  source: string;
  bytecode: Json[];
  metadata: {
    /** Milliseconds since 1970, UTC. */
    compiled?: number | null;
    [key: string]: unknown;
  };
  /** Milliseconds since 1970, UTC. */
  created: number;
}

/** A document of `cvm.programs`, version 1 of its schema. */
export interface CvmProgramsDocument {
  id: string;
  name: string;
  description?: string | null;
  source: string;
  bytecode: Json[];
  metadata: {
    version: number;
    /** Milliseconds since 1970, UTC. */
    compiled: number;
    compiler: string;
    [key: string]: unknown;
  };
  /** Milliseconds since 1970, UTC. */
  created: number;
  /** Milliseconds since 1970, UTC. */
  modified: number;
  tags?: Json[] | null;
  programVersion: number;
  removing?: boolean | null;
}

/** A document of `runstate.staged`, version 1 of its schema. */
export interface RunstateStagedDocument {
  id: string;
  /** Milliseconds since 1970, UTC. */
  at: number;
  attempt: string;
  batches: number;
  state: "staging" | "adopted";
}

/** A document of `runstate.staged_rows`, version 1 of its schema. */
export interface RunstateStagedRowsDocument {
  id: string;
  command: string;
  staged: Json[];
  replaced: Json[];
}

/** A document of `runstate.commands`, version 1 of its schema. */
export interface RunstateCommandsDocument {
  id: string;
  /** Milliseconds since 1970, UTC. */
  at: number;
  fingerprint: string;
  result: Json;
}

/** The documents of every collection. A document may hold further fields. */
export interface Documents {
  "cvm.cc_history": CvmCcHistoryDocument;
  "cvm.execution_logs": CvmExecutionLogsDocument;
  "cvm.executions": CvmExecutionsDocument;
  "cvm.heap_pages": CvmHeapPagesDocument;
  "cvm.history": CvmHistoryDocument;
  "cvm.outputs": CvmOutputsDocument;
  "cvm.program_versions": CvmProgramVersionsDocument;
  "cvm.programs": CvmProgramsDocument;
  "runstate.staged": RunstateStagedDocument;
  "runstate.staged_rows": RunstateStagedRowsDocument;
  "runstate.commands": RunstateCommandsDocument;
}

/** The parameters and the result of every method. */
export interface Calls {
  "info": { params: NoParams; result: StoreInfo };
  "health": { params: NoParams; result: ErrorFields | null };
  "capabilities": { params: NoParams; result: Capabilities };
  "verify": { params: NoParams; result: VerifyReport };
  "store.changes": { params: ChangesParams; result: StoreChanges };
  "cvm.load": { params: LoadParams; result: LoadedProgram };
  "cvm.removeProgram": { params: RemoveProgramParams; result: null };
  "cvm.programs": { params: ProgramsParams; result: ListPage<ProgramSummary> };
  "cvm.program": { params: ProgramParams; result: ProgramView };
  "cvm.programById": { params: ProgramByIdParams; result: ProgramView };
  "cvm.versions": { params: VersionsParams; result: ListPage<VersionSummary> };
  "cvm.version": { params: VersionParams; result: VersionView };
  "cvm.versionOf": { params: ExecutionParams; result: VersionView };
  "cvm.start": { params: StartParams; result: ExecutionStatus };
  "cvm.next": { params: CommandParams; result: ExecutionStatus };
  "cvm.pause": { params: CommandParams; result: ExecutionStatus };
  "cvm.unpause": { params: CommandParams; result: ExecutionStatus };
  "cvm.cancel": { params: CommandParams; result: ExecutionStatus };
  "cvm.retry": { params: CommandParams; result: ExecutionStatus };
  "cvm.delete": { params: CommandParams; result: null };
  "cvm.wake": { params: ExecutionParams; result: null };
  "cvm.answer": { params: AnswerParams; result: ExecutionStatus };
  "cvm.show": { params: ShowParams; result: Execution };
  "cvm.variables": { params: VariablesParams; result: Array<FrameView> };
  "cvm.glance": { params: ProgressParams; result: ExecutionProgress };
  "cvm.output": { params: ExecutionParams; result: Array<string> };
  "cvm.stands": { params: ExecutionParams; result: ExecutionStatusDetails };
  "cvm.list": { params: ListParams; result: Array<ExecutionSummary> };
  "cvm.active": { params: ActiveParams; result: Array<ExecutionSummary> };
  "cvm.history": { params: HistoryParams; result: Array<ExecutionSummary> };
  "cvm.deleteFinished": { params: DeleteFinishedParams; result: DueReport };
  "cvm.countFinished": { params: CountFinishedParams; result: number };
  "cvm.claim": { params: ClaimParams; result: Work | null };
  "cvm.heartbeat": { params: HeartbeatParams; result: Timestamp };
  "cvm.complete": { params: CompleteParams; result: ExecutionStatus };
  "cvm.fail": { params: FailParams; result: FailedCall };
  "cvm.release": { params: ReleaseParams; result: null };
  "cvm.runDue": { params: RunDueParams; result: DueReport };
  "cvm.nextDue": { params: NextDueParams; result: Timestamp | null };
  "cvm.calls": { params: CallsParams; result: ListPage<CallRow> };
  "cvm.slowest": { params: SlowestParams; result: Array<CallRow> };
  "cvm.logs": { params: LogsParams; result: LogPage };
  "cvm.stats": { params: ProgramFilterParams; result: Stats };
  "cvm.statuses": { params: ProgramFilterParams; result: { [key in string]: number } };
  "cvm.latency": { params: ProgramFilterParams; result: Latency };
  "cvm.latencyByProgram": { params: NoParams; result: { [key in string]: Latency } };
  "cvm.latencyByKind": { params: ProgramFilterParams; result: { [key in string]: Latency } };
  "cvm.changes": { params: CvmChangesParams; result: CvmChanges };
}
