//! The commands that start, change and end executions. Deletion is in `deletion.rs`.

use std::any::Any;

use runstate_core::error_code::ErrorCode;
use runstate_core::id;
use runstate_core::prelude::*;
use runstate_value::check_plain;
use runstate_vm::BYTECODE_VERSION;

use super::super::listing::ProgramSummary;
use super::super::loaded_machine::{self, LoadedMachine};
use super::super::policy::Policy;
use super::super::program::{self, by_name, version_key};
use super::super::recorded_answers::RecordedAnswers;
use super::super::{slice, waiting};
use super::{
    DeleteRows, EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionLimits, ExecutionState, ExecutionStatus,
    ResumeState, Status, Waiting,
};
use crate::codes;
use crate::settings::{LogLevel, Settings};

/// Starts an execution of a program and runs it until it waits for a call, ends or is paused.
///
/// Errors: `not_found` (no such program or version), `already_exists` (the id is in use), `needs_recompile` (an older
/// version of runstate compiled the program: load it again), `invalid`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Operation)]
#[operation(name = "cvm.start", cli = "start")]
pub struct Start {
    /// The id of the execution; by default a new one.
    pub id: Option<String>,
    /// The name of the program.
    #[operation(subject)]
    pub program: String,
    /// The version of the program that runs, as its load returned it; by default the newest one.
    // Not in the fingerprint: a process that has loaded another version may repeat the start.
    #[serde(default, skip_serializing)]
    pub program_version: Option<u32>,
    /// The value of the program's global `input`.
    #[operation(json)]
    pub input: Option<Json>,
    /// The level of detail of its log; by default that of the settings.
    pub log_level: Option<LogLevel>,
    /// The limit of its heap in bytes, 1 MiB to 4 GiB; by default that of the settings.
    // Omitted if it is `None`, so that the fingerprint of such a start is the same as before this field existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_bytes: Option<u64>,
    /// Most instructions from one answer to the next, at most 10^12, and a thousand times as many in total; by default
    /// that of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// Most bytes that it prints from one answer to the next, at most 10^12, and a thousand times as many in total; by
    /// default 64 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// The calls that its program may make, those that need an approval, and limits; by default any calls, without
    /// approvals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// An execution of the same program whose answers it gets: a call that asks the same as a recorded one (by its key,
    /// else by kind, prompt and arguments, in the same order) is answered at once, at no cost; others are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_from: Option<String>,
    /// The execution that starts this one.
    #[operation(skip)]
    pub parent: Option<String>,
}

impl Start {
    /// Starts the newest version of `program`, under a new id, without input.
    pub fn new(program: &str) -> Self {
        Self { program: program.to_owned(), ..Self::default() }
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

    /// Sets the version of the program, as its load returned it.
    pub fn program_version(mut self, version: u32) -> Self {
        self.program_version = Some(version);
        self
    }

    fn limits(&self) -> ExecutionLimits {
        let Self { heap_bytes, instructions, output_bytes, .. } = *self;
        ExecutionLimits { heap_bytes, instructions, output_bytes }
    }
}

impl From<&str> for Start {
    fn from(program: &str) -> Self {
        Self::new(program)
    }
}

impl From<&Start> for Start {
    fn from(start: &Start) -> Self {
        start.clone()
    }
}

/// Continues an execution that was interrupted and runs it to its next stop. Has no effect on one that waits or has
/// ended.
///
/// Errors: `not_found`, `illegal_transition` (it is paused: unpause it).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.next", cli = "next", contends(EXECUTIONS, id))]
pub struct RunSlice {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// The status after the part before this one. An execution that was paused, ended or deleted since then is then not
    /// an error.
    #[serde(skip)]
    #[operation(skip)]
    pub continues: Option<Status>,
    /// The warnings of the start that it continues.
    #[serde(skip)]
    #[operation(skip)]
    pub warnings: Vec<String>,
}

impl RunSlice {
    /// The command that continues an execution, if it has more to run.
    pub fn after(execution: &ExecutionStatus) -> Option<Box<dyn AnyCommand>> {
        let ExecutionStatus { id, status, warnings } = execution;
        let run = || TypedCommand::boxed(Self { id: id.clone(), continues: Some(*status), warnings: warnings.clone() });
        (*status == Status::Running).then(run)
    }
}

/// Pauses an execution. Answers that arrive while it is paused are kept.
///
/// Errors: `not_found`, `illegal_transition` (it has ended).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.pause", cli = "pause", contends(EXECUTIONS, id))]
pub struct Pause {
    /// The execution.
    #[operation(subject)]
    pub id: String,
}

/// Resumes a paused execution, with the answers that arrived meanwhile, and runs it to its next stop.
///
/// Errors: `not_found`, `illegal_transition` (it is not paused).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.unpause", cli = "unpause", contends(EXECUTIONS, id))]
pub struct Unpause {
    /// The execution.
    #[operation(subject)]
    pub id: String,
}

/// The time that a program has after a graceful cancel, unless the command names another one.
const GRACE: Millis = Millis::minutes(1);

/// The longest time that a program may have after a graceful cancel.
const LONGEST_GRACE: Millis = Millis::days(1);

/// Ends an execution for good. Its open calls are cancelled.
///
/// With `graceful` the program gets a `CancelledError` from all its open calls when it next waits, and runs on until the
/// deadline: `catch` and `finally` may make further calls. If it does not catch the error, the execution is cancelled;
/// if it returns, complete. The due work after the deadline cancels it in any case. Repeating it keeps the first
/// deadline. A paused execution is rejected: unpause it, or cancel it without `graceful`.
///
/// Errors: `not_found`, `illegal_transition` (it has ended, or is paused), `invalid`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Operation)]
#[operation(name = "cvm.cancel", cli = "cancel", contends(EXECUTIONS, id))]
pub struct Cancel {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// Whether the program may clean up first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub graceful: bool,
    /// The longest time that the program may take to clean up, in milliseconds, from 1 to a day; by default a minute.
    #[operation(name = "deadlineMs")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Millis>,
}

impl Cancel {
    /// Cancels this execution at once.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// Cancels this execution, and lets its program clean up for a minute.
    pub fn graceful(id: &str) -> Self {
        Self { graceful: true, ..Self::new(id) }
    }

    /// Sets the time that the program may take to clean up.
    pub fn deadline(mut self, deadline: Millis) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// Extends `reads` by what [`cancel`] reads.
fn cancel_reads(reads: ReadSet, view: &View, id: &str) -> ReadSet {
    waiting::with_open_calls(reads.with_key(Key::new(&EXECUTIONS, id)), view, id, false)
}

/// Ends an execution for good, whatever its program does.
fn cancel(view: &View, ctx: &Ctx, mut head: LoadedEntity<ExecutionHead>) -> Result<Decision<ExecutionStatus>> {
    head.entity.next_state(ExecutionEvent::Cancel(ctx.now))?;
    let calls = waiting::cancel_open_calls(view, ctx, &head.entity)?;
    head.entity.apply(ExecutionEvent::Cancel(ctx.now))?;
    head.entity.set_due();
    let mut decision = ExecutionHead::store(head, view, ctx)?;
    decision.include(calls)?;
    Ok(decision)
}

/// Resumes a failed execution at the failing instruction and runs it to its next stop. One that reached a limit needs a
/// higher one, which stays with it. One that failed by a mistake of its program may continue in a later version, with
/// its variables and answers.
///
/// Errors: `not_found` (no such execution or version), `illegal_transition` (it has not failed), `invalid`,
/// `version_mismatch` (its position has no counterpart in that version: the message names the difference).
#[derive(Clone, Debug, Default, Serialize, Operation)]
#[operation(name = "cvm.retry", cli = "retry", contends(EXECUTIONS, id))]
pub struct Retry {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// The limit of its heap in bytes from now on, 1 MiB to 4 GiB; by default it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_bytes: Option<u64>,
    /// Most instructions from one answer to the next from now on, at most 10^12, and a thousand times as many in total;
    /// by default it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// Most bytes that it prints from one answer to the next from now on, at most 10^12, and a thousand times as many in
    /// total; by default it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// Its policy from now on; by default it stays. A call that is open again and was not approved follows it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The version of its program in which it continues; by default its own. Functions that run continue in the same
    /// statement with the same variables; all others may have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_version: Option<u32>,
}

impl Retry {
    /// Retries this execution under its limits.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    fn limits(&self) -> ExecutionLimits {
        let Self { heap_bytes, instructions, output_bytes, .. } = *self;
        ExecutionLimits { heap_bytes, instructions, output_bytes }
    }
}

/// Does the due work of an execution: resumes it after its process has died, closes calls whose deadline has passed,
/// ends it at its deadline and at that of a graceful cancel, and reports an interrupted deletion. Has no effect if
/// nothing is due.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.wake", contends(EXECUTIONS, id))]
pub struct RunDue {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// Whether the caller stops after this command. The rest is then due at once, for any process.
    #[operation(skip)]
    pub hand_back: bool,
}

/// The result of [`RunDue`].
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct RunDueOutcome {
    /// The status of the execution; `None`: it does not exist, or is being deleted.
    pub execution: Option<ExecutionStatus>,
    /// Whether something was due.
    pub was_due: bool,
    /// The incarnation for [`DeleteRows`](super::DeleteRows), if its deletion must be continued.
    pub deleting: Option<String>,
}

impl Command for Start {
    type Output = ExecutionStatus;

    fn check(&self) -> Result<()> {
        // First of all, because a value built in memory may be nested deeper than recursive code can handle.
        check_plain(self.input.as_ref().unwrap_or(&Json::Null))
            .map_err(|e| Rejection::invalid("input", e.to_string()))?;
        self.id.as_deref().map_or(Ok(()), id::check).map_err(|e| Rejection::invalid("id", e.to_string()))?;
        self.policy.as_ref().map_or(Ok(()), Policy::check)?;
        self.limits().check()
    }

    fn subject(&self) -> Option<Key> {
        self.id.as_ref().map(|id| Key::new(&EXECUTIONS, id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        let mut reads = ReadSet::empty().query("program", by_name(&self.program));
        if let Some(id) = &self.id {
            reads = reads.with_key(Key::new(&EXECUTIONS, id));
        }
        if let Some(from) = &self.answers_from {
            reads = reads.with_key(Key::new(&EXECUTIONS, from)).with(RecordedAnswers::of(from).reads());
        }
        for program in view.entities::<ProgramSummary>("program").unwrap_or_default() {
            let version = self.program_version.unwrap_or(program.program_version);
            reads = reads.with_key(version_key(&program.id, version));
        }
        reads
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let id = self.id.clone().unwrap_or_else(|| ctx.new_id());
        if view.get(&Key::new(&EXECUTIONS, &id)).is_some() {
            return Err(Rejection::AlreadyExists { what: "execution", id });
        }
        // Not checked by the commit: versions are collected long after a removal.
        let Some(mut program) = view.entities::<program::Program>("program")?.pop() else {
            let hint = "; load it first (`programs` lists the loaded programs)".to_owned();
            return Err(Rejection::NotFound { what: "program", id: self.program.clone(), hint });
        };
        // No name finds a tombstone. An older version was interrupted while it removed this program.
        if program.removing {
            let message = format!("program `{}` is being removed; load its source again to start it", self.program);
            return Err(Rejection::domain(ErrorCode::NOT_FOUND, message));
        }
        if let Some(version) = self.program_version.filter(|version| *version != program.program_version) {
            let key = version_key(&program.id, version);
            let Some(row) = view.find_entity::<program::ProgramVersion>(&key.id)? else {
                let hint = format!(" of program `{}`", program.name);
                return Err(Rejection::NotFound { what: "version", id: version.to_string(), hint });
            };
            (program.program_version, program.metadata) = (version, row.entity.metadata);
        }
        if program.metadata.version != BYTECODE_VERSION {
            let message = format!(
                "program `{}` was compiled for bytecode version {}; load its source again",
                program.name, program.metadata.version
            );
            return Err(Rejection::domain(codes::NEEDS_RECOMPILE, message));
        }
        if let Some(from) = &self.answers_from {
            let other = ExecutionHead::load(view, from)?.entity;
            if other.program_id != program.id {
                let reason =
                    format!("is `{from}`, an execution of program `{}`, not of `{}`", other.program_name, program.name);
                return Err(Rejection::invalid("answersFrom", reason));
            }
        }
        let decoded_key = version_key(&program.id, program.program_version);
        let decoded = program::DecodedProgram::load(view, &decoded_key)?;
        let input = self.input.clone().unwrap_or(Json::Null);
        let mut loaded = LoadedMachine::start(&decoded, &input, &self.limits(), ctx)?;
        let state = ExecutionState::Running { lease_until: ctx.now + Settings::of(ctx).run_lease, open: None };
        let warnings = program.metadata.warnings.clone();
        let mut execution = ExecutionHead {
            input: self.input.clone(),
            parent_id: self.parent.clone(),
            log_level: self.log_level,
            limits: self.limits(),
            policy: self.policy.clone(),
            answers_from: self.answers_from.as_deref().map(RecordedAnswers::of),
            ..ExecutionHead::new(&id, program, state, ctx.now)
        };
        execution.begin_time(ctx.now);
        let writes = slice::run_slice(view, &mut execution, &mut loaded, ctx, Decision::new(()))?;
        let status = ExecutionStatus { warnings, ..execution.execution_status() };
        let mut decision = Decision::new(status).and_insert(&execution)?;
        decision.include(writes)?;
        decision.cached.push((decoded_key, decoded.into_cached()));
        decision.cached.extend(loaded.into_cached(execution));
        Ok(decision)
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}

impl Command for RunSlice {
    type Output = ExecutionStatus;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = loaded_machine::reads(view, &self.id);
        match view.peek_entity::<ExecutionHead>(&self.id) {
            Some(head) if head.is_past_cancel_deadline(view.now()) => cancel_reads(reads, view, &self.id),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let head = match (ExecutionHead::load(view, &self.id), self.continues) {
            (Err(Rejection::NotFound { .. }), Some(status)) => {
                let (id, warnings) = (self.id.clone(), self.warnings.clone());
                return Ok(Decision::new(ExecutionStatus { id, status, warnings }));
            }
            (found, _) => found?,
        };
        let execution = &head.entity;
        let mut decision = match &execution.state {
            // A program that never waits must not prevent the end.
            ExecutionState::Running { .. } if execution.is_past_cancel_deadline(view.now()) => cancel(view, ctx, head)?,
            ExecutionState::Running { .. } => {
                let loaded = LoadedMachine::load_runnable(view, execution, ctx)?;
                slice::decide_slice(view, head, loaded, ctx, Decision::new(()))?
            }
            _ if self.continues.is_some() => Decision::new(execution.execution_status()),
            // The lifecycle decides, so that an illegal transition is reported as such.
            _ => {
                execution.next_state(ExecutionEvent::Yield(ctx.now, None))?;
                Decision::new(execution.execution_status())
            }
        };
        decision.output.warnings.clone_from(&self.warnings);
        Ok(decision)
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}

impl Command for Pause {
    type Output = ExecutionStatus;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let mut head = ExecutionHead::load(view, &self.id)?;
        let after = head.entity.next_state(ExecutionEvent::Pause)?;
        if after == head.entity.state {
            return Ok(Decision::new(head.entity.execution_status()));
        }
        head.entity.state = after;
        if let (Some(_), ExecutionState::Paused(ResumeState::Waiting(waiting))) =
            (head.entity.deadline.take(), &mut head.entity.state)
        {
            // It may be that of the time, which begins again: unpausing reads those of the calls.
            waiting.due = None;
        }
        ExecutionHead::store(head, view, ctx)
    }
}

impl Command for Unpause {
    type Output = ExecutionStatus;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = loaded_machine::reads(view, &self.id);
        match view.peek_entity::<ExecutionHead>(&self.id) {
            Some(head) => waiting::with_closed_calls(reads, view, &head),
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let mut head = ExecutionHead::load(view, &self.id)?;
        let closed = head.entity.waiting().filter(|waiting| waiting.wakes()).map_or(0, |waiting| waiting.closed_calls);
        head.entity.apply(ExecutionEvent::Unpause(ctx.now + Settings::of(ctx).run_lease))?;
        head.entity.begin_time(ctx.now);
        if closed == 0 {
            if let (Some(_), ExecutionState::Waiting(waiting)) = (head.entity.deadline, &head.entity.state) {
                let due = waiting::due_of_calls(view, &head.entity, ctx)?;
                head.entity.state = ExecutionState::Waiting(Waiting { due, ..waiting.clone() });
            }
            head.entity.set_due();
            return ExecutionHead::store(head, view, ctx);
        }
        let mut loaded = LoadedMachine::load_runnable(view, &head.entity, ctx)?;
        waiting::deliver(view, &head.entity, &mut loaded, closed)?;
        slice::decide_slice(view, head, loaded, ctx, Decision::new(()))
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}

impl Command for Cancel {
    type Output = ExecutionStatus;

    fn check(&self) -> Result<()> {
        let reason = match self.deadline {
            Some(_) if !self.graceful => "is only for a cancel that is `graceful`".to_owned(),
            Some(deadline) if deadline < Millis(1) || deadline > LONGEST_GRACE => {
                format!("must be from 1 to {} milliseconds, a day", LONGEST_GRACE.0)
            }
            _ => return Ok(()),
        };
        Err(Rejection::invalid("deadlineMs", reason))
    }

    fn reads(&self, view: &View) -> ReadSet {
        if !self.graceful {
            return cancel_reads(ReadSet::empty(), view, &self.id);
        }
        let reads = cancel_reads(loaded_machine::reads(view, &self.id), view, &self.id);
        match view.peek_entity::<ExecutionHead>(&self.id) {
            Some(head) => waiting::with_closed_calls(reads, view, &head),
            None => reads,
        }
    }

    fn frees_space(&self) -> bool {
        !self.graceful
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let mut head = ExecutionHead::load(view, &self.id)?;
        if !self.graceful {
            return cancel(view, ctx, head);
        }
        if head.entity.cancel_at.is_some() && head.entity.ended_at().is_none() {
            return Ok(Decision::new(head.entity.execution_status()));
        }
        let closed = head.entity.waiting().map_or(0, |waiting| waiting.closed_calls);
        head.entity.apply(ExecutionEvent::CancelGracefully(ctx.now + Settings::of(ctx).run_lease))?;
        head.entity.cancel_at = Some(ctx.now + self.deadline.unwrap_or(GRACE));
        head.entity.cancel_pending = true;
        // The program has the time of the cancel instead.
        head.entity.deadline = None;
        let mut loaded = LoadedMachine::load_runnable(view, &head.entity, ctx)?;
        // Calls of a group keep the outcomes that they have.
        waiting::deliver(view, &head.entity, &mut loaded, closed)?;
        slice::decide_slice(view, head, loaded, ctx, Decision::new(()))
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}

impl Command for Retry {
    type Output = ExecutionStatus;

    fn check(&self) -> Result<()> {
        self.policy.as_ref().map_or(Ok(()), Policy::check)?;
        self.limits().check()
    }

    fn reads(&self, view: &View) -> ReadSet {
        let reads = loaded_machine::reads(view, &self.id);
        match (self.program_version, view.peek_entity::<ExecutionHead>(&self.id)) {
            (Some(version), Some(head)) => reads.with_key(version_key(&head.program_id, version)),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let mut head = ExecutionHead::load(view, &self.id)?;
        head.entity.limits = self.limits().or(head.entity.limits);
        head.entity.apply(ExecutionEvent::Retry(ctx.now + Settings::of(ctx).run_lease))?;
        // A version that does not know graceful cancels may have left one.
        (head.entity.cancel_at, head.entity.cancel_pending) = (None, false);
        if let Some(policy) = &self.policy {
            head.entity.policy = Some(policy.clone());
        }
        head.entity.begin_time(ctx.now);
        let mut loaded = LoadedMachine::load_runnable(view, &head.entity, ctx)?;
        if let Some(version) = self.program_version.filter(|version| *version != head.entity.program_version) {
            loaded = loaded.in_version(view, &mut head.entity, version)?;
        }
        let mut writes = Decision::new(());
        waiting::reopen(view, &mut head.entity, &mut loaded, ctx.now, &mut writes)?;
        slice::decide_slice(view, head, loaded, ctx, writes)
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}

impl Command for RunDue {
    type Output = RunDueOutcome;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = loaded_machine::reads(view, &self.id);
        match view.peek_entity::<ExecutionHead>(&self.id) {
            Some(head) if head.is_past_cancel_deadline(view.now()) => cancel_reads(reads, view, &self.id),
            Some(head) => {
                waiting::with_open_calls(waiting::with_closed_calls(reads, view, &head), view, &self.id, true)
            }
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RunDueOutcome>> {
        if self.hand_back {
            ctx.settings = ctx.settings.clone().with(Settings { run_lease: Millis(0), ..Settings::of(ctx) });
        }
        let absent = RunDueOutcome { execution: None, was_due: false, deleting: None };
        let Some(mut head) = view.find_entity::<ExecutionHead>(&self.id)? else { return Ok(Decision::new(absent)) };
        let decision = match &head.entity.state {
            // A version that does not know the deadline may have ended it.
            _ if head.entity.cancel_at.is_some() && head.entity.ended_at().is_some() => {
                head.entity.set_due();
                ExecutionHead::store(head, view, ctx)?
            }
            _ if head.entity.is_past_cancel_deadline(view.now()) => cancel(view, ctx, head)?,
            // The slice ends at once.
            ExecutionState::Running { .. } | ExecutionState::Waiting(_) if head.entity.is_past_deadline(ctx.now) => {
                let closed = head.entity.waiting().map_or(0, |waiting| waiting.closed_calls);
                head.entity.apply(ExecutionEvent::Wake(ctx.now + Settings::of(ctx).run_lease))?;
                let mut loaded = LoadedMachine::load_runnable(view, &head.entity, ctx)?;
                // Calls of a group keep the outcomes that they have.
                waiting::deliver(view, &head.entity, &mut loaded, closed)?;
                slice::decide_slice(view, head, loaded, ctx, Decision::new(()))?
            }
            ExecutionState::Running { lease_until, .. } if *lease_until <= ctx.now => {
                let loaded = LoadedMachine::load_runnable(view, &head.entity, ctx)?;
                slice::decide_slice(view, head, loaded, ctx, Decision::new(()))?
            }
            ExecutionState::Waiting(Waiting { due: Some(due), .. }) if *due <= ctx.now => {
                waiting::close_overdue_calls(view, ctx, head)?
            }
            ExecutionState::Deleted { lease_until, .. } if *lease_until <= ctx.now => {
                head.entity.apply(ExecutionEvent::Delete(ctx.now + Settings::of(ctx).run_lease))?;
                let deleting = Some(head.revision().incarnation().to_owned());
                let outcome = RunDueOutcome { execution: None, was_due: true, deleting };
                return Ok(Decision::new(outcome).change(head.update(ctx.now)?));
            }
            ExecutionState::Deleted { .. } => return Ok(Decision::new(absent)),
            _ => {
                return Ok(Decision::new(RunDueOutcome {
                    execution: Some(head.entity.execution_status()),
                    was_due: false,
                    deleting: None,
                }));
            }
        };
        Ok(decision.map(|status| RunDueOutcome { execution: Some(status), was_due: true, deleting: None }))
    }

    fn next(&self, output: &RunDueOutcome, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        let RunDueOutcome { execution, was_due, deleting } = output;
        match (deleting, execution) {
            (Some(incarnation), _) => Some(TypedCommand::boxed(DeleteRows::new(&self.id, incarnation.clone()))),
            (None, Some(execution)) if *was_due && !self.hand_back => RunSlice::after(execution),
            _ => None,
        }
    }

    fn absorb(&self, output: &mut RunDueOutcome, part: Box<dyn Any>) {
        if let Ok(execution) = part.downcast() {
            output.execution = Some(*execution);
        }
    }
}
