//! Tasks that run a program. Such a task has one execution at a time, whose id follows from the task, and its status follows that of the
//! execution: the commit that ends the execution ends the task.

use super::{Task, TaskEvent, TaskState};
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::domain::cvm::{self, ExecutionState, ExecutionStatus, Start, Status};
use crate::domain::orchestration::codes;
use crate::domain::orchestration::session::{Session, SessionState};
use crate::error_code::ErrorCode;
use crate::operation::{ChangedDocument, Trigger};
use crate::schema::{Fields, Key};
use crate::time::Timestamp;
use crate::value::{Document, Json};

/// The ids of executions of tasks begin with it.
const EXECUTION_PREFIX: &str = "task:";

/// Ends the task of an execution that ends, and continues it if the execution is retried.
pub const TRIGGER: Trigger = Trigger {
    collection: &cvm::EXECUTIONS,
    concerns: |key| key.id.starts_with(EXECUTION_PREFIX),
    run: follow_execution,
};

/// Adds what [`start_program`] reads: the task, and what an execution of its program needs.
pub fn program_reads(view: &View, task_id: &str, reads: ReadSet) -> ReadSet {
    let mut reads = reads.with_entity::<Task>(task_id);
    // The decision reports a task that cannot be read.
    let task = view.find_entity::<Task>(task_id).ok().flatten();
    if let Some(start) = task.and_then(|task| task.entity.start_command()) {
        let ReadSet { keys, queries, .. } = start.reads(view);
        reads.keys.extend(keys);
        reads.queries.extend(queries);
    }
    reads
}

impl Task {
    /// Rejects a program that no start could run, for example because the id of the execution would be too long.
    pub(super) fn check_program(&self) -> Result<(), Rejection> {
        let after_retries = Self { retry_count: u32::MAX, ..self.clone() };
        after_retries.start_command().map_or(Ok(()), |start| start.check())
    }

    /// The command that starts an execution of its program.
    fn start_command(&self) -> Option<Start> {
        let start = Start::new(self.program.as_deref()?);
        let id = format!("{EXECUTION_PREFIX}{}:{}", self.task_id, self.retry_count);
        Some(Start { input: self.input.clone(), ..start.id(&id) })
    }

    /// The event with which the execution that it started last has ended; `None`: that has not ended. The decision relies on the execution, so
    /// its end or retry before the commit is a conflict.
    fn ending<O>(
        &self,
        view: &View,
        now: Timestamp,
        decision: &mut Decision<O>,
    ) -> Result<Option<TaskEvent>, Rejection> {
        let gone = || TaskEvent::Fail(now, Some("its execution was deleted".to_owned()));
        let Some(id) = &self.execution_id else { return Ok(Some(gone())) };
        let key = Key::new(&cvm::EXECUTIONS, id);
        view.require([key.clone()])?;
        let Some(found) = view.get(&key) else { return Ok(Some(gone())) };
        decision.checks.push((key, found.revision.clone()));
        ending(id, &found.document, now)
    }

    /// Rejects a command that would part the task from its execution.
    pub(super) fn check_no_execution<O>(
        &self,
        view: &View,
        now: Timestamp,
        decision: &mut Decision<O>,
    ) -> Result<(), Rejection> {
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

/// Adds the start of the program of a task that the decision starts. An execution that the task started before and that has not ended continues;
/// one that is complete completes the task.
pub fn start_program<O>(
    view: &View,
    ctx: &mut Ctx,
    task_id: &str,
    decision: &mut Decision<O>,
) -> Result<Option<ExecutionStatus>, Rejection> {
    let Some(mut task) = decision.current::<Task>(view, task_id)? else { return Ok(None) };
    let Some(start) = task.start_command() else { return Ok(None) };
    let (mut started, mut event) = (None, task.ending(view, ctx.now, decision)?);
    if let Some(TaskEvent::Fail(..)) = event {
        start.check()?;
        let status = decision.include(start.decide(view, ctx)?);
        let key = Key::new(&cvm::EXECUTIONS, &status.id);
        let document = decision.changes.iter().find(|change| *change.key() == key).and_then(Change::document);
        event = document.map_or(Ok(None), |document| ending(&status.id, document, ctx.now))?;
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
fn ending(id: &str, document: &Document, now: Timestamp) -> Result<Option<TaskEvent>, Rejection> {
    let state = ExecutionState::read_fields(document).map_err(|violation| {
        Rejection::domain(ErrorCode::CORRUPT, format!("execution `{id}` is damaged: {violation}"))
    })?;
    Ok(match state {
        ExecutionState::Complete { .. } => Some(TaskEvent::Complete(now)),
        ExecutionState::Failed { error, .. } => Some(TaskEvent::Fail(now, Some(error.message))),
        ExecutionState::Cancelled { .. } => Some(TaskEvent::Fail(now, Some("its execution was cancelled".to_owned()))),
        ExecutionState::Deleted { final_status: Status::Complete, .. } => Some(TaskEvent::Complete(now)),
        ExecutionState::Deleted { .. } => Some(TaskEvent::Fail(now, Some("its execution was deleted".to_owned()))),
        ExecutionState::Running { .. } | ExecutionState::Waiting(_) | ExecutionState::Paused(_) => None,
    })
}

fn follow_execution(change: ChangedDocument<'_>, decision: &mut Decision<()>) -> Result<(), Rejection> {
    let ChangedDocument { key, before, after, view, ctx } = change;
    let Some((task_id, _)) = key.id.strip_prefix(EXECUTION_PREFIX).and_then(|rest| rest.rsplit_once(':')) else {
        return Ok(());
    };
    // Most changes end nothing, so the task is read only for those that do, and for the first one of a retry.
    let event = ending(&key.id, after, ctx.now)?;
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
        // The session has ended the task, runs another one, or is not active. A later start of the task continues with the execution.
        _ => return Ok(()),
    }
    decision.write(view, task, ctx.now)?;
    decision.write(view, session, ctx.now)
}

/// The status of an execution with this document.
fn status(document: &Document) -> Option<&str> {
    document.get("state")?.get("status").and_then(Json::as_str)
}
