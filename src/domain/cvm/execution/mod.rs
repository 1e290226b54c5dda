//! An execution: one run of a program, from start to end. Its head is one document, its growing data is in rows (`child_rows.rs`), and its
//! calls are in `call.rs`. Its states and fields are in this file, the transitions in `lifecycle.rs`, the commands in `commands.rs`, the
//! shapes of the document and of its error in `document.rs`, and slices in `slice.rs`.

mod commands;
mod deletion;
mod document;
mod lifecycle;

use std::borrow::Cow;

pub use commands::{Cancel, ExecutionStatus, Pause, Retry, RunDue, RunDueOutcome, RunSlice, Start, Unpause};
pub use deletion::{Delete, DeleteRows, DeletionCursor, DeletionProgress};
pub use document::{ImportedFailure, ProgramError};
pub use lifecycle::{ExecutionEvent, SliceEnd};
use serde::{Deserialize, Serialize};

use super::loaded_machine::{self, PageTable};
use crate::decision::{Change, Ctx, Decision, Lifecycle, LoadedDocument, Rejection, View};
use crate::limits::LogLevel;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Collection, Field, Index, Key, Predicate, Reference};
use crate::time::Timestamp;
use crate::value::Json;

/// The head of an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionHead {
    /// Its id.
    pub id: String,
    /// The program's id.
    pub program_id: String,
    /// The program's name, for queries.
    pub program_name: String,
    /// The version that it runs until its end.
    pub program_version: u32,
    /// Its state.
    pub state: ExecutionState,
    /// Program counter.
    pub pc: u32,
    /// Operand stack and scopes as saved; `None` if they are in rows of their own (`PageTable::spill`).
    pub(super) frames: Option<loaded_machine::Frames>,
    /// The newest lines of output: at most 100 and 16 KiB.
    pub output: Vec<String>,
    /// Number of lines printed so far.
    pub output_count: u64,
    /// Number of output rows so far.
    pub output_rows: u64,
    /// Running digest of all output.
    pub output_digest: String,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
    /// Counters.
    pub metrics: Metrics,
    /// Its input.
    pub input: Option<Json>,
    /// The execution that started this one.
    pub parent_id: Option<String>,
    /// State of the program's random source.
    pub(super) random: Json,
    /// The current pages of its heap.
    pub(super) heap: PageTable,
    /// Overrides the engine's log level.
    pub log_level: Option<LogLevel>,
    /// Heap limit in bytes; `None`: that of the engine's settings.
    pub heap_bytes: Option<u64>,
    /// Number of calls in the group (`CC.all`) that it made last; 0 after a single call.
    pub(super) group_size: u32,
    /// Size of the answers to that group so far, in bytes of their JSON.
    pub(super) group_answer_bytes: u64,
}

/// Counters of an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Metrics {
    /// Instructions run.
    pub instructions_executed: u64,
    /// Calls made.
    pub cc_calls_count: u64,
    /// Time for which the machine ran, each turn rounded to a millisecond; 0 if the host does not measure it.
    pub execution_time_ms: i64,
}

/// The calls that an execution waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CcWaiting {
    /// The instruction at which it waits.
    pub instruction_id: u32,
    /// The prompt of the first open call.
    pub prompt: String,
    /// When that call was made.
    pub requested_at: Timestamp,
    /// Id of the first open call.
    pub call_id: String,
    /// Number of open calls. A paused execution may have none; it then resumes when it is unpaused.
    pub open_calls: u32,
    /// The earliest deadline of the open calls. On the wire it is the `wakeAt` of a waiting execution; a paused execution has none.
    #[serde(skip)]
    pub due: Option<Timestamp>,
}

/// The state of an execution. Terminal states own the time of their end.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecutionState {
    /// It runs, or the process that ran it has died. After `lease_until` any process may take it over.
    Running {
        /// The end of the lease.
        lease_until: Timestamp,
    },
    /// It waits for an answer.
    Waiting(CcWaiting),
    /// It is paused until it is unpaused.
    Paused(ResumeState),
    /// It is complete.
    Complete {
        /// When it completed.
        at: Timestamp,
        /// The program's value.
        result: Json,
    },
    /// It failed. It may be retried at the failing instruction.
    Failed {
        /// When it failed.
        at: Timestamp,
        /// The error.
        error: ProgramError,
    },
    /// It was cancelled.
    Cancelled {
        /// When it was cancelled.
        at: Timestamp,
    },
    /// It is being deleted: its rows are removed, and its head last.
    Deleted {
        /// Its last status.
        final_status: Status,
        /// When it ended.
        at: Timestamp,
        /// The end of the lease of the process that deletes it. Afterwards any process may continue the deletion.
        lease_until: Timestamp,
    },
}

/// The state that a paused execution returns to.
#[derive(Clone, Debug, PartialEq)]
pub enum ResumeState {
    /// Running.
    Running,
    /// Waiting for these calls.
    Waiting(CcWaiting),
}

/// The status on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Status {
    /// See [`ExecutionState::Running`].
    Running,
    /// See [`ExecutionState::Waiting`].
    WaitingCc,
    /// See [`ExecutionState::Paused`].
    Paused,
    /// See [`ExecutionState::Complete`].
    Complete,
    /// See [`ExecutionState::Failed`].
    Error,
    /// See [`ExecutionState::Cancelled`].
    Cancelled,
}

/// `cvm.executions`. In version 1, `error.instruction` was an index; documents of version 1 can still be read (`document.rs`).
pub const EXECUTIONS: Collection = Collection::new("cvm.executions", 2)
    .fields(&[
        Field::id("id"),
        Field::id("programId"),
        Field::text("programName"),
        Field::int("programVersion"),
        Field::object("state"),
        Field::int("state.pc"),
        Field::list("state.stack"),
        Field::list("state.scopes"),
        Field::text("state.status").one_of(Status::ALL),
        Field::list("state.output"),
        Field::int("state.outputCount"),
        Field::object("ccWaiting").optional(),
        Field::timestamp("ccWaiting.requestedAt").optional(),
        Field::timestamp("started"),
        Field::timestamp("completed").optional(),
        Field::timestamp("lastModified"),
        Field::object("metrics"),
        Field::object("error").optional(),
        Field::timestamp("error.timestamp").optional(),
        Field::json("result").optional(),
        Field::json("input").optional(),
        Field::id("parentId").optional(),
        Field::object("pausedFrom").optional(),
        Field::object("pausedFrom.ccWaiting").optional(),
        Field::timestamp("pausedFrom.ccWaiting.requestedAt").optional(),
        Field::json("random"),
        Field::object("heap"),
        Field::text("outputDigest"),
        Field::text("logLevel").optional(),
        Field::int("heapBytes").optional(),
        Field::timestamp("wakeAt").optional(),
        Field::bool("deleting").optional(),
    ])
    .indexes(&[
        Index::ordered(&[("programId", Ascending)]),
        Index::ordered(&[("state.status", Ascending)]),
        Index::ordered(&[("started", Descending)]),
        Index::ordered(&[("programName", Ascending), ("started", Descending)]),
        Index::ordered(&[("parentId", Ascending)]),
        Index::ordered(&[("completed", Ascending)]),
        Index::ordered(&[("wakeAt", Ascending)]).partial(Predicate::Exists("wakeAt")),
    ])
    .references(&[
        Reference { field: "programId", collection: "cvm.programs" },
        Reference { field: "parentId", collection: "cvm.executions" },
    ]);

impl Status {
    /// All statuses, as on the wire.
    pub const ALL: &'static [&'static str] = &["running", "waiting_cc", "paused", "complete", "error", "cancelled"];

    /// The status on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::WaitingCc => "waiting_cc",
            Status::Paused => "paused",
            Status::Complete => "complete",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
        }
    }
}

impl ExecutionState {
    /// Its status on the wire.
    pub fn status(&self) -> Status {
        match self {
            ExecutionState::Running { .. } => Status::Running,
            ExecutionState::Waiting(_) => Status::WaitingCc,
            ExecutionState::Paused(_) => Status::Paused,
            ExecutionState::Complete { .. } => Status::Complete,
            ExecutionState::Failed { .. } => Status::Error,
            ExecutionState::Cancelled { .. } => Status::Cancelled,
            ExecutionState::Deleted { final_status, .. } => *final_status,
        }
    }
}

fn not_found(id: &str) -> Rejection {
    Rejection::NotFound { what: "execution", id: id.to_owned(), hint: "; `list` shows all executions".to_owned() }
}

impl ExecutionHead {
    /// The execution of that id as it was read. An execution that is being deleted counts as missing.
    pub(super) fn find<'a>(
        view: &'a View,
        id: &str,
    ) -> Result<(&'a LoadedDocument, Cow<'a, ExecutionHead>), Rejection> {
        let key = Key::new(&EXECUTIONS, id);
        let loaded = view.get(&key).ok_or_else(|| not_found(id))?;
        let execution = match view.cached::<loaded_machine::CachedExecution>(&key) {
            Some(cached) => Cow::Borrowed(&*cached.execution),
            None => Cow::Owned(Self::from_document(&key, loaded)?),
        };
        match execution.state {
            ExecutionState::Deleted { .. } => Err(not_found(id)),
            _ => Ok((loaded, execution)),
        }
    }

    /// As [`ExecutionHead::find`], for a command that changes it.
    pub(super) fn find_owned<'a>(view: &'a View, id: &str) -> Result<(&'a LoadedDocument, ExecutionHead), Rejection> {
        Self::find(view, id).map(|(loaded, execution)| (loaded, execution.into_owned()))
    }

    /// The execution of that id, as far as it was read. The decision reports one that is missing or cannot be read.
    pub(super) fn peek<'a>(view: &'a View, id: &str) -> Option<Cow<'a, ExecutionHead>> {
        let key = Key::new(&EXECUTIONS, id);
        let head = view.get(&key)?;
        match view.cached::<loaded_machine::CachedExecution>(&key) {
            Some(cached) => Some(Cow::Borrowed(&cached.execution)),
            None => Self::from_document(&key, head).ok().map(Cow::Owned),
        }
    }

    /// Rejects an answer to an open call in a state that does not allow it.
    pub(super) fn require_waiting(&self) -> Result<(), Rejection> {
        // The remaining open calls are computed later. Whether an answer is legal at all depends on the lifecycle alone.
        let waiting = self.open_call().cloned().unwrap_or_else(CcWaiting::sample);
        self.next_state(ExecutionEvent::CallsClosed(waiting)).map(|_| ())
    }

    /// Step of the first call in the newest group.
    pub(super) fn first_step(&self) -> u64 {
        (self.metrics.cc_calls_count + 1).saturating_sub(u64::from(self.group_size.max(1)))
    }

    /// The next state according to the lifecycle.
    pub(super) fn next_state(&self, event: ExecutionEvent) -> Result<ExecutionState, Rejection> {
        Self::transition(self.state.clone(), event).map_err(|rejection| match rejection {
            Rejection::IllegalTransition { from, command, remedy, .. } => {
                Rejection::IllegalTransition { key: Key::new(&EXECUTIONS, &self.id), from, command, remedy }
            }
            other => other,
        })
    }

    /// The result for a caller.
    pub(super) fn execution_status(&self) -> ExecutionStatus {
        ExecutionStatus { id: self.id.clone(), status: self.state.status() }
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match &self.state {
            ExecutionState::Complete { at, .. }
            | ExecutionState::Failed { at, .. }
            | ExecutionState::Cancelled { at }
            | ExecutionState::Deleted { at, .. } => Some(*at),
            ExecutionState::Running { .. } | ExecutionState::Waiting(_) | ExecutionState::Paused(_) => None,
        }
    }

    /// The calls that it waits for, also while it is paused.
    pub fn open_call(&self) -> Option<&CcWaiting> {
        match &self.state {
            ExecutionState::Waiting(call) | ExecutionState::Paused(ResumeState::Waiting(call)) => Some(call),
            _ => None,
        }
    }

    /// The decision that rewrites the head when the machine has not moved. The cached machine stays valid.
    pub(super) fn update_head(
        mut self,
        before: &LoadedDocument,
        view: &View,
        ctx: &Ctx,
    ) -> Result<Decision<ExecutionStatus>, Rejection> {
        self.last_modified = ctx.now;
        let key = Key::new(&EXECUTIONS, &self.id);
        let change = Change::Update { key: key.clone(), before: before.clone(), after: self.to_document()? };
        let mut decision = Decision::new(self.execution_status()).change(change);
        if let Some(cached) = view.cached::<loaded_machine::CachedExecution>(&key) {
            decision.cached.extend(cached.machine.clone().into_cached(key, self));
        }
        Ok(decision)
    }

    /// When it is due.
    fn due_at(&self) -> Option<Timestamp> {
        match &self.state {
            ExecutionState::Running { lease_until } | ExecutionState::Deleted { lease_until, .. } => Some(*lease_until),
            ExecutionState::Waiting(waiting) => waiting.due,
            ExecutionState::Paused(_)
            | ExecutionState::Complete { .. }
            | ExecutionState::Failed { .. }
            | ExecutionState::Cancelled { .. } => None,
        }
    }
}

impl CcWaiting {
    pub(super) fn sample() -> Self {
        let at = Timestamp::default();
        Self {
            instruction_id: 0,
            prompt: String::new(),
            requested_at: at,
            call_id: "call".into(),
            open_calls: 1,
            due: None,
        }
    }
}
