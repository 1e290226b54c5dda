//! Sessions: one agent at work on a project. A session's slot on a machine is assigned and released in the same commit.
//!
//! | file | contents |
//! |---|---|
//! | `lifecycle.rs` | statuses and transitions |
//! | `commands.rs` | commands of the owner, and the sweep |
//! | `recovery.rs` | a new owner takes over |
//! | `deletion.rs` | deletion with all tasks |
//! | `retention.rs` | how long ended sessions are kept |

mod commands;
mod deletion;
mod lifecycle;
mod recovery;
mod retention;

use runstate_core::limits::MAX_PAGE_ROWS;
use runstate_core::prelude::*;
use runstate_value::collect_document;

use super::machine::Machine;
use super::settings::OrchestrationSettings;
use super::task::{Task, TaskEvent, TaskStatus};
use super::{codes, metadata};
pub use commands::{
    CompleteSession, CreateSession, FailSession, PauseSession, ResumeSession, SessionHeartbeat, StallSession,
    SweepSession, UpdateMetadata,
};
pub use deletion::{DeleteSession, SessionDeletion};
pub use lifecycle::{SessionEvent, SessionState, SessionStatus};
pub use recovery::RecoverSession;
pub use retention::RemoveSession;

/// The name of the query for the open tasks of a session that counts none.
const OPEN_TASKS: &str = "open tasks";

/// A session of an agent.
// Documents of the older system lack the fields with a default, and `due_at`.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "orchestration.sessions", version = 1, noun = "session", filters(project_id, machine_id, status))]
#[entity(upgrade = Session::upgrade)]
#[index(session_id, unique)]
#[index(project_id)]
#[index(machine_id)]
#[index(status)]
#[index(last_heartbeat)]
#[index(project_id, status)]
#[index(machine_id, status)]
#[index(status, completed_at)]
#[index(due_at, status, last_heartbeat)]
#[index(expires, status, completed_at)]
#[ttl(completed_at, days = 30, when = "exists(completed_at) and status in ['completed', 'failed'] and expires = true")]
pub struct Session {
    /// Its id.
    #[entity(id)]
    pub session_id: String,
    /// The project that it works on.
    #[entity(kind = id)]
    pub project_id: String,
    /// The machine that it runs on.
    #[entity(references = "orchestration.machines")]
    pub machine_id: String,
    /// Its slot on that machine.
    pub docker_slot: Option<u32>,
    /// The slot that it had when it failed. A recovery assigns one again.
    pub last_slot: Option<u32>,
    /// Its status.
    #[entity(state)]
    pub state: SessionState,
    /// The last time at which its owner was alive.
    pub last_heartbeat: Timestamp,
    /// When it stalls or fails without a heartbeat; missing once it has ended.
    pub due_at: Option<Timestamp>,
    /// Whether the store expires it 30 days after its end, because its owner has completed it. Due work removes others.
    #[entity(omit_default)]
    pub expires: bool,
    /// The task that it runs.
    #[entity(references = "orchestration.tasks")]
    pub current_task_id: Option<String>,
    /// Number of its tasks that are not completed or failed. A session of the older system does not count them until
    /// one of them is added, ends or is retried.
    #[entity(default = 0)]
    pub open_tasks: u32,
    /// Identifies its owner. It grows with every recovery.
    #[entity(default = 1)]
    pub epoch: u64,
    /// Its recoveries.
    #[entity(default)]
    pub recovery: Recovery,
    /// When it was started.
    pub started_at: Timestamp,
    /// Further information of its owner.
    #[entity(default)]
    pub metadata: Document,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// The recoveries of a session.
#[derive(Fields, Wire, Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Their number.
    pub attempts: u32,
    /// The last ones, oldest first.
    pub history: Vec<RecoveryRow>,
}

/// A recovery: where the session was before it.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
pub struct RecoveryRow {
    /// When it was recovered.
    pub recovered_at: Timestamp,
    /// The status before.
    pub status: SessionStatus,
    /// The machine before.
    pub machine_id: String,
    /// The slot before.
    pub docker_slot: Option<u32>,
    /// The epoch before.
    pub epoch: u64,
}

/// A session after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct SessionSummary {
    /// Its id.
    #[entity(id)]
    pub session_id: String,
    /// Its project.
    pub project_id: String,
    /// Its machine.
    pub machine_id: String,
    /// Its slot on that machine.
    pub docker_slot: Option<u32>,
    /// Its status.
    pub status: SessionStatus,
    /// Identifies its owner, who sends it with commands.
    pub epoch: u64,
    /// The task that it runs.
    pub current_task_id: Option<String>,
    /// The last time at which its owner was alive.
    pub last_heartbeat: Timestamp,
}

impl Session {
    /// Rejects the command of a caller that is no longer the owner. A caller without an epoch is trusted.
    pub(super) fn check_owner(&self, epoch: Option<u64>) -> Result<()> {
        match epoch {
            Some(epoch) if epoch < self.epoch => {
                let message = format!(
                    "epoch {epoch} of session `{}` is older than {}: it was recovered by another owner; nothing was changed",
                    self.session_id, self.epoch
                );
                Err(Rejection::domain(codes::STALE_OWNER, message))
            }
            Some(epoch) if epoch > self.epoch => {
                let reason = format!("is {epoch}, but the epoch of session `{}` is {}", self.session_id, self.epoch);
                Err(Rejection::invalid("epoch", reason))
            }
            _ => Ok(()),
        }
    }

    /// Extends `reads` by the open tasks of a session that counts none, as those of the older system do.
    pub(super) fn count_reads(view: &View, session_id: &str, reads: ReadSet) -> ReadSet {
        let reads = reads.with_entity::<Self>(session_id);
        match view.peek_entity::<Self>(session_id) {
            Some(session) if session.open_tasks == 0 => {
                let open = [TaskStatus::Pending, TaskStatus::InProgress, TaskStatus::Blocked];
                let is_open = Filter::In("status".to_owned(), open.map(|status| status.as_str().into()).into());
                let tasks = Query::of(&Task::COLLECTION).eq("session_id", session_id).filter(is_open);
                reads.query(OPEN_TASKS, tasks.limit(MAX_PAGE_ROWS))
            }
            _ => reads,
        }
    }

    /// Counts the open tasks, if it counts none and [`Session::count_reads`] has read them. A command that opens a task
    /// changes the session, so none is missed.
    pub(super) fn count_tasks(&mut self, view: &View) {
        if let (0, Some(rows)) = (self.open_tasks, view.rows(OPEN_TASKS)) {
            self.open_tasks = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        }
    }

    /// Completes a document of the older system, in which a paused or stalled session does not say since when.
    fn upgrade(mut self) -> Self {
        if let SessionState::Paused { inactive_since } | SessionState::Stalled { inactive_since } = &mut self.state
            && *inactive_since == Timestamp::default()
        {
            *inactive_since = self.last_heartbeat;
        }
        self
    }

    /// Changes the state, and when the session is due.
    pub(super) fn apply(&mut self, event: SessionEvent, settings: &OrchestrationSettings) -> Result<()> {
        Lifecycle::apply(self, event)?;
        self.set_due(settings);
        Ok(())
    }

    /// Derives when the session is due.
    fn set_due(&mut self, settings: &OrchestrationSettings) {
        let stalls_at = self.last_heartbeat + settings.stall_after;
        self.due_at = match self.state {
            SessionState::Active => Some(stalls_at),
            SessionState::Paused { inactive_since } => Some(stalls_at.min(inactive_since + settings.inactive_limit())),
            SessionState::Stalled { inactive_since } => Some(inactive_since + settings.inactive_limit()),
            SessionState::Completed { .. } | SessionState::Failed { .. } => None,
        };
    }

    /// Keeps the reason of an event in the metadata, and what else is known. It is bounded by itself: full metadata
    /// does not prevent an event.
    fn note(&mut self, event: &str, reason: &str, more: (&str, Json), settings: &OrchestrationSettings) -> Result<()> {
        let (reason, more) = ((format!("{event}_reason"), reason.into()), (format!("{event}_{}", more.0), more.1));
        // Details of an earlier event do not belong to this reason.
        self.metadata.shift_remove(&more.0);
        let mut noted = Document::new();
        metadata::merge(&mut noted, &collect_document([reason, more]), settings)?;
        self.metadata.extend(noted);
        Ok(())
    }

    /// The rejection of `command` in this state.
    pub(super) fn reject(&self, command: &'static str) -> Rejection {
        let remedy = match (&self.state, command) {
            (_, "delete") => Some("fail"),
            (SessionState::Failed { .. } | SessionState::Stalled { .. }, _) => Some("recover"),
            (SessionState::Paused { .. }, _) => Some("resume"),
            _ => None,
        };
        self.illegal(command, remedy)
    }

    /// The result for a caller.
    pub(super) fn summary(&self) -> SessionSummary {
        SessionSummary {
            session_id: self.session_id.clone(),
            project_id: self.project_id.clone(),
            machine_id: self.machine_id.clone(),
            docker_slot: self.docker_slot,
            status: self.state.status(),
            epoch: self.epoch,
            current_task_id: self.current_task_id.clone(),
            last_heartbeat: self.last_heartbeat,
        }
    }

    /// The decision to change the session alone.
    fn modify(
        view: &View,
        ctx: &Ctx,
        session_id: &str,
        epoch: Option<u64>,
        modify: impl FnOnce(&mut Self, &OrchestrationSettings) -> Result<()>,
    ) -> Result<Decision<SessionSummary>> {
        let mut loaded = view.entity::<Self>(session_id)?;
        loaded.entity.check_owner(epoch)?;
        modify(&mut loaded.entity, &OrchestrationSettings::of(ctx))?;
        Decision::new(loaded.entity.summary()).save(loaded, ctx.now)
    }
}

/// A session with the documents that change with it.
struct SessionDocuments {
    session: LoadedEntity<Session>,
    machine: Option<LoadedEntity<Machine>>,
    task: Option<LoadedEntity<Task>>,
}

impl SessionDocuments {
    fn load(view: &View, session_id: &str) -> Result<Self> {
        let session = view.entity::<Session>(session_id)?;
        let (machine, task) = (&session.entity.machine_id, session.entity.current_task_id.as_deref());
        let task_key = task.map(|task| Key::new(&Task::COLLECTION, task));
        view.require(task_key.into_iter().chain([Key::new(&Machine::COLLECTION, machine)]))?;
        let (machine, task) = (view.find_entity(machine)?, task.map(|task| view.find_entity(task)).transpose()?);
        Ok(Self { session, machine, task: task.flatten() })
    }

    /// Ends the session: its slot is released, and the task that it runs fails.
    fn end(
        &mut self,
        event: SessionEvent,
        at: Timestamp,
        reason: &str,
        settings: &OrchestrationSettings,
    ) -> Result<()> {
        let session = &mut self.session.entity;
        session.apply(event, settings)?;
        if let Some(machine) = &mut self.machine {
            machine.entity.release(session);
        }
        // A session of the older system may name a task that has ended.
        match self.task.as_mut().filter(|task| task.entity.state.is_running()) {
            Some(task) => task.entity.apply(session, TaskEvent::Fail(at, Some(reason.to_owned()))),
            None => Ok(()),
        }
    }

    fn decide(self, ctx: &Ctx) -> Result<Decision<SessionSummary>> {
        let mut decision = Decision::new(self.session.entity.summary()).save(self.session, ctx.now)?;
        if let Some(machine) = self.machine {
            decision = decision.save(machine, ctx.now)?;
        }
        match self.task {
            Some(task) => decision.save(task, ctx.now),
            None => Ok(decision),
        }
    }
}
