//! The commands on tasks. Each writes the session too: it counts its open tasks, and names the one that it runs.

use std::any::Any;

use runstate_core::decision::program::{ExecutionStatus, Status};
use runstate_core::prelude::*;
use runstate_core::schema::Freshness;

use super::dependencies::{check_cycle, check_dependencies, cycle_reads};
use super::program::{program_reads, start_program};
use super::{Task, TaskEvent, TaskState, TaskStatus, TaskSummary};
use crate::session::{Session, SessionState};
use crate::settings::OrchestrationSettings;

/// Adds a task to a session that has not ended.
///
/// Errors: `not_found` (the session), `already_exists`, `illegal_transition` (the session has ended),
/// `dependency_cycle`, `invalid` (a dependency in another session), `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.task.add")]
pub struct AddTask {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// The work to do, for people.
    pub name: String,
    /// The id of the task; by default a new one.
    pub id: Option<String>,
    /// The issue on GitHub that it solves.
    pub github_issue: Option<String>,
    /// Tasks of the session that must be completed before it can start. They may be added later.
    pub depends_on: Option<Vec<String>>,
    /// The program that it runs, by its name. `start` then starts an execution of it, and the task ends when the
    /// execution does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The input of the program.
    #[operation(json)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl AddTask {
    fn depends_on(&self) -> &[String] {
        self.depends_on.as_deref().unwrap_or_default()
    }
}

impl Command for AddTask {
    type Output = TaskSummary;

    fn reads(&self, view: &View) -> ReadSet {
        // The dependencies are not checked by the commit.
        let reads = ReadSet::empty().with_freshness(Freshness::Linearizable);
        let reads = Session::count_reads(view, &self.session_id, reads);
        // No task can name an id that is generated.
        let Some(id) = &self.id else {
            return self.depends_on().iter().fold(reads, |reads, one| reads.with_entity::<Task>(one));
        };
        cycle_reads(view, &self.session_id, id, self.depends_on(), reads.with_entity::<Task>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskSummary>> {
        let mut session = view.entity::<Session>(&self.session_id)?;
        session.entity.check_owner(self.epoch)?;
        if session.entity.state.is_terminal() {
            return Err(session.entity.reject("task add"));
        }
        if let Some(id) = &self.id {
            view.check_absent::<Task>(id)?;
        }
        let task = Task {
            task_id: self.id.clone().unwrap_or_else(|| ctx.new_id()),
            session_id: self.session_id.clone(),
            project_id: session.entity.project_id.clone(),
            github_issue_id: self.github_issue.clone(),
            task_name: self.name.clone(),
            program: self.program.clone(),
            input: self.input.clone(),
            execution_id: None,
            state: TaskState::Pending,
            expires: false,
            retry_count: 0,
            depends_on: self.depends_on().to_vec(),
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        check_cycle(view, &session.entity, &task.task_id, &task.depends_on)?;
        if task.program.is_none() && task.input.is_some() {
            return Err(Rejection::invalid("input", "is the input of a program; name the `program`"));
        }
        task.check_program(view)?;
        session.entity.count_tasks(view);
        session.entity.open_tasks += 1;
        Decision::new(task.summary()).and_insert(&task)?.save(session, ctx.now)
    }
}

/// The reads of a command that may change the number of open tasks.
fn event_reads(view: &View, task_id: &str) -> ReadSet {
    let reads = ReadSet::entity::<Task>(task_id);
    match view.peek_entity::<Task>(task_id) {
        Some(task) => Session::count_reads(view, &task.session_id, reads),
        None => reads,
    }
}

/// The decision that an event of a task has.
fn decide(
    view: &View,
    ctx: &Ctx,
    task_id: &str,
    epoch: Option<u64>,
    event: impl FnOnce(&Session, &Task) -> Result<TaskEvent>,
) -> Result<Decision<TaskSummary>> {
    let mut task: LoadedEntity<Task> = view.entity(task_id)?;
    let mut session: LoadedEntity<Session> = view.entity(&task.entity.session_id)?;
    session.entity.check_owner(epoch)?;
    let event = event(&session.entity, &task.entity)?;
    if session.entity.state.is_terminal() {
        return Err(session.entity.reject("task"));
    }
    let parts = !matches!(event, TaskEvent::Start(..) | TaskEvent::Retry);
    let before = task.entity.clone();
    session.entity.count_tasks(view);
    task.entity.apply(&mut session.entity, event)?;
    task.entity.expires = !task.entity.state.is_open() && OrchestrationSettings::of(ctx).expires();
    let mut decision = Decision::new(task.entity.summary());
    if parts {
        before.check_no_execution(view, ctx.now, &mut decision)?;
    }
    decision.save(task, ctx.now)?.save(session, ctx.now)
}

/// Starts a task, which the session runs then. A task with a program starts an execution of it, or continues the one
/// that has not ended.
///
/// Errors: `not_found` (also the program), `illegal_transition` (the task is not pending or blocked; the session is not
/// active), `task_already_running`, `dependencies_open`, `stale_owner`, and those of `cvm.start`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.task.start")]
pub struct StartTask {
    /// The task.
    #[operation(subject)]
    pub task_id: String,
    /// The epoch of the session's owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for StartTask {
    type Output = TaskSummary;

    fn reads(&self, view: &View) -> ReadSet {
        program_reads(view, &self.task_id, ReadSet::empty())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskSummary>> {
        let now = ctx.now;
        let mut decision = decide(view, ctx, &self.task_id, self.epoch, |session, task| {
            if session.state != SessionState::Active {
                return Err(session.reject("task start"));
            }
            check_dependencies(view, task)?;
            Ok(TaskEvent::Start(now, session.epoch))
        })?;
        decision.output.execution = start_program(view, ctx, &self.task_id, &mut decision)?;
        if let Some(task) = decision.current::<Task>(view, &self.task_id)? {
            decision.output.status = task.state.status();
        }
        Ok(decision)
    }

    fn next(&self, output: &TaskSummary, ports: &Ports) -> Option<Box<dyn AnyCommand>> {
        (ports.programs?.next)(output.execution.as_ref()?)
    }

    fn absorb(&self, output: &mut TaskSummary, part: Box<dyn Any>) {
        if let Ok(execution) = part.downcast::<ExecutionStatus>() {
            output.status = match execution.status {
                Status::Complete => TaskStatus::Completed,
                Status::Error | Status::Cancelled => TaskStatus::Failed,
                Status::Running | Status::WaitingCc | Status::Paused => output.status,
            };
            output.execution = Some(*execution);
        }
    }
}

/// Completes a task that the session runs, or that needs no work.
///
/// Errors: `not_found`, `illegal_transition` (the task is not in progress or pending; the session has ended),
/// `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.task.complete")]
pub struct CompleteTask {
    /// The task.
    #[operation(subject)]
    pub task_id: String,
    /// The epoch of the session's owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for CompleteTask {
    type Output = TaskSummary;

    fn reads(&self, view: &View) -> ReadSet {
        event_reads(view, &self.task_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskSummary>> {
        decide(view, ctx, &self.task_id, self.epoch, |_, _| Ok(TaskEvent::Complete(ctx.now)))
    }
}

/// Fails the task that the session runs.
///
/// Errors: `not_found`, `illegal_transition` (the task is not in progress), `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.task.fail")]
pub struct FailTask {
    /// The task.
    #[operation(subject)]
    pub task_id: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The epoch of the session's owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for FailTask {
    type Output = TaskSummary;

    fn reads(&self, view: &View) -> ReadSet {
        event_reads(view, &self.task_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskSummary>> {
        decide(view, ctx, &self.task_id, self.epoch, |_, _| Ok(TaskEvent::Fail(ctx.now, self.error.clone())))
    }
}

/// Blocks a task that cannot continue. The session may run another one.
///
/// Errors: `not_found`, `illegal_transition` (the task is not in progress or pending; the session has ended),
/// `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.task.block")]
pub struct BlockTask {
    /// The task.
    #[operation(subject)]
    pub task_id: String,
    /// The epoch of the session's owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for BlockTask {
    type Output = TaskSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskSummary>> {
        decide(view, ctx, &self.task_id, self.epoch, |_, _| Ok(TaskEvent::Block))
    }
}

/// Returns a task that is in progress or blocked to the pending ones.
///
/// Errors: `not_found`, `illegal_transition` (the task is not in progress or blocked; the session has ended),
/// `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.task.release")]
pub struct ReleaseTask {
    /// The task.
    #[operation(subject)]
    pub task_id: String,
    /// The epoch of the session's owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for ReleaseTask {
    type Output = TaskSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskSummary>> {
        decide(view, ctx, &self.task_id, self.epoch, |_, _| Ok(TaskEvent::Release))
    }
}

/// Returns a failed task to the pending ones. Its times and its error are cleared.
///
/// Errors: `not_found`, `illegal_transition` (the task has not failed; the session has ended), `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.task.retry")]
pub struct RetryTask {
    /// The task.
    #[operation(subject)]
    pub task_id: String,
    /// The epoch of the session's owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for RetryTask {
    type Output = TaskSummary;

    fn reads(&self, view: &View) -> ReadSet {
        event_reads(view, &self.task_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskSummary>> {
        decide(view, ctx, &self.task_id, self.epoch, |_, _| Ok(TaskEvent::Retry))
    }
}
