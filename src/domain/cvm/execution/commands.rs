//! The commands that start, change and end executions. Deletion is in `deletion.rs`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::loaded_machine::{self, LoadedMachine, PageTable};
use super::super::program::{self, by_name, version_key};
use super::super::{call, call_closing, document, slice};
use super::{CcWaiting, EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionState, Metrics, SliceEnd, Status};
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::error_code::ErrorCode;
use crate::id;
use crate::limits::{LogLevel, check_heap_bytes};
use crate::schema::Key;
use crate::time::Millis;
use crate::value::{Json, check_plain};
use crate::vm::BYTECODE_VERSION;

/// The result of a command on an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ExecutionStatus {
    /// The execution.
    pub id: String,
    /// Its status after the command.
    pub status: Status,
}

/// Starts a program under a new id and runs it to its first stop, for at most one slice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// Id of the execution; `None`: a new id.
    pub id: Option<String>,
    /// Name of the program, whose newest version is started.
    pub program: String,
    /// The program's `input`.
    pub input: Option<Json>,
    /// Overrides the engine's log level.
    pub log_level: Option<LogLevel>,
    /// Heap limit in bytes; `None`: that of the engine's settings.
    // Omitted if it is `None`, so that the fingerprint of such a start is the same as before this field existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_bytes: Option<u64>,
    /// The execution that starts this one.
    pub parent: Option<String>,
}

impl Start {
    /// Starts the newest version of `program`, under a new id, without input.
    pub fn new(program: &str) -> Self {
        Self { id: None, program: program.to_owned(), input: None, log_level: None, heap_bytes: None, parent: None }
    }

    /// Sets the id.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Sets the input.
    pub fn input(mut self, input: Json) -> Self {
        self.input = Some(input);
        self
    }
}

/// Runs a running execution for one more slice. Has no effect on an execution that does not run.
#[derive(Clone, Debug, Serialize)]
pub struct RunSlice {
    /// The execution.
    pub id: String,
}

/// Pauses an execution. Answers that arrive while it is paused are kept.
#[derive(Clone, Debug, Serialize)]
pub struct Pause {
    /// The execution.
    pub id: String,
}

/// Resumes a paused execution, with the answers that arrived meanwhile.
#[derive(Clone, Debug, Serialize)]
pub struct Unpause {
    /// The execution.
    pub id: String,
}

/// Ends an execution for good. Its open calls are cancelled.
#[derive(Clone, Debug, Serialize)]
pub struct Cancel {
    /// The execution.
    pub id: String,
}

/// Resumes a failed execution at the failing instruction.
#[derive(Clone, Debug, Serialize)]
pub struct Retry {
    /// The execution.
    pub id: String,
}

/// Does the due work of an execution: resumes it after its process has died, closes calls whose deadline has passed, and reports an
/// interrupted deletion. Has no effect if nothing is due.
#[derive(Clone, Debug, Serialize)]
pub struct RunDue {
    /// The execution.
    pub id: String,
    /// Whether the caller stops after this command. The rest is then due at once, for any process.
    pub hand_back: bool,
}

/// The result of [`RunDue`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDueOutcome {
    /// The status of the execution; `None`: it does not exist, or is being deleted.
    pub reached: Option<ExecutionStatus>,
    /// Whether something was due.
    pub was_due: bool,
    /// The incarnation for [`DeleteRows`](super::DeleteRows), if its deletion must be continued.
    pub deleting: Option<String>,
}

impl Command for Start {
    const NAME: &'static str = "cvm.start";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        self.id.as_ref().map(|id| Key::new(&EXECUTIONS, id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        let mut reads = ReadSet::empty().query("program", by_name(&self.program));
        if let Some(id) = &self.id {
            reads = reads.with_key(Key::new(&EXECUTIONS, id));
        }
        if let Some([(_, found), ..]) = view.rows("program")
            && let (Some(id), Some(version)) = (
                found.document.get("id").and_then(Json::as_str),
                found.document.get("programVersion").and_then(Json::as_u64),
            )
        {
            reads = reads.with_key(version_key(id, u32::try_from(version).unwrap_or(0)));
        }
        reads
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        let id = self.id.clone().unwrap_or_else(|| ctx.new_id());
        id::check(&id).map_err(|e| invalid("id", e.to_string()))?;
        check_plain(self.input.as_ref().unwrap_or(&Json::Null)).map_err(|e| invalid("input", e.to_string()))?;
        let key = Key::new(&EXECUTIONS, &id);
        if view.get(&key).is_some() {
            return Err(Rejection::AlreadyExists { what: "execution", id });
        }
        self.heap_bytes
            .map_or(Ok(()), check_heap_bytes)
            .map_err(|reason| Rejection::Invalid { field: "heapBytes".to_owned(), reason })?;
        let Some([(program_key, found), ..]) = view.rows("program") else {
            let hint = "; load it first (`programs` lists the loaded programs)".to_owned();
            return Err(Rejection::NotFound { what: "program", id: self.program.clone(), hint });
        };
        let program: program::Program = document::read(program_key, found)?;
        if program.removing {
            let message = format!("program `{}` is being removed; load its source again to start it", self.program);
            return Err(Rejection::domain(ErrorCode::NotFound, message));
        }
        if program.metadata.version != BYTECODE_VERSION {
            let message = format!(
                "program `{}` was compiled for bytecode version {}; load its source again",
                program.name, program.metadata.version
            );
            return Err(Rejection::domain(ErrorCode::NeedsRecompile, message));
        }
        let decoded_key = version_key(&program.id, program.program_version);
        let decoded = program::DecodedProgram::load(view, &decoded_key)?;
        let input = self.input.clone().unwrap_or(Json::Null);
        let mut loaded = LoadedMachine::start(&decoded, &input, self.heap_bytes, ctx)?;
        let mut execution = ExecutionHead {
            id: id.clone(),
            program_id: program.id,
            program_name: program.name,
            program_version: program.program_version,
            state: ExecutionState::Running { lease_until: ctx.now + ctx.settings.run_lease },
            pc: 0,
            frames: None,
            output: Vec::new(),
            output_count: 0,
            output_rows: 0,
            output_digest: String::new(),
            started: ctx.now,
            last_modified: ctx.now,
            metrics: Metrics::default(),
            input: self.input.clone(),
            parent_id: self.parent.clone(),
            random: Json::Null,
            heap: PageTable::default(),
            log_level: self.log_level,
            heap_bytes: self.heap_bytes,
            group_size: 0,
            group_answer_bytes: 0,
        };
        let writes = slice::run_slice(view, &mut execution, &mut loaded, ctx)?;
        let insert = Change::Insert { key: key.clone(), document: execution.to_document()? };
        let mut decision = Decision::new(execution.execution_status()).change(insert).check(program_key.clone(), found);
        decision.changes.extend(writes.changes);
        decision.hints = writes.hints;
        decision.cached = vec![(decoded_key, decoded.into_cached())];
        decision.cached.extend(loaded.into_cached(key, execution));
        Ok(decision)
    }
}

impl Command for RunSlice {
    const NAME: &'static str = "cvm.run";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        loaded_machine::reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (before, execution) = ExecutionHead::find_owned(view, &self.id)?;
        match &execution.state {
            ExecutionState::Running { .. } => {
                let loaded = LoadedMachine::load_runnable(view, &execution, ctx)?;
                slice::decide_slice(view, before, execution, loaded, ctx, Vec::new())
            }
            // The lifecycle decides, so that an illegal transition is reported as such.
            _ => {
                execution.next_state(ExecutionEvent::SliceEnded(SliceEnd::Unfinished(ctx.now)))?;
                Ok(Decision::new(execution.execution_status()))
            }
        }
    }
}

impl Command for Pause {
    const NAME: &'static str = "cvm.pause";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (before, mut execution) = ExecutionHead::find_owned(view, &self.id)?;
        let after = execution.next_state(ExecutionEvent::Pause)?;
        if after == execution.state {
            return Ok(Decision::new(execution.execution_status()));
        }
        execution.state = after;
        execution.update_head(before, view, ctx)
    }
}

impl Command for Unpause {
    const NAME: &'static str = "cvm.unpause";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        call_closing::with_awaited_calls(loaded_machine::reads(view, &self.id), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (before, mut execution) = ExecutionHead::find_owned(view, &self.id)?;
        let calls = call_closing::find_awaited_calls(view, &execution)?;
        execution.state = execution.next_state(ExecutionEvent::Unpause)?;
        let running = ExecutionState::Running { lease_until: ctx.now + ctx.settings.run_lease };
        if calls.is_empty() {
            execution.state = running;
            return execution.update_head(before, view, ctx);
        }
        let calls: Vec<call::Call> = calls.into_iter().map(|(_, call)| call).collect();
        if let Some(waiting) = call_closing::waiting_for(&calls) {
            execution.state = ExecutionState::Waiting(waiting);
            return execution.update_head(before, view, ctx);
        }
        let mut loaded = LoadedMachine::load_runnable(view, &execution, ctx)?;
        call_closing::deliver_replies(&mut loaded, &calls)?;
        execution.state = running;
        slice::decide_slice(view, before, execution, loaded, ctx, Vec::new())
    }
}

impl Command for Cancel {
    const NAME: &'static str = "cvm.cancel";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        call_closing::with_awaited_calls(ReadSet::key(Key::new(&EXECUTIONS, &self.id)), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (before, mut execution) = ExecutionHead::find_owned(view, &self.id)?;
        let cancelled = execution.next_state(ExecutionEvent::Cancel(ctx.now))?;
        let calls = call_closing::cancel_open_calls(view, &execution)?;
        execution.state = cancelled;
        let mut decision = execution.update_head(before, view, ctx)?;
        decision.changes.extend(calls);
        Ok(decision)
    }
}

impl Command for Retry {
    const NAME: &'static str = "cvm.retry";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        loaded_machine::reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (before, mut execution) = ExecutionHead::find_owned(view, &self.id)?;
        execution.state = execution.next_state(ExecutionEvent::Retry)?;
        let loaded = LoadedMachine::load_runnable(view, &execution, ctx)?;
        slice::decide_slice(view, before, execution, loaded, ctx, Vec::new())
    }
}

impl Command for RunDue {
    const NAME: &'static str = "cvm.wake";
    type Output = RunDueOutcome;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        call_closing::with_awaited_calls(loaded_machine::reads(view, &self.id), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RunDueOutcome>, Rejection> {
        let key = Key::new(&EXECUTIONS, &self.id);
        if self.hand_back {
            ctx.settings.run_lease = Millis(0);
        }
        let absent = RunDueOutcome { reached: None, was_due: false, deleting: None };
        let Some(head) = view.get(&key) else { return Ok(Decision::new(absent)) };
        let execution = ExecutionHead::peek(view, &self.id).map(Cow::into_owned);
        let mut execution = execution.map_or_else(|| ExecutionHead::from_document(&key, head), Ok)?;
        let decision = match &execution.state {
            ExecutionState::Running { lease_until } if *lease_until <= ctx.now => {
                let loaded = LoadedMachine::load_runnable(view, &execution, ctx)?;
                slice::decide_slice(view, head, execution, loaded, ctx, Vec::new())?
            }
            ExecutionState::Waiting(CcWaiting { due: Some(due), .. }) if *due <= ctx.now => {
                call_closing::close_overdue_calls(view, ctx, head, execution)?
            }
            ExecutionState::Deleted { lease_until, .. } if *lease_until <= ctx.now => {
                // The process that began the deletion is gone. This one continues, and the new lease keeps others away for a while.
                let deleting = Some(head.revision.incarnation().to_owned());
                if let ExecutionState::Deleted { lease_until, .. } = &mut execution.state {
                    *lease_until = ctx.now + ctx.settings.run_lease;
                }
                let change = Change::Update { key, before: head.clone(), after: execution.to_document()? };
                return Ok(Decision::new(RunDueOutcome { reached: None, was_due: true, deleting }).change(change));
            }
            ExecutionState::Deleted { .. } => return Ok(Decision::new(absent)),
            _ => {
                return Ok(Decision::new(RunDueOutcome {
                    reached: Some(execution.execution_status()),
                    was_due: false,
                    deleting: None,
                }));
            }
        };
        Ok(decision.map(|status| RunDueOutcome { reached: Some(status), was_due: true, deleting: None }))
    }
}
