//! Tasks that run a program. Such a task has one execution at a time, whose id follows from the task, and its status
//! follows that of the execution: the commit that ends the execution ends the task.

use runstate_core::decision::ProgramPort;
use runstate_core::decision::program::{ExecutionEnd, ExecutionStatus, ProgramStart};
use runstate_core::operation::{ChangedDocument, Trigger};
use runstate_core::prelude::*;

use super::{Task, TaskEvent, TaskState};
use crate::codes;
use crate::session::{Session, SessionState};

/// The name of the collection of executions.
const EXECUTIONS: &str = "cvm.executions";

/// The ids of executions of tasks begin with it.
const EXECUTION_PREFIX: &str = "task:";

/// Ends the task of an execution that ends, and continues it if the execution is retried.
pub const TRIGGER: Trigger =
    Trigger { collection: EXECUTIONS, concerns: |key| key.id.starts_with(EXECUTION_PREFIX), run: follow_execution };

/// Adds what [`start_program`] reads: the task, and what an execution of its program needs.
pub fn program_reads(view: &View, task_id: &str, reads: ReadSet) -> ReadSet {
    let mut reads = reads.with_entity::<Task>(task_id);
    // The decision reports a task that cannot be read.
    let task = view.find_entity::<Task>(task_id).ok().flatten();
    if let (Some(start), Ok(programs)) = (task.and_then(|task| task.entity.program_start()), view.programs()) {
        let ReadSet { keys, queries, .. } = (programs.reads)(view, &start);
        reads.keys.extend(keys);
        reads.queries.extend(queries);
    }
    reads
}

impl Task {
    /// Rejects a program that no start could run, for example because the id of the execution would be too long.
    pub(super) fn check_program(&self, view: &View) -> Result<()> {
        let after_retries = Self { retry_count: u32::MAX, ..self.clone() };
        after_retries.program_start().map_or(Ok(()), |start| (view.programs()?.check)(&start))
    }

    /// The execution of its program to start.
    fn program_start(&self) -> Option<ProgramStart> {
        let execution = format!("{EXECUTION_PREFIX}{}:{}", self.task_id, self.retry_count);
        Some(ProgramStart { program: self.program.clone()?, execution, input: self.input.clone() })
    }

    /// The event with which the execution that it started last has ended; `None`: that has not ended. The decision
    /// relies on the execution, so its end or retry before the commit is a conflict.
    fn ending<O>(&self, view: &View, now: Timestamp, decision: &mut Decision<O>) -> Result<Option<TaskEvent>> {
        let gone = || TaskEvent::Fail(now, Some("its execution was deleted".to_owned()));
        let Some(id) = &self.execution_id else { return Ok(Some(gone())) };
        let programs = view.programs()?;
        let key = Key::new(programs.executions, id);
        view.require([key.clone()])?;
        let Some(found) = view.get(&key) else { return Ok(Some(gone())) };
        decision.checks.push((key, found.revision.clone()));
        ending(programs, id, &found.document, now)
    }

    /// Rejects a command that would part the task from its execution.
    pub(super) fn check_no_execution<O>(&self, view: &View, now: Timestamp, decision: &mut Decision<O>) -> Result<()> {
        let Some(id) = &self.execution_id else { return Ok(()) };
        if self.ending(view, now, decision)?.is_some() {
            return Ok(());
        }
        let task = &self.task_id;
        let message = format!(
            "task `{task}` runs execution `{id}` and ends with it; to fail the task, cancel the execution. Nothing was changed"
        );
        Err(Rejection::domain(codes::PROGRAM_RUNNING, message))
    }
}

/// Adds the start of the program of a task that the decision starts. An execution that the task started before and that
/// has not ended continues; one that is complete completes the task.
pub fn start_program<O>(
    view: &View,
    ctx: &mut Ctx,
    task_id: &str,
    decision: &mut Decision<O>,
) -> Result<Option<ExecutionStatus>> {
    let Some(mut task) = decision.current::<Task>(view, task_id)? else { return Ok(None) };
    let Some(start) = task.program_start() else { return Ok(None) };
    let programs = view.programs()?;
    let (mut started, mut event) = (None, task.ending(view, ctx.now, decision)?);
    if let Some(TaskEvent::Fail(..)) = event {
        (programs.check)(&start)?;
        let status = decision.include((programs.start)(view, ctx, &start)?)?;
        let key = Key::new(programs.executions, &status.id);
        let document = decision.changes.iter().find(|change| *change.key() == key).and_then(Change::document);
        event = document.map_or(Ok(None), |document| ending(programs, &status.id, document, ctx.now))?;
        task.execution_id = Some(status.id.clone());
        started = Some(status);
    }
    if let Some(event) = event
        && let Some(mut session) = decision.current::<Session>(view, &task.session_id)?
    {
        task.apply(&mut session, event)?;
        decision.write(view, session, ctx.now)?;
    }
    decision.write(view, task, ctx.now)?;
    Ok(started)
}

/// The event of the task whose execution has this document; `None`: the execution has not ended.
fn ending(programs: &ProgramPort, id: &str, document: &Document, now: Timestamp) -> Result<Option<TaskEvent>> {
    let failed = |message: String| TaskEvent::Fail(now, Some(message));
    Ok((programs.end)(id, document)?.map(|end| match end {
        ExecutionEnd::Complete => TaskEvent::Complete(now),
        ExecutionEnd::Failed(message) => failed(message),
        ExecutionEnd::Cancelled => failed("its execution was cancelled".to_owned()),
        ExecutionEnd::Deleted => failed("its execution was deleted".to_owned()),
    }))
}

fn follow_execution(change: ChangedDocument<'_>, decision: &mut Decision<()>) -> Result<()> {
    let ChangedDocument { key, before, after, view, ctx } = change;
    let Some((task_id, _)) = key.id.strip_prefix(EXECUTION_PREFIX).and_then(|rest| rest.rsplit_once(':')) else {
        return Ok(());
    };
    // Most changes end nothing, so the task is read only for those that do, and for the first one of a retry.
    let event = ending(view.programs()?, &key.id, after, ctx.now)?;
    let is_retried = before.and_then(status).is_some_and(|status| status == "error");
    if event.is_none() && !is_retried {
        return Ok(());
    }
    let Some(mut task) = decision.current::<Task>(view, task_id)? else { return Ok(()) };
    if task.execution_id.as_deref() != Some(&*key.id) {
        return Ok(());
    }
    let Some(mut session) = decision.current::<Session>(view, &task.session_id)? else { return Ok(()) };
    match (&event, &task.state) {
        (Some(event), TaskState::InProgress { .. }) => task.apply(&mut session, event.clone())?,
        (None | Some(TaskEvent::Complete(_)), TaskState::Failed { .. })
            if is_retried && session.state == SessionState::Active && session.current_task_id.is_none() =>
        {
            task.resume(&mut session, ctx.now)?;
            if let Some(event) = event {
                task.apply(&mut session, event)?;
            }
        }
        // The session has ended the task, runs another one, or is not active. A later start of the task continues with
        // the execution.
        _ => return Ok(()),
    }
    decision.write(view, task, ctx.now)?;
    decision.write(view, session, ctx.now)
}

/// The status of an execution with this document.
fn status(document: &Document) -> Option<&str> {
    document.get("state")?.get("status").and_then(Json::as_str)
}
