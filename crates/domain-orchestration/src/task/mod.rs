//! Tasks: the work in a session, which runs one of them at a time.

mod commands;
mod dependencies;
mod lifecycle;
mod program;
mod retention;

use runstate_core::decision::program::ExecutionStatus;
use runstate_core::prelude::*;

use super::codes;
use super::session::Session;
pub use commands::{AddTask, BlockTask, CompleteTask, FailTask, ReleaseTask, RetryTask, StartTask};
pub(super) use dependencies::check_dependencies;
pub use lifecycle::{TaskClaim, TaskEvent, TaskState, TaskStatus};
pub(super) use program::{TRIGGER, program_reads, start_program};
pub use retention::RemoveTask;

/// A task in a session.
// Its `session_id` is not declared as a reference: a session expires, and tasks of it that were never started may stay.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "orchestration.tasks", version = 1, noun = "task", filters(session_id, project_id, status))]
#[index(task_id, unique)]
#[index(session_id)]
#[index(project_id)]
#[index(status)]
#[index(session_id, status)]
#[index(project_id, status)]
#[index(each(depends_on))]
#[index(expires, status, completed_at)]
#[ttl(completed_at, days = 30, when = "exists(completed_at) and status in ['completed', 'failed'] and expires = true")]
pub struct Task {
    /// Its id.
    #[entity(id)]
    pub task_id: String,
    /// The session that it belongs to.
    #[entity(kind = id)]
    pub session_id: String,
    /// The project of that session.
    #[entity(kind = id)]
    pub project_id: String,
    /// The issue on GitHub that it solves.
    #[entity(max = 1_000)]
    pub github_issue_id: Option<String>,
    /// The work to do, for people.
    #[entity(max = 10_000)]
    pub task_name: String,
    /// The program that it runs, by its name; by default the session does the work by itself.
    pub program: Option<String>,
    /// The input of the program.
    #[entity(kind = json)]
    pub input: Option<Json>,
    /// The execution that it started last.
    pub execution_id: Option<String>,
    /// Its status.
    #[entity(state)]
    pub state: TaskState,
    /// Whether the store expires it 30 days after its end, because a command has ended it. Due work removes others.
    #[entity(omit_default)]
    pub expires: bool,
    /// How often it was retried.
    #[entity(default = 0)]
    pub retry_count: u32,
    /// The tasks of the session that must be completed before it can start.
    #[entity(omit_default, max = 100_000)]
    pub depends_on: Vec<String>,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// A task after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct TaskSummary {
    /// Its id.
    #[entity(id)]
    pub task_id: String,
    /// Its session.
    pub session_id: String,
    /// Its status.
    pub status: TaskStatus,
    /// How often it was retried.
    pub retry_count: u32,
    /// The execution that it started last.
    pub execution: Option<ExecutionStatus>,
}

impl Task {
    /// Changes the state, and what the session says of its tasks.
    pub(super) fn apply(&mut self, session: &mut Session, event: TaskEvent) -> Result<()> {
        self.retry_count += u32::from(event == TaskEvent::Retry);
        let (was_open, was_running) = (self.state.is_open(), self.state.is_running());
        Lifecycle::apply(self, event)?;
        self.expires = false;
        if self.state.is_running()
            && let Some(other) = &session.current_task_id
        {
            let message = format!("session `{}` runs task `{other}`; nothing was changed", session.session_id);
            return Err(Rejection::domain(codes::TASK_ALREADY_RUNNING, message));
        }
        if was_running != self.state.is_running() {
            session.current_task_id = self.state.is_running().then(|| self.task_id.clone());
        }
        match (was_open, self.state.is_open()) {
            (true, false) => session.open_tasks = session.open_tasks.saturating_sub(1),
            (false, true) => session.open_tasks += 1,
            _ => {}
        }
        Ok(())
    }

    /// Continues a failed task with the execution that it has.
    fn resume(&mut self, session: &mut Session, now: Timestamp) -> Result<()> {
        let retries = self.retry_count;
        self.apply(session, TaskEvent::Retry)?;
        self.retry_count = retries;
        self.apply(session, TaskEvent::Start(now, session.epoch))
    }

    /// Rejects a task of another session.
    pub(super) fn check_session(&self, session: &Session) -> Result<()> {
        if self.session_id == session.session_id {
            return Ok(());
        }
        Err(Rejection::invalid("task", format!("task `{}` belongs to session `{}`", self.task_id, self.session_id)))
    }

    fn summary(&self) -> TaskSummary {
        TaskSummary {
            task_id: self.task_id.clone(),
            session_id: self.session_id.clone(),
            status: self.state.status(),
            retry_count: self.retry_count,
            execution: None,
        }
    }
}
