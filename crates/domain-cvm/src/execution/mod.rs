//! An execution: one run of a program, from start to end. Its head is one document, its growing data is in rows
//! (`child_rows.rs`), and its calls are in `call.rs`. Its states and fields are in this file, the transitions in
//! `lifecycle.rs`, the commands in `commands.rs`, its error in `error.rs`, and slices in `slice.rs`.

mod commands;
mod deletion;
mod error;
mod lifecycle;

use std::borrow::Cow;

use runstate_core::limits::{HEAP_BYTES, PER_TURN, check_range};
use runstate_core::prelude::*;
use runstate_core::schema::State;

use super::call::Call;
use super::listing::ExecutionSummary;
use super::loaded_machine::{Frames, LoadedMachine, PageTable};
use super::policy::Policy;
use super::program::Program;
use super::recorded_answers::RecordedAnswers;
use super::waiting::Waiting;
use crate::LogLevel;
pub use runstate_core::decision::program::{ExecutionStatus, Status};

pub use commands::{Cancel, Pause, Retry, RunDue, RunDueOutcome, RunSlice, Start, Unpause};
pub use deletion::{Delete, DeleteRows, DeletionCursor, DeletionProgress};
pub use error::{ImportedFailure, ProgramError};
pub use lifecycle::ExecutionEvent;

/// The head of an execution.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(
    collection = "cvm.executions",
    version = 5,
    rename_all = "camelCase",
    noun = "execution",
    filters(status = "state.status", program = "program_name"),
    when = "missing(deleting)",
    show(name = "cvm.summary", row = ExecutionSummary),
    list(name = "cvm.list", cli = "list", row = ExecutionSummary, sort = "started desc")
)]
#[index(program_id)]
#[index("state.status")]
#[index(started desc)]
#[index(program_name, started desc)]
#[index(parent_id)]
#[index(completed)]
#[index("wakeAt", when = "exists(wakeAt)")]
#[index(cancel_at, when = "exists(cancelAt)")]
pub struct ExecutionHead {
    /// Its id.
    #[entity(id, shard)]
    pub id: String,
    /// The program's id.
    #[entity(references = "cvm.programs")]
    pub program_id: String,
    /// The program's name, for queries.
    pub program_name: String,
    /// The version that it runs, until its end or until a `retry` names another one.
    pub program_version: u32,
    /// Its state.
    #[entity(state)]
    pub state: ExecutionState,
    /// Program counter.
    #[entity(path = "state.pc")]
    pub pc: u32,
    /// Operand stack and scopes as saved; empty if they are in rows of their own (`PageTable::spill`).
    #[entity(flatten)]
    pub(super) frames: Frames,
    /// The newest lines of output: at most 100 and 16 KiB.
    #[entity(path = "state.output")]
    pub output: Vec<String>,
    /// Number of lines printed so far.
    #[entity(path = "state.outputCount")]
    pub output_count: u64,
    /// Number of output rows so far.
    #[entity(path = "state.outputRows", default, undeclared)]
    pub output_rows: u64,
    /// Running digest of all output.
    pub output_digest: String,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    #[entity(updated)]
    pub last_modified: Timestamp,
    /// Counters.
    #[entity(declared())]
    pub metrics: Metrics,
    /// Its input.
    pub input: Option<Json>,
    /// The execution that started this one.
    #[entity(references = "cvm.executions")]
    pub parent_id: Option<String>,
    /// State of the program's random source.
    pub(super) random: Json,
    /// The current pages of its heap.
    pub(super) heap: PageTable,
    /// Overrides the engine's log level.
    pub log_level: Option<LogLevel>,
    /// Its own limits.
    #[entity(flatten)]
    pub limits: ExecutionLimits,
    /// The calls that it may make.
    #[entity(declared())]
    pub policy: Option<Policy>,
    /// Number of open calls that are queued.
    #[entity(undeclared, omit_default)]
    pub queued_calls: u32,
    /// Number of open calls that await an approval, if its policy limits those that are open at once.
    #[entity(undeclared, omit_default)]
    pub unapproved_calls: u32,
    /// When the time that its policy allows is over. A paused, ended or gracefully cancelled one has none.
    pub deadline: Option<Timestamp>,
    /// The execution whose recorded answers it gets.
    #[entity(declared())]
    pub answers_from: Option<RecordedAnswers>,
    /// The deadline of a graceful cancel, at which it is cancelled whatever its program does. An ended one has none.
    pub cancel_at: Option<Timestamp>,
    /// Whether the program has not received the `CancelledError` of that cancel yet.
    #[entity(undeclared, omit_default)]
    pub cancel_pending: bool,
}

/// The limits of one execution; `None`: that of the engine's settings.
#[derive(Fields, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[entity(rename_all = "camelCase")]
pub struct ExecutionLimits {
    /// Heap limit in bytes.
    pub heap_bytes: Option<u64>,
    /// Most instructions of a turn: from one answer to the next.
    #[entity(rename = "maxInstructions")]
    pub instructions: Option<u64>,
    /// Most bytes printed in a turn.
    #[entity(rename = "maxOutputBytes")]
    pub output_bytes: Option<u64>,
}

impl ExecutionLimits {
    pub(super) fn check(&self) -> Result<()> {
        let limits = [
            ("heapBytes", self.heap_bytes, HEAP_BYTES),
            ("instructions", self.instructions, PER_TURN),
            ("outputBytes", self.output_bytes, PER_TURN),
        ];
        for (field, limit, range) in limits {
            let checked = limit.map_or(Ok(()), |limit| check_range(limit, range));
            checked.map_err(|reason| Rejection::invalid(field, reason))?;
        }
        Ok(())
    }

    /// These limits, and `others` where there is none.
    pub(super) fn or(self, others: Self) -> Self {
        Self {
            heap_bytes: self.heap_bytes.or(others.heap_bytes),
            instructions: self.instructions.or(others.instructions),
            output_bytes: self.output_bytes.or(others.output_bytes),
        }
    }
}

/// Counters of an execution.
#[derive(Fields, Wire, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[entity(rename_all = "camelCase")]
pub struct Metrics {
    /// Instructions run.
    pub instructions_executed: u64,
    /// Calls made.
    pub cc_calls_count: u64,
    /// Time for which the machine ran, each turn rounded to a millisecond; 0 if the host does not measure it.
    pub execution_time_ms: i64,
}

/// The state of an execution. Terminal states own the time of their end.
#[derive(State, Clone, Debug, PartialEq)]
#[state(tag = "state.status", rename_all = "camelCase")]
pub enum ExecutionState {
    /// It runs, or the process that ran it has died. After `lease_until` any process may take it over.
    Running {
        /// The end of the lease.
        #[entity(rename = "wakeAt", default)]
        lease_until: Timestamp,
        /// The open calls of its tasks.
        #[entity(path = "state.open", declared("ccWaiting.requestedAt", "wakeAt"))]
        open: Option<Waiting>,
    },
    /// It waits for an answer.
    #[state(name = "waiting_cc")]
    Waiting(#[entity(flatten)] Waiting),
    /// It is paused until it is unpaused.
    Paused(
        #[entity(
            rename = "pausedFrom",
            declared("ccWaiting", "ccWaiting.requestedAt", "wakeAt", "open.ccWaiting.requestedAt", "open.wakeAt")
        )]
        ResumeState,
    ),
    /// It is complete.
    Complete {
        /// When it completed.
        #[entity(rename = "completed")]
        at: Timestamp,
        /// The program's value.
        #[entity(default)]
        result: Json,
    },
    /// It failed. It may be retried at the failing instruction.
    #[state(name = "error")]
    Failed {
        /// When it failed.
        #[entity(rename = "completed")]
        at: Timestamp,
        /// The error.
        #[entity(declared("timestamp"))]
        error: ProgramError,
    },
    /// It was cancelled.
    Cancelled {
        /// When it was cancelled.
        #[entity(rename = "completed")]
        at: Timestamp,
    },
    /// It is being deleted: its rows are removed, and its head last.
    #[state(marker = "deleting")]
    Deleted {
        /// Its last status.
        #[entity(path = "state.status")]
        final_status: Status,
        /// When it ended.
        #[entity(rename = "completed")]
        at: Timestamp,
        /// The end of the lease of the process that deletes it. Afterwards any process may continue the deletion.
        #[entity(rename = "wakeAt", default)]
        lease_until: Timestamp,
    },
}

/// The state that a paused execution returns to.
#[derive(State, Clone, Debug, PartialEq)]
pub enum ResumeState {
    /// Running.
    Running {
        /// The open calls of its tasks.
        open: Option<Waiting>,
    },
    /// Waiting for these calls.
    #[state(name = "waiting_cc")]
    Waiting(#[entity(flatten)] Waiting),
}

/// `cvm.executions`. In version 1, `error.instruction` was an index ([`ProgramError`]). In versions 1 and 2 the head
/// listed open calls. Documents of these versions can still be read, and their machines run if no call was open.
pub const EXECUTIONS: Collection = ExecutionHead::COLLECTION;

runstate_core::serialized_field_type!(LogLevel: Text, PageTable: Object);

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

impl ExecutionHead {
    /// An execution of the newest version of a program, before its first instruction.
    pub(super) fn new(id: &str, program: Program, state: ExecutionState, started: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            program_id: program.id,
            program_name: program.name,
            program_version: program.program_version,
            state,
            pc: 0,
            frames: Frames::empty(),
            output: Vec::new(),
            output_count: 0,
            output_rows: 0,
            output_digest: String::new(),
            started,
            last_modified: started,
            metrics: Metrics::default(),
            input: None,
            parent_id: None,
            random: Json::Null,
            heap: PageTable::default(),
            log_level: None,
            limits: ExecutionLimits::default(),
            policy: None,
            queued_calls: 0,
            unapproved_calls: 0,
            deadline: None,
            answers_from: None,
            cancel_at: None,
            cancel_pending: false,
        }
    }

    /// The execution of that id. One that is being deleted counts as missing.
    pub(super) fn load(view: &View, id: &str) -> Result<LoadedEntity<Self>> {
        match view.find_entity::<Self>(id)? {
            Some(head) if !matches!(head.entity.state, ExecutionState::Deleted { .. }) => Ok(head),
            _ => Err(Rejection::not_found::<Self>(id)),
        }
    }

    /// As [`ExecutionHead::load`], for those who do not change it.
    pub(super) fn find<'v>(view: &'v View, id: &str) -> Result<Cow<'v, Self>> {
        match view.peek_entity::<Self>(id) {
            Some(head) if !matches!(head.state, ExecutionState::Deleted { .. }) => Ok(head),
            _ => Self::load(view, id).map(|head| Cow::Owned(head.entity)),
        }
    }

    /// The result for a caller.
    pub(super) fn execution_status(&self) -> ExecutionStatus {
        ExecutionStatus { id: self.id.clone(), status: self.state.status(), warnings: Vec::new() }
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

    /// Makes it due at its deadlines too while it waits, and forgets these and its queue if it has ended.
    pub(super) fn set_due(&mut self) {
        if self.ended_at().is_some() {
            (self.cancel_at, self.cancel_pending, self.deadline) = (None, false, None);
            (self.queued_calls, self.unapproved_calls) = (0, 0);
        }
        if let ExecutionState::Waiting(waiting) | ExecutionState::Paused(ResumeState::Waiting(waiting)) =
            &mut self.state
        {
            waiting.due = [waiting.due, self.cancel_at, self.deadline].into_iter().flatten().min();
        }
    }

    /// How many of its calls may be open at once, if others are queued.
    pub(super) fn most_open_calls(&self) -> Option<usize> {
        self.policy.as_ref()?.open.map(|open| open as usize)
    }

    /// Whether so many of its calls are open that others must be queued.
    pub(super) fn is_full(&self) -> bool {
        let (Some(most), Some(waiting)) = (self.most_open_calls(), self.waiting()) else { return false };
        let uncounted = waiting.timers + self.queued_calls + self.unapproved_calls;
        waiting.open_calls.saturating_sub(uncounted) as usize >= most
    }

    /// Queues a call that opens, if its policy limits those that are open at once. Those that may be open leave the
    /// queue at the end of the slice.
    pub(super) fn enqueue(&mut self, call: &mut Call) {
        if self.most_open_calls().is_some() {
            self.unapproved_calls += u32::from(call.awaits_approval);
            self.queued_calls += u32::from(call.enqueue());
        }
    }

    /// Forgets open calls that are closed, so many of which were queued or awaited an approval.
    pub(super) fn forget_calls(&mut self, queued: usize, unapproved: usize) {
        let left = |calls: u32, closed: usize| calls.saturating_sub(u32::try_from(closed).unwrap_or(u32::MAX));
        self.queued_calls = left(self.queued_calls, queued);
        self.unapproved_calls = left(self.unapproved_calls, unapproved);
    }

    /// Begins the time that its policy allows. One that is cancelled gracefully has the time of the cancel.
    pub(super) fn begin_time(&mut self, now: Timestamp) {
        let ms = self.policy.as_ref().and_then(|policy| policy.ms).filter(|_| self.cancel_at.is_none());
        self.deadline = ms.map(|ms| now + ms);
    }

    /// Whether the time that its policy allows is over.
    pub(super) fn is_past_deadline(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether calls of this kind wait for an approval.
    pub(super) fn needs_approval(&self, kind: &str) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.needs_approval(kind))
    }

    /// Whether the deadline of a graceful cancel has passed.
    pub(super) fn is_past_cancel_deadline(&self, now: Timestamp) -> bool {
        self.cancel_at.is_some_and(|at| at <= now)
    }

    /// The calls that it waits for, also while it is paused, and those of its tasks while it runs.
    pub fn waiting(&self) -> Option<&Waiting> {
        match &self.state {
            ExecutionState::Waiting(waiting) | ExecutionState::Paused(ResumeState::Waiting(waiting)) => Some(waiting),
            ExecutionState::Running { open, .. } | ExecutionState::Paused(ResumeState::Running { open }) => {
                open.as_ref()
            }
            _ => None,
        }
    }

    /// The calls that it waits for; the rejection of an answer in a state that allows none.
    pub(super) fn require_waiting(&self, now: Timestamp) -> Result<&Waiting> {
        match self.waiting() {
            Some(waiting) => Ok(waiting),
            None => {
                self.next_state(ExecutionEvent::Wake(now))?;
                Err(self.illegal("answer", None))
            }
        }
    }

    /// Whether it is paused.
    pub(super) fn is_paused(&self) -> bool {
        matches!(self.state, ExecutionState::Paused(_))
    }

    /// The decision that stores the head when the machine has not moved. The cached machine stays valid.
    pub(super) fn store(mut head: LoadedEntity<Self>, view: &View, ctx: &Ctx) -> Result<Decision<ExecutionStatus>> {
        let mut decision = Decision::new(head.entity.execution_status()).change(head.update(ctx.now)?);
        if let Some(machine) = view.cached::<LoadedMachine>(head.key()) {
            decision.cached.extend(machine.clone().into_cached(head.entity));
        }
        Ok(decision)
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::decision::{CachedValue, LifecycleState as _, LoadedDocument};
    use runstate_core::schema::Key;
    use runstate_value::Document;
    use serde_json::json;

    use super::*;

    fn head(state: ExecutionState) -> ExecutionHead {
        let running = json!({
            "id": "e", "programId": "p", "programName": "program", "programVersion": 1,
            "state": {"status": "running", "pc": 3, "stack": [], "scopes": [], "output": ["line"], "outputCount": 1},
            "started": 1, "lastModified": 2, "metrics": {"instructionsExecuted": 9, "ccCallsCount": 1, "executionTimeMs": 0},
            "random": [1], "heap": {"pages": [1]}, "outputDigest": "d"
        });
        let head = ExecutionHead::from_document(running.as_object().unwrap()).unwrap();
        ExecutionHead { state, ..head }
    }

    fn failed() -> Document {
        let error = ProgramError::default();
        head(ExecutionState::Failed { at: Timestamp::from_millis(5), error }).to_document().unwrap()
    }

    #[test]
    fn every_state_survives_its_document() {
        for state in ExecutionState::samples() {
            let head = head(state);
            let document = head.to_document().unwrap();
            assert_eq!(runstate_core::schema::check(&EXECUTIONS, &document), Ok(()));
            assert_eq!(ExecutionHead::from_document(&document).unwrap(), head);
        }
    }

    #[test]
    fn fields_that_older_versions_lack_have_defaults() {
        let head = head(ExecutionState::Running { lease_until: Timestamp::default(), open: None });
        assert_eq!((head.output_rows, head.waiting(), &head.frames.machine), (0, None, &Json::Null));
    }

    #[test]
    fn a_cached_head_is_not_decoded_again() {
        let cached = head(ExecutionState::Cancelled { at: Timestamp::from_millis(5) });
        let revision = runstate_core::id::Revision::parse("1-000000000000").unwrap();
        // A document that cannot be decoded.
        let loaded = LoadedDocument { revision, document: Document::new().into() };
        let mut view = View::default();
        view.put(Key::new(&EXECUTIONS, "e"), Some(loaded), Some(CachedValue::new((), 0).with_entity(cached.clone())));
        assert_eq!(view.entity::<ExecutionHead>("e").unwrap().entity, cached);
        assert_eq!(view.peek_entity::<ExecutionHead>("e").unwrap().into_owned(), cached);
    }

    #[test]
    fn a_damaged_document_is_reported_with_its_field() {
        let problem = |path: &str, value: Json| {
            let mut document = failed();
            runstate_core::schema::entity::insert(&mut document, path, value);
            let revision = runstate_core::id::Revision::parse("1-000000000000").unwrap();
            let mut view = View::default();
            let loaded = LoadedDocument { revision, document: document.into() };
            view.put(Key::new(&EXECUTIONS, "e"), Some(loaded), None);
            view.entity::<ExecutionHead>("e").unwrap_err().to_string()
        };
        let is_damaged = |path: &str, value: Json, reason: &str| {
            let problem = problem(path, value);
            assert!(problem.contains(&format!("cvm.executions/e is damaged: {reason}")), "{problem}");
        };
        is_damaged("completed", Json::Null, "completed: invalid type: null, expected i64");
        is_damaged("state.pc", json!("x"), "state.pc: invalid type: string \"x\", expected u32");
        is_damaged("state.output", json!([1]), "state.output.0: invalid type: integer `1`, expected a string");
        is_damaged("state.status", json!("odd"), "state.status: is not one of running, waiting_cc, paused");
        is_damaged("state.status", json!("waiting_cc"), "ccWaiting.instructionId: is missing");
        is_damaged("error", json!({"message": "m"}), "error.name: is missing");
    }
}
