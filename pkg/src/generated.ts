// Made from the sources of runstate. Do not edit: change the Rust types and let `tests/typescript.rs` write it.

/** A plain value: what JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What errors are told apart by: never renamed, never meaning something else. */
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

/** How many of the executions that have not come to their end. */
export type ActiveParams = {
  /** At most so many, newest first; 100 where it is not said. */
  limit?: number | null,
};

/** What to answer. Of several open calls either `call` or `key` says which one. */
export type AnswerParams = {
  /** The execution. */
  id: string,
  /** Any plain value that fits the question. */
  answer: Json,
  /** Id of the call; missing: the one that is open. */
  call?: string | null,
  /** The key of the call, asked already or not. */
  key?: string | null,
  /** The how-manyth call under that key, from 1; 1 where it is not said. */
  occurrence?: number | null,
  /** Who answers. */
  by?: string | null,
  /** The id of the command. */
  commandId?: string | null,
};

/**
 * When a failed call is tried again: after `initialMs`, then twice as long each time, at most `longestMs`, until it was tried `attempts`
 * times.
 */
export type BackoffParams = {
  /** How often it is tried in all. */
  attempts: number,
  /** The first wait. */
  initialMs: Millis,
  /** The longest wait. */
  longestMs: Millis,
};

/** Who works on a call. */
export type CallClaim = {
  /** The worker; missing between two attempts. */
  owner?: string,
  /** The fencing token: greater with every claim of the call. */
  token?: number,
  /** Until when it is the worker's. */
  until?: Timestamp,
  /** How often it was claimed. */
  attempts?: number,
};

/** What a worker could not do. */
export type CallError = {
  /** The error's name in the program; missing: `CallError`. */
  name?: string | null,
  /** In words. */
  message: string,
  /** When. */
  timestamp: Timestamp,
  /** Who tried, where they said. */
  by?: string | null,
};

/** What a worker could not do. */
export type CallFault = {
  /** The error's name in the program, where the worker gave it one. */
  name?: string,
  /** In words. */
  message?: string,
  /** When. */
  timestamp?: Timestamp,
  /** Who tried. */
  by?: string,
};

/** A call as it stands in a list. What it has not, or cannot be read, is missing. */
export type CallRow = {
  /** Its id. */
  id: string,
  /** The execution that asks. */
  executionId: string,
  /** Its program. */
  programName: string,
  /** The how-manyth call of the execution, from 1. An answer that came before its question has none. */
  step?: number,
  /** Who is asked. */
  kind: string,
  /** The name under which it may be answered before it is asked. */
  key?: string,
  /** The question. */
  prompt?: string,
  /** What a tool is called with. */
  args?: Json,
  /** The only answers it takes. */
  choices?: Json,
  /** What an answer must look like. */
  schema?: Json,
  /** The answer it gets where nobody gives one in time. */
  default?: Json,
  /** Line of the source that asks. */
  line?: number,
  /** When it was asked. */
  askedAt?: Timestamp,
  /** When it may be taken. */
  availableAt?: Timestamp,
  /** Until when it may be answered. */
  deadline?: Timestamp,
  /** How it ended: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled`. Missing while it is open. */
  outcome?: string,
  /** The answer, null included. */
  result?: Json,
  /** When it was answered. */
  answeredAt?: Timestamp,
  /** How long after the question. */
  latencyMs?: Millis,
  /** Who answered. */
  by?: string,
  /** Who works on it. */
  claim?: CallClaim,
  /** The newest failure of a worker; the call may be open all the same, to be tried again. */
  error?: CallFault,
};

/** Which calls to list: those of one execution by step, open ones by kind and time, all others newest first. */
export type CallsParams = {
  /** Only of this execution. */
  execution?: string | null,
  /** Only of executions of this program. */
  program?: string | null,
  /** Only of this kind. */
  kind?: string | null,
  /** Only open ones. */
  open?: boolean | null,
  /** At most so many; 100 where it is not said, never more than 1,000. */
  limit?: number | null,
  /** `next` of the page before. */
  cursor?: string | null,
};

/** What a store can do. What it lacks is a typed error (`Error.Unsupported`), never silence. */
export type Capabilities = {
  /** A name for people: `memory`, `file`. */
  name: string,
  /** An acknowledged commit survives the death of the process and the loss of power. */
  durable: boolean,
  /** Several processes or tabs may use it at once. */
  shared: boolean,
  /** The backend expires documents by itself too. */
  nativeTtl: boolean,
  /** Answers `Store.aggregate`. */
  aggregate: boolean,
  /** Answers `Store.changes`. */
  changeFeed: boolean,
  /** Answers `crate.schema.Filter.Text`. */
  text: boolean,
  /** Largest document, in bytes of its JSON. */
  documentBytes: number,
  /** Largest batch, as `Batch.bytes` counts. */
  batchBytes: number,
  /** Most writes and checks in one batch. */
  batchWrites: number,
};

/** Which committed changes are asked for. */
export type ChangesParams = {
  /** Only those after this position; missing: from now on. */
  from?: Position | null,
  /** Only those of this collection. */
  collection?: string | null,
  /** At most so many; 256 where it is not said. */
  limit?: number | null,
  /** How long to wait for one, where there are none. */
  waitMs: Millis,
};

/** What to claim: a call of one of these kinds, or this call. */
export type ClaimParams = {
  /** Any open call of these kinds, at most 16. */
  kinds?: Array<string> | null,
  /** This call. */
  call?: string | null,
  /** Who claims, for people who look. */
  owner: string,
  /** How long it is held without a heartbeat; 30 seconds where it is not said. */
  leaseMs?: Millis | null,
  /** The id of the command. */
  commandId?: string | null,
};

/** A call that was claimed. */
export type Claimed = {
  /** The call. */
  call: string,
  /** The execution that asks. */
  execution: string,
  /** The fencing token that completing it needs. */
  token: number,
  /** The end of the lease. */
  until: Timestamp,
  /** How often it was tried, this time included. */
  attempts: number,
};

/** A collection in a store. */
export type CollectionInfo = {
  /** Its name. */
  name: string,
  /** The schema version that this program declares. */
  version: number,
  /** How many documents it has; null: the store does not count. */
  documents: number | null,
};

/**
 * The id of a command: the same id again is answered with the first result.
 *
 * What follows a deciding batch (later slices, staging, deletion) carries `id/1`, `id/2`, … (`CommandId.part`).
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
  /** What it was compiled to. */
  bytecode: Array<Instruction>,
  /** By what: `runstate:0.1.0`. */
  compiler: string,
};

/** The answer to a claimed call. */
export type CompleteParams = {
  /** The claim. */
  claimed: Claimed,
  /** Any plain value that fits the question. */
  answer: Json,
  /** Who answers. */
  by?: string | null,
  /** The id of the command. */
  commandId?: string | null,
};

/** Executions that had ended at a moment, to be counted. */
export type CountFinishedParams = {
  /** The moment. */
  before: Timestamp,
};

/** One change. */
export type CvmChange = {
  /** What changed. */
  thing: Thing,
  /** Its id. */
  id: string,
  /** The execution it belongs to. Of what is gone by now only the id is known, unless it is an execution itself. */
  executionId?: string,
  /** It was deleted. */
  deleted: boolean,
  /** The command that changed it. */
  command: CommandId,
  /** The position of its commit. */
  position: Position,
};

/** Changes, and where to go on. */
export type CvmChanges = {
  /** In the order of commits. */
  events: Array<CvmChange>,
  /** Where to go on. */
  next: Position,
};

/** Which changes are asked for, in the words of programs and executions. */
export type CvmChangesParams = {
  /** Only those after this position; missing: from now on. */
  from?: Position | null,
  /** Only of these things; missing: of all. */
  things?: Array<Thing> | null,
  /** Only of these executions and what belongs to them; missing: of all. */
  executions?: Array<string> | null,
  /** At most so many; 256 where it is not said. */
  limit?: number | null,
  /** How long to wait for one, where there are none. */
  waitMs: Millis,
};

/** Executions that had ended at a moment, to be deleted. */
export type DeleteFinishedParams = {
  /** The moment. */
  before: Timestamp,
  /** At most so many. */
  limit: number,
};

/** One finding. A file's findings come all at once, in order of place. */
export type Diagnostic = {
  /** The file as the caller named it. */
  file: string,
  /** Line, from 1. */
  line: number,
  /** Column, from 1, in UTF-16 units as editors count. */
  column: number,
  /** Why. */
  kind: DiagnosticKind,
  /** What is wrong. */
  message: string,
  /** What to do instead, where that is known. */
  hint?: string,
  /** The line of the source, cut at 200 characters. */
  sourceLine: string,
};

/** Why a source was refused. */
export type DiagnosticKind = "syntax" | "unsupported" | "name";

/** What was due and done. */
export type Due = {
  /** Executions that went on. */
  woken: number,
  /** Executions whose retention was over, or whose deletion had been left half done. */
  deleted: number,
  /** Rows that had expired. */
  swept: number,
  /** There is more than was asked for. */
  more: boolean,
  /** Executions for which it could not be done; the others are not held up by them. */
  failed: Array<StillDue>,
};

/**
 * What failed, on what, and whether it may go better next time. A command that failed with anything but
 * `Code.Unknown` changed nothing.
 */
export type ErrorFields = {
  /** Stable. */
  code: ErrorCode,
  /** For people; may change. */
  message: string,
  /** The collection concerned. */
  collection?: string,
  /** The id of the document concerned. */
  key?: string,
  /** The same call may succeed later with nothing changed by the caller. */
  retryable: boolean,
  /** More, for programs. */
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
  /** What it is doing. */
  status: Status,
  /** All lines printed so far. */
  output: Array<string>,
  /** The program's value, once complete. */
  result: Json,
  /** Why it failed. */
  error: ProgramError | null,
  /** The open calls. */
  calls: Array<OpenCall>,
  /** SHA-256 of what the execution is, the same wherever it is loaded; missing where it was not asked for. */
  stateHash?: string,
  /** How large its heap is: pages of 64 objects. What the hash costs grows with them. */
  heapPages: number,
  /** What it was started with; missing: nothing. */
  input?: Json,
  /** The execution that started it, where one did. */
  parentId?: string,
  /** Where its machine is, with the values of its variables; missing where it was not asked for. */
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

/** Where an execution stands in a list of executions. */
export type ExecutionPlace = {
  /** When it was started. */
  started: Timestamp,
  /** Its id. */
  id: string,
};

/** One line of a list of executions. */
export type ExecutionSummary = {
  /** Its id. */
  id: string,
  /** The program. */
  programName: string,
  /** The version it runs. */
  programVersion: number,
  /** What it is doing; see `Status`. */
  status: string,
  /** What it waits for. */
  prompt: string | null,
  /** How many calls are open, paused or not. */
  openCalls: number,
  /** When it was started. */
  started: Timestamp,
  /** When it was last written. */
  lastModified: Timestamp,
};

/** What to export. */
export type ExportParams = {
  /** One execution, with its rows and the version of the program that it runs; missing: all of the store. */
  execution?: string | null,
};

/** What was moved, or is to be. */
export type ExportSummary = {
  /** Documents of each collection; those of the ledger are under its name too. */
  counts: { [key in string]: number },
  /** SHA-256 over all documents in their order: equal for equal contents, whatever the store and the form. */
  contents: string,
};

/** That a claimed call could not be done. */
export type FailParams = {
  /** The claim. */
  claimed: Claimed,
  /** What went wrong, in words. */
  message: string,
  /** Name of the error in the program; missing: `CallError`. */
  name?: string | null,
  /** Whether and when it is tried again; missing: the program is told at once. */
  retry?: BackoffParams | null,
  /** Who tried. */
  by?: string | null,
  /** The id of the command. */
  commandId?: string | null,
};

/** What became of a failed call. */
export type FailedCall = {
  /** When it may be tried again; null: it is closed. */
  retryAt: Timestamp | null,
  /** How its execution stands, where it is closed. */
  reached: Reached | null,
};

/** Why a call could not be answered. Any error becomes one, to be tried again, so `?` works in handlers. */
export type Failure = {
  /** In words; the program reads them. */
  message: string,
  /** The name of the error in the program; null: `CallError`. */
  name: string | null,
  /** Whether it may go better next time. The program is told when it was tried often enough, at once where it is not tried again. */
  retry: boolean,
};

/** One problem found by a verification. */
export type Finding = {
  /** The file, the document (`collection/id`) or the collection. */
  at: string,
  /** How bad it is. */
  severity: Severity,
  /** What is wrong with it. */
  why: string,
  /** What cannot be read because of it: commands, or ranges of documents. */
  gone: Array<string>,
};

/** A call that has begun and not returned. */
export type FrameView = {
  /** The name of the function; `<program>` for the program itself, `<anonymous>` where it has none. */
  function: string,
  /** The instruction it is at. */
  pc: number,
  /** Its line in the source, from 1; 0 where it is not known. */
  line: number,
  /** Its column in the source, from 1; 0 where it is not known. */
  column: number,
  /** Its variables: `this`, parameters and locals in the order in which they are declared, then those of functions that have returned. */
  variables: Array<VariableView>,
};

/** A look at what is new of an execution. */
export type GlanceParams = {
  /** The execution. */
  id: string,
  /** `next` of the last look; missing: from the first line on. */
  from?: number | null,
};

/** Why a handler could not answer. */
export type HandlerFailed = {
  /** In words; the program reads them. */
  message: string,
  /** The name of the error in the program; missing: `CallError`. */
  name?: string | null,
  /** It is not tried again. */
  final?: boolean | null,
};

/** That a claimed call is still worked on. */
export type HeartbeatParams = {
  /** The claim. */
  claimed: Claimed,
  /** How long it is held from now on; 30 seconds where it is not said. */
  leaseMs?: Millis | null,
};

/** The executions of a program. */
export type HistoryParams = {
  /** The program. */
  program: string,
  /** At most so many, newest first; 100 where it is not said. */
  limit?: number | null,
};

/** What an import came to. */
export type ImportResult = {
  /** What it held, all of which is in the store now. */
  summary: ExportSummary,
  /** Documents and results of commands that were written now. */
  written: number,
  /** Those that were there already. */
  there: number,
};

/** One instruction as it travels. */
export type Instruction = {
  /** Number of the operation. */
  op: number,
  /** Its argument, in the form that the operation's documentation gives. */
  arg?: Json | null,
  /** Line of the source, from 1; 0 where there is none. */
  line: number,
  /** Column of the source, from 1 in UTF-16 units. */
  column?: number | null,
};

/** What became of calls, and how long the answers took. Milliseconds; percentiles are values that occurred (nearest rank). */
export type Latency = {
  /** Calls asked, open ones included. */
  calls: number,
  /** Those that were answered: what the numbers below are of. */
  answered: number,
  /** Mean; none without answers, as the others. */
  avgMs: number | null,
  /** The slowest. */
  maxMs: Millis | null,
  /** The median: half of the answers took no longer. */
  p50Ms: Millis | null,
  /** Of 20 answers 19 took no longer. */
  p95Ms: Millis | null,
  /**
   * How many ended how: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled` and, not ended, `open`. All of them are there; what
   * a newer program may add is there under its own name.
   */
  outcomes: { [key in string]: number },
};

/** Which executions to list. */
export type ListParams = {
  /** Only of this status. */
  status?: Status | null,
  /** Only of this program. */
  program?: string | null,
  /** At most so many, newest first; 100 where it is not said. */
  limit?: number | null,
  /** Only what comes behind this one: the last row of the page before. */
  after?: ExecutionPlace | null,
};

/** A program to be loaded. */
export type LoadParams = {
  /** Its name. */
  name: string,
  /** Its source. */
  source: string,
  /** What it was compiled to. */
  bytecode: Array<Instruction>,
  /** By what it was compiled. */
  compiler: string,
  /** What it is for; missing: what is there stays. */
  description?: string | null,
  /** Words to find it by; missing: what is there stays. */
  tags?: Array<string> | null,
  /** The id of a program that is new under its name; missing: one is made. */
  id?: string | null,
  /** The id of the command; the same id again is answered with the first result. */
  commandId?: string | null,
};

/** What loading came to. */
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

/** How much of the log an execution keeps. */
export type LogLevel = "off" | "calls" | "instructions";

/** One page of a log. */
export type LogPage = {
  /** In the order of time, then of the id. */
  rows: Array<LogRow>,
  /** Where to go on, also where nothing more is there yet; missing before the first row. */
  next?: string,
  /** Whether more is there already. */
  more: boolean,
};

/** A row of the log. Rows without a time are not shown: they have no place in it. */
export type LogRow = {
  /** Its id. */
  id: string,
  /** The execution. */
  executionId: string,
  /** When. */
  timestamp: Timestamp,
  /** What: `instruction`, `cc_call`, `error`, `complete`; `history` of an entry that an older CVM recorded and that was imported. */
  event: string,
  /** More, by what it is. */
  details: Json,
};

/** A page of a log, in the order of time. */
export type LogsParams = {
  /** Only of this execution; missing: of all. */
  id?: string | null,
  /** Only of this event: `instruction`, `cc_call`, `error`, `complete`. */
  event?: string | null,
  /** Only from this moment on. */
  since?: Timestamp | null,
  /** Only before this moment. */
  before?: Timestamp | null,
  /** `next` of an earlier page. */
  after?: string | null,
  /** At most so many rows; 100 where it is not said, never more than 1,000. */
  limit?: number | null,
};

/** Where a machine is. */
export type MachineView = {
  /** The next instruction; while a call is open, the one that asked; after a failure, the one that failed. */
  pc: number,
  /** Its line in the source, from 1; 0 where it is not known. */
  line: number,
  /** Its column in the source, from 1; 0 where it is not known. */
  column: number,
  /** The operands of all calls that have begun, the top of the stack last. Those of an open call are not among them. */
  stack: Array<ValueView>,
  /** The calls that have begun, the innermost first; the program itself is the last one. */
  frames: Array<FrameView>,
  /** Something was left out. */
  cut: boolean,
};

/** Counters of an execution. */
export type Metrics = {
  /** Instructions run. */
  instructionsExecuted: number,
  /** Calls made. */
  ccCallsCount: number,
  /** Time that the machine spent running, each turn rounded to a millisecond; 0 where the host does not measure. */
  executionTimeMs: number,
};

/** A span of time in milliseconds. */
export type Millis = number;

/** When something is due. */
export type NextDueParams = {
  /** Whether what this process knows is enough. */
  known: boolean,
};

/** No parameters. */
export type Nothing = Record<symbol, never>;

/** A program, or all of them. */
export type OfProgramParams = {
  /** The program; missing: all. */
  program?: string | null,
};

/** A call that waits for its answer. */
export type OpenCall = {
  /** Its id. */
  callId: string,
  /** The how-manyth call of the execution it is, from 1. */
  step: number,
  /** The question; empty for tools and timers. */
  prompt: string,
  /** What a tool is given; null: nothing. */
  args: Json,
  /** The only answers it takes; null: any. */
  choices: Array<Json> | null,
  /** What an answer must look like; null: anything. */
  schema: Json | null,
  /** Who is asked: `cc`, the name of a tool, `timer`, `fs.readFile` and the like. */
  kind: string,
  /** The name by which it can be answered too. */
  key: string | null,
  /** From here on no answer is taken. */
  deadline: Timestamp | null,
  /** What the program gets when the deadline has passed; missing: it is thrown a `TimeoutError`. */
  default?: Json,
  /** Who works on it, where a worker has claimed it and not given it back. */
  owner: string | null,
  /** The end of that one's lease, unless it says more; afterwards others may take it. */
  leaseUntil?: Timestamp,
  /** Line of the source that asks. */
  line: number,
  /** The variables visible there by name, cut with a mark. */
  variables: Json,
  /** When it was asked. */
  requestedAt: Timestamp,
};

/** How to open a store. */
export type OpenParams = {
  /** How long a finished execution is kept; missing: for ever. */
  retentionMs?: Millis | null,
  /** What executions log where they do not say themselves. */
  logLevel?: LogLevel | null,
  /** Bytes that the heap of an execution may take, where it does not say itself; 67,108,864 where it is not said. */
  heapBytes?: number | null,
  /** Instructions of a program between two of its saves; 250,000 where it is not said. */
  sliceInstructions?: number | null,
  /** Bytes of changed heap after which a program is saved sooner, near enough; 524,288 where it is not said. */
  sliceBytes?: number | null,
  /** A store that is not there is an error. */
  mustExist?: boolean | null,
};

/** How far an execution that is due is driven. */
export type Pace = "stop" | "slice";

/** One page of a list. */
export type Paged<T> = {
  /** In the order of the list. */
  rows: Array<T>,
  /** Where the next page begins; null: there is none. */
  next?: string,
};

/** What is being done. */
export type Phase = "export" | "check" | "compare" | "write" | "verify";

/** A place in the order of commits. Opaque; later positions of one store are greater only to that store. */
export type Position = string;

/** One program, by its id. */
export type ProgramByIdParams = {
  /** Its id. */
  id: string,
};

/** Why a program failed. */
export type ProgramError = {
  /** In words. */
  message: string,
  /** `TypeError`, `LimitError`, or what the program threw. */
  name: string,
  /** Line of the source, from 1. */
  line: number,
  /** Column of the source, from 1. */
  column: number,
  /** Index of the failing instruction. */
  pc: number,
  /** The failing instruction: `{"op":n}`, with `"arg"` where it has one; null where it is not known. */
  instruction: Json,
  /** The calls that led there, innermost first: `at f (line:column)`. Of an imported execution the operands that the older CVM saved. */
  stack: Array<string>,
  /** When. */
  timestamp: Timestamp,
};

/** One program. */
export type ProgramParams = {
  /** Its name. */
  name: string,
};

/** A program as it stands in a list. What it has not, or cannot be read, is missing. */
export type ProgramSummary = {
  /** Its id. */
  id: string,
  /** Its name. */
  name: string,
  /** Its newest version, from 1. */
  programVersion?: number,
  /** What it is for. */
  description?: string,
  /** Words to find it by. */
  tags: Array<string>,
  /** When it was first loaded. */
  created?: Timestamp,
  /** When its newest version was loaded. */
  modified?: Timestamp,
  /** Version of the newest version's bytecode. */
  bytecodeVersion?: number,
  /** By what it was compiled. */
  compiler?: string,
  /** It is being removed: nothing can be started of it, and it is gone when the removal is repeated, unless an execution runs it. */
  removing?: boolean,
};

/** All of a program, as of its newest version. */
export type ProgramView = {
  /** Its source. */
  source: string,
  /** Its bytecode, as it stands in the store. */
  bytecode: Json,
  /** Its id. */
  id: string,
  /** Its name. */
  name: string,
  /** Its newest version, from 1. */
  programVersion?: number,
  /** What it is for. */
  description?: string,
  /** Words to find it by. */
  tags: Array<string>,
  /** When it was first loaded. */
  created?: Timestamp,
  /** When its newest version was loaded. */
  modified?: Timestamp,
  /** Version of the newest version's bytecode. */
  bytecodeVersion?: number,
  /** By what it was compiled. */
  compiler?: string,
  /** It is being removed: nothing can be started of it, and it is gone when the removal is repeated, unless an execution runs it. */
  removing?: boolean,
};

/** Which programs to list. */
export type ProgramsParams = {
  /** Only those with this tag. */
  tag?: string | null,
  /** At most so many; 100 where it is not said, never more than 1,000. */
  limit?: number | null,
  /** `next` of the page before. */
  cursor?: string | null,
};

/** How far a move is. */
export type Progress = {
  /** What is being done. */
  phase: Phase,
  /** Documents so far. */
  done: number,
  /** Of so many, where that is known. */
  of: number | null,
};

/** What a command that drives an execution came to. */
export type Reached = {
  /** The execution. */
  id: string,
  /** Its status after the command. */
  status: Status,
};

/** A claimed call that is given back. */
export type ReleaseParams = {
  /** The claim. */
  claimed: Claimed,
};

/** A program to be removed. */
export type RemoveProgramParams = {
  /** Its name. */
  name: string,
  /** The id of the command. */
  commandId?: string | null,
};

/** How much of what is due to do. */
export type RunDueParams = {
  /** For at most so many executions; 1,000 where it is not said. */
  limit?: number | null,
  /** How far each is driven; to its next stop where it is not said. */
  pace?: Pace | null,
};

/** What is seen at a glance. */
export type Seen = {
  /** What it is doing. */
  status: Status,
  /** Lines printed since the last look, some megabytes at the most. */
  lines: Array<string>,
  /** Where the next look goes on. */
  next: number,
  /** Whether more lines are there already. */
  more: boolean,
  /** The open calls. */
  calls: Array<OpenCall>,
  /** Calls asked so far, the open ones included. */
  asked: number,
  /** The program's value, once complete; else null. */
  result: Json,
  /** Why it failed. */
  error: ProgramError | null,
};

/** How bad a finding is. */
export type Severity = "harmless" | "damage";

/** What is to be told of an execution. */
export type ShowParams = {
  /** Its id. */
  id: string,
  /** Its state hash too, which walks its whole heap; true where it is not said. */
  hash?: boolean | null,
  /** Where its machine is, with the values of its variables, which reads the heap; as `hash` where it is not said. */
  machine?: boolean | null,
  /** Everything that the variables hold, else as much as a person reads. */
  full?: boolean | null,
};

/** The calls whose answers took longest. */
export type SlowestParams = {
  /** Only of this program. */
  program?: string | null,
  /** At most so many; 100 where it is not said. */
  limit?: number | null,
};

/** A number over executions. */
export type Spread = {
  /** Mean; none without executions. */
  avg: number | null,
  /** Greatest; none without executions. */
  max: number | null,
};

/** How an execution stands. */
export type Standing = {
  /** The execution and its status. */
  reached: Reached,
  /** Id of the first call it waits for, paused or not. */
  call: string | null,
  /** How many calls are open. */
  openCalls: number,
};

/** What to start. */
export type StartParams = {
  /** Name of the program; its newest version is taken. */
  program: string,
  /** Id of the execution; missing: one is made. */
  id?: string | null,
  /** The program's `input`. */
  input?: Json | null,
  /** How much it logs, where it is not as the store was opened with. */
  logLevel?: LogLevel | null,
  /** Bytes that its heap may take, where it is not as the store was opened with. */
  heapBytes?: number | null,
  /** The id of the command; the same id again is answered with the first result. */
  commandId?: string | null,
};

/** A program in numbers, or all of them. They are of moments close to each other, not of one. */
export type Stats = {
  /** The program; none: all. */
  program: string | null,
  /** How many executions there are. */
  executions: number,
  /** How many have each status; see `Cvm.statuses`. */
  statuses: { [key in string]: number },
  /** Instructions that an execution has run. */
  instructions: Spread,
  /** Milliseconds that an execution has spent running, as far as its saves show it. */
  executionTimeMs: Spread,
  /** What became of calls, and how long answers took. */
  latency: Latency,
};

/** The status on the wire. */
export type Status = "running" | "waiting_cc" | "paused" | "complete" | "error" | "cancelled";

/** An execution, or a collection, for which what is due could not be done. */
export type StillDue = {
  /** The execution; the collection's name where it is none. */
  execution: string,
  /** Why. */
  error: ErrorFields,
};

/** A committed change. */
export type StoreChange = {
  /** The collection of the document. */
  collection: string,
  /** Its id. */
  id: string,
  /** Its new revision; null: it was deleted. */
  revision: string | null,
  /** The command that changed it. */
  command: CommandId,
  /** The position of the commit. */
  position: Position,
};

/** Committed changes. */
export type StoreChanges = {
  /** In the order of commits. */
  events: Array<StoreChange>,
  /** Where to go on. */
  next: Position,
};

/** What a store is and holds. */
export type StoreInfo = {
  /** What the store can do. */
  capabilities: Capabilities,
  /** Why it can only be read, where it is so. */
  health: ErrorFields | null,
  /** Every declared collection, by name; the ledger of commands last. */
  collections: Array<CollectionInfo>,
  /** How many executions have each status. */
  executions: { [key in string]: number },
  /** The execution that was started first. */
  oldest: ExecutionSummary | null,
  /** The execution that was started last. */
  newest: ExecutionSummary | null,
};

/** A kind of thing that changes. How heaps are kept is nobody's business: their pages are not told. */
export type Thing = "program" | "version" | "execution" | "call" | "output" | "log";

/** An instant, in milliseconds since 1970-01-01T00:00:00Z. Documents hold it as that number. */
export type Timestamp = number;

/** A value as it is shown. */
export type ValueView = {
  /**
   * As JSON, with tags where JSON has no such value: `{"$undefined":true}`, `{"$uninitialised":true}` (not yet assigned),
   * `{"$number":"NaN"}`, `{"$map":[[key,value]]}`, `{"$set":[value]}`, `{"$regexp":{"source":…,"flags":…}}`,
   * `{"$error":{"name":…,"message":…,"stack":…}}` with its `"$cause"`, `{"$function":name}`, `{"$holes":n}` in a list, `{"$circular":n}` for the object n
   * levels further out, `"$class"` in an object that is not a plain one. What is left out is `{"$cut":n}`, as a member of an object
   * `"$cut"`, of a text `{"$cut":beginning,"of":length}`, and `{"$deep":class}` for an object that is too deep. A program's own keys that
   * begin with `$` have it twice.
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
   * As JSON, with tags where JSON has no such value: `{"$undefined":true}`, `{"$uninitialised":true}` (not yet assigned),
   * `{"$number":"NaN"}`, `{"$map":[[key,value]]}`, `{"$set":[value]}`, `{"$regexp":{"source":…,"flags":…}}`,
   * `{"$error":{"name":…,"message":…,"stack":…}}` with its `"$cause"`, `{"$function":name}`, `{"$holes":n}` in a list, `{"$circular":n}` for the object n
   * levels further out, `"$class"` in an object that is not a plain one. What is left out is `{"$cut":n}`, as a member of an object
   * `"$cut"`, of a text `{"$cut":beginning,"of":length}`, and `{"$deep":class}` for an object that is too deep. A program's own keys that
   * begin with `$` have it twice.
   */
  value: Json,
  /** As Node's `util.inspect` writes it. */
  text: string,
};

/** Which variables of an execution to show. */
export type VariablesParams = {
  /** The execution. */
  id: string,
  /** Only variables of this name, and calls that have one. */
  name?: string | null,
  /** Everything that they hold, else as much as a person reads. */
  full?: boolean | null,
};

/** What a verification found. */
export type VerifyReport = {
  /** The store's id; none: it is unknown, or the store has none that outlives its process. */
  store: string | null,
  /** On files: the snapshot that the state begins with. */
  snapshot: number | null,
  /** On files: the last commit that is whole with all before it. */
  head: number,
  /** On files: commit files after the snapshot that were read. */
  commits: number,
  /** On files: bytes of all files that were read. */
  bytes: number,
  /** Documents that were read, the ledger included. */
  documents: number,
  /** Index entries that were compared with the documents. */
  entries: number,
  /** The findings, in the order in which they were made. */
  findings: Array<Finding>,
  /** Further findings, which are not listed. */
  omitted: number,
};

/** One version. */
export type VersionParams = {
  /** The program. */
  name: string,
  /** From 1. */
  version: number,
};

/** A version of a program as it stands in a list. What cannot be read is missing. */
export type VersionSummary = {
  /** Its id. */
  id: string,
  /** The program. */
  programId: string,
  /** From 1. */
  programVersion?: number,
  /** When it was loaded. */
  created?: Timestamp,
  /** Version of its bytecode. */
  bytecodeVersion?: number,
  /** By what it was compiled. */
  compiler?: string,
};

/** All of a version of a program. */
export type VersionView = {
  /** Its source. */
  source: string,
  /** Its bytecode, as it stands in the store. */
  bytecode: Json,
  /** Its id. */
  id: string,
  /** The program. */
  programId: string,
  /** From 1. */
  programVersion?: number,
  /** When it was loaded. */
  created?: Timestamp,
  /** Version of its bytecode. */
  bytecodeVersion?: number,
  /** By what it was compiled. */
  compiler?: string,
};

/** Which versions to list. */
export type VersionsParams = {
  /** The program. */
  name: string,
  /** At most so many; 100 where it is not said, never more than 1,000. */
  limit?: number | null,
  /** `next` of the page before. */
  cursor?: string | null,
};

/** A call in a worker's hands. */
export type Work = {
  /** What is asked. */
  call: OpenCall,
  /** The program that asks. */
  programName: string,
  /** The claim, with the token that completing it needs. */
  claimed: Claimed,
  /** Why it was not answered the last time, where it was tried before. */
  error?: CallError,
};

/** Something that a worker did or met. */
export type WorkerEvent = { "event": "claimed" } & Work | { "event": "answered",
  /** The call. */
  work: Work,
  /** Where its execution stands. */
  reached: Reached,
  /** How long its handler took. */
  took: Millis, } | { "event": "failed",
  /** The call. */
  work: Work,
  /** Why. */
  failure: Failure,
  /** When it may be tried again; null: its program was told. */
  retryAt: Timestamp | null,
  /** How long its handler took. */
  took: Millis, } | { "event": "lost",
  /** The call. */
  work: Work,
  /** What the engine says. */
  why: ErrorFields, } | { "event": "released" } & Work | { "event": "due" } & Due | { "event": "trouble" } & ErrorFields;

/** How to serve calls. */
export type WorkerParams = {
  /** Who works, for people who look; missing: a name is made. */
  owner?: string | null,
  /** The kinds that are served, and how many of each at once. */
  kinds: { [key in string]: number },
  /** How long a call is held without a word; 30 seconds where it is not said. */
  leaseMs?: Millis | null,
  /** When and how often a failed call is tried again; 5 times within some minutes where it is not said. */
  backoff?: BackoffParams | null,
  /** Whether it does what is due too; it does where it is not said. */
  runsDue?: boolean | null,
  /** How long what runs may go on after it was told to stop; 30 seconds where it is not said. */
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

/** The documents of every collection. They may hold fields beside those that are declared. */
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

/** Every method: what it takes, and what it comes to. */
export interface Calls {
  "info": { params: Nothing; result: StoreInfo };
  "health": { params: Nothing; result: ErrorFields | null };
  "capabilities": { params: Nothing; result: Capabilities };
  "verify": { params: Nothing; result: VerifyReport };
  "store.changes": { params: ChangesParams; result: StoreChanges };
  "cvm.load": { params: LoadParams; result: LoadedProgram };
  "cvm.removeProgram": { params: RemoveProgramParams; result: null };
  "cvm.programs": { params: ProgramsParams; result: Paged<ProgramSummary> };
  "cvm.program": { params: ProgramParams; result: ProgramView };
  "cvm.programById": { params: ProgramByIdParams; result: ProgramView };
  "cvm.versions": { params: VersionsParams; result: Paged<VersionSummary> };
  "cvm.version": { params: VersionParams; result: VersionView };
  "cvm.versionOf": { params: ExecutionParams; result: VersionView };
  "cvm.start": { params: StartParams; result: Reached };
  "cvm.next": { params: CommandParams; result: Reached };
  "cvm.pause": { params: CommandParams; result: Reached };
  "cvm.unpause": { params: CommandParams; result: Reached };
  "cvm.cancel": { params: CommandParams; result: Reached };
  "cvm.retry": { params: CommandParams; result: Reached };
  "cvm.delete": { params: CommandParams; result: null };
  "cvm.wake": { params: ExecutionParams; result: null };
  "cvm.answer": { params: AnswerParams; result: Reached };
  "cvm.show": { params: ShowParams; result: Execution };
  "cvm.variables": { params: VariablesParams; result: Array<FrameView> };
  "cvm.glance": { params: GlanceParams; result: Seen };
  "cvm.output": { params: ExecutionParams; result: Array<string> };
  "cvm.stands": { params: ExecutionParams; result: Standing };
  "cvm.list": { params: ListParams; result: Array<ExecutionSummary> };
  "cvm.active": { params: ActiveParams; result: Array<ExecutionSummary> };
  "cvm.history": { params: HistoryParams; result: Array<ExecutionSummary> };
  "cvm.deleteFinished": { params: DeleteFinishedParams; result: Due };
  "cvm.countFinished": { params: CountFinishedParams; result: number };
  "cvm.claim": { params: ClaimParams; result: Work | null };
  "cvm.heartbeat": { params: HeartbeatParams; result: Timestamp };
  "cvm.complete": { params: CompleteParams; result: Reached };
  "cvm.fail": { params: FailParams; result: FailedCall };
  "cvm.release": { params: ReleaseParams; result: null };
  "cvm.runDue": { params: RunDueParams; result: Due };
  "cvm.nextDue": { params: NextDueParams; result: Timestamp | null };
  "cvm.calls": { params: CallsParams; result: Paged<CallRow> };
  "cvm.slowest": { params: SlowestParams; result: Array<CallRow> };
  "cvm.logs": { params: LogsParams; result: LogPage };
  "cvm.stats": { params: OfProgramParams; result: Stats };
  "cvm.statuses": { params: OfProgramParams; result: { [key in string]: number } };
  "cvm.latency": { params: OfProgramParams; result: Latency };
  "cvm.latencyByProgram": { params: Nothing; result: { [key in string]: Latency } };
  "cvm.latencyByKind": { params: OfProgramParams; result: { [key in string]: Latency } };
  "cvm.changes": { params: CvmChangesParams; result: CvmChanges };
}
