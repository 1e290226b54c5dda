//! The commands of a session's owner, and the sweep of sessions without a heartbeat.

use runstate_core::prelude::*;

use super::{Recovery, Session, SessionDocuments, SessionEvent, SessionState, SessionSummary};
use crate::machine::{Machine, SlotChoice};
use crate::settings::OrchestrationSettings;
use crate::{codes, metadata};

/// Creates a session on a machine. The result has its epoch, which its owner sends with commands.
///
/// Errors: `already_exists`, `not_found` (the machine), `illegal_transition` (the machine is offline or in
/// maintenance), `no_free_slot`, `slot_in_use`, `invalid`, `limit` (metadata).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.create", contends(Machine::COLLECTION, machine))]
pub struct CreateSession {
    /// The id of the session; by default a new one.
    pub id: Option<String>,
    /// The project that it works on.
    pub project: String,
    /// The machine that it runs on.
    pub machine: String,
    /// A slot of the machine: its number, or `auto` for the lowest free one; by default none.
    pub slot: Option<SlotChoice>,
    /// Further information.
    pub metadata: Option<Document>,
}

impl Command for CreateSession {
    type Output = SessionSummary;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = match self.slot {
            Some(_) => Machine::slot_reads(view, &self.machine, ReadSet::empty()),
            None => ReadSet::entity::<Machine>(&self.machine),
        };
        self.id.iter().fold(reads, |reads, id| reads.with_entity::<Session>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let settings = OrchestrationSettings::of(ctx);
        if let Some(id) = &self.id {
            view.check_absent::<Session>(id)?;
        }
        let mut machine = view.entity::<Machine>(&self.machine)?;
        let mut session = Session {
            session_id: self.id.clone().unwrap_or_else(|| ctx.new_id()),
            project_id: self.project.clone(),
            machine_id: self.machine.clone(),
            docker_slot: None,
            last_slot: None,
            state: SessionState::Active,
            last_heartbeat: ctx.now,
            due_at: Some(ctx.now + settings.stall_after),
            expires: false,
            current_task_id: None,
            open_tasks: 0,
            epoch: 1,
            recovery: Recovery::default(),
            started_at: ctx.now,
            metadata: Document::new(),
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        if let Some(further) = &self.metadata {
            metadata::merge(&mut session.metadata, further, &settings)?;
        }
        machine.entity.add_holders(view)?;
        machine.entity.assign(&mut session, self.slot)?;
        Decision::new(session.summary()).and_insert(&session)?.save(machine, ctx.now)
    }
}

/// Records that the session's owner is alive. A stalled session becomes active again.
///
/// Errors: `not_found`, `illegal_transition` (completed or failed), `stale_owner` (an older epoch).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.heartbeat")]
pub struct SessionHeartbeat {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for SessionHeartbeat {
    type Output = SessionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        Session::modify(view, ctx, &self.session_id, self.epoch, |session, settings| {
            session.last_heartbeat = session.last_heartbeat.max(ctx.now);
            session.apply(SessionEvent::Heartbeat, settings)
        })
    }
}

/// Pauses an active session. It keeps its slot.
///
/// Errors: `not_found`, `illegal_transition` (not active), `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.pause")]
pub struct PauseSession {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for PauseSession {
    type Output = SessionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let event = SessionEvent::Pause(ctx.now);
        Session::modify(view, ctx, &self.session_id, self.epoch, |session, settings| session.apply(event, settings))
    }
}

/// Resumes a paused session.
///
/// Errors: `not_found`, `illegal_transition` (not paused), `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.resume")]
pub struct ResumeSession {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for ResumeSession {
    type Output = SessionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let event = SessionEvent::Resume;
        Session::modify(view, ctx, &self.session_id, self.epoch, |session, settings| session.apply(event, settings))
    }
}

/// Marks an active or paused session as stalled. Its metadata keeps the reason and the time. It keeps its slot.
///
/// Errors: `not_found`, `illegal_transition` (not active or paused).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.stall")]
pub struct StallSession {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// Why it is stalled.
    pub reason: String,
}

impl Command for StallSession {
    type Output = SessionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        Session::modify(view, ctx, &self.session_id, None, |session, settings| {
            session.stall(ctx.now, &self.reason, settings)
        })
    }
}

impl Session {
    pub(crate) fn stall(&mut self, at: Timestamp, reason: &str, settings: &OrchestrationSettings) -> Result<()> {
        self.apply(SessionEvent::Stall(at), settings)?;
        self.note("stalled", reason, ("at", at.as_millis().into()), settings)
    }
}

/// Completes a session, and releases its slot.
///
/// Errors: `not_found`, `illegal_transition` (not active or paused), `open_tasks`, `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.complete")]
pub struct CompleteSession {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// Whether its open tasks do not matter. The task that it runs fails; the others stay as they are.
    pub force: bool,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for CompleteSession {
    type Output = SessionSummary;

    fn reads(&self, view: &View) -> ReadSet {
        Session::count_reads(view, &self.session_id, ReadSet::empty())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let mut documents = SessionDocuments::load(view, &self.session_id)?;
        documents.session.entity.check_owner(self.epoch)?;
        documents.session.entity.count_tasks(view);
        let open = documents.session.entity.open_tasks;
        let settings = OrchestrationSettings::of(ctx);
        documents.end(SessionEvent::Complete(ctx.now), ctx.now, "the session was completed", &settings)?;
        documents.session.entity.set_expiry(&settings);
        if open > 0 && !self.force {
            let message = format!(
                "session `{}` has {open} open tasks; nothing was changed. Complete or fail them, or force its completion",
                self.session_id
            );
            return Err(Rejection::domain(codes::OPEN_TASKS, message));
        }
        documents.decide(ctx)
    }
}

/// Fails a session, and releases its slot. The task that it runs fails too. Its metadata keeps the reason.
///
/// Errors: `not_found`, `illegal_transition` (completed or failed), `stale_owner`, `limit` (details).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.fail")]
pub struct FailSession {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// Why it fails.
    pub reason: String,
    /// Further details.
    pub details: Option<Json>,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for FailSession {
    type Output = SessionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let mut documents = SessionDocuments::load(view, &self.session_id)?;
        documents.session.entity.check_owner(self.epoch)?;
        documents.fail(ctx, &self.reason, self.details.clone())?;
        documents.decide(ctx)
    }
}

impl SessionDocuments {
    /// Fails the session.
    pub(super) fn fail(&mut self, ctx: &Ctx, reason: &str, details: Option<Json>) -> Result<()> {
        let (settings, slot) = (OrchestrationSettings::of(ctx), self.session.entity.docker_slot);
        self.end(SessionEvent::Fail(ctx.now), ctx.now, reason, &settings)?;
        self.session.entity.last_slot = slot;
        self.session.entity.note("failed", reason, ("details", details.unwrap_or_default()), &settings)
    }
}

/// Stalls or fails a session whose time has come.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "orchestration.session.sweep")]
pub struct SweepSession {
    /// The session.
    pub session_id: String,
}

impl Command for SweepSession {
    type Output = SessionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let settings = OrchestrationSettings::of(ctx);
        let mut documents = SessionDocuments::load(view, &self.session_id)?;
        let session = &mut documents.session.entity;
        // A session of the older system does not say when it is due, and the settings may have changed since.
        session.set_due(&settings);
        let is_over = |since: Timestamp| ctx.now >= since + settings.inactive_limit();
        match session.state {
            _ if session.due_at.is_none_or(|at| at > ctx.now) => {}
            SessionState::Paused { inactive_since } if is_over(inactive_since) => {
                documents.fail(ctx, "it was paused for too long", None)?;
            }
            SessionState::Stalled { .. } => documents.fail(ctx, "it was stalled for too long", None)?,
            _ => session.stall(ctx.now, "no heartbeat has arrived", &settings)?,
        }
        documents.decide(ctx)
    }
}

/// Merges members into the metadata of a session, whatever its status. A member that is null is removed.
///
/// Errors: `not_found`, `limit` (the metadata is too large), `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.metadata")]
pub struct UpdateMetadata {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// The members.
    #[operation(name = "set")]
    pub metadata: Document,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
}

impl Command for UpdateMetadata {
    type Output = SessionSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        Session::modify(view, ctx, &self.session_id, self.epoch, |session, settings| {
            metadata::merge(&mut session.metadata, &self.metadata, settings)
        })
    }
}
