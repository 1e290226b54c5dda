//! Recovery: a new owner takes over a session that stalled or failed. The owner before it has an older epoch from then
//! on.

use runstate_core::prelude::*;

use super::{RecoveryRow, Session, SessionDocuments, SessionEvent, SessionSummary};
use crate::codes;
use crate::machine::{Machine, SlotChoice};
use crate::settings::OrchestrationSettings;
use crate::task::{Task, TaskEvent, TaskState, check_dependencies, program_reads, start_program};

/// Recovers a session that stalled or failed, also on another machine. The result has the epoch of the new owner; that
/// of the owner before is stale. If it had a slot, its old one is released and it gets one again, in one commit.
///
/// Errors: `not_found`, `illegal_transition` (not stalled or failed; the machine is offline or in maintenance),
/// `recovery_exhausted`, `no_free_slot`, `slot_in_use`, `task_already_running`, `dependencies_open`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.recover")]
pub struct RecoverSession {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// The machine that it runs on from now on; by default its machine.
    pub machine: Option<String>,
    /// A slot of the machine: its number, or `auto` for the lowest free one. By default a session that had a slot when
    /// it stalled or failed gets it again if it is free on the same machine, otherwise the lowest free one.
    pub slot: Option<SlotChoice>,
    /// The task that it runs from now on; by default the one that it ran when it stalled, under the new epoch.
    pub task: Option<String>,
}

impl Command for RecoverSession {
    type Output = SessionSummary;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<Session>(&self.session_id);
        let session = view.find_entity::<Session>(&self.session_id).ok().flatten();
        let target = self.machine.clone().or(session.map(|session| session.entity.machine_id));
        let reads = target.iter().fold(reads, |reads, id| Machine::slot_reads(view, id, reads));
        self.task.iter().fold(reads, |reads, id| program_reads(view, id, reads))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let settings = OrchestrationSettings::of(ctx);
        let mut documents = SessionDocuments::load(view, &self.session_id)?;
        let session = &mut documents.session.entity;
        let had_slot = session.docker_slot.or(session.last_slot);
        let row = RecoveryRow {
            recovered_at: ctx.now,
            status: session.state.status(),
            machine_id: session.machine_id.clone(),
            docker_slot: had_slot,
            epoch: session.epoch,
        };
        session.last_heartbeat = ctx.now;
        session.apply(SessionEvent::Recover, &settings)?;
        session.begin_recovery(row, &settings)?;

        // The old slot is released first: it is free for the session itself.
        if let Some(machine) = &mut documents.machine {
            machine.entity.add_holders(view)?;
            machine.entity.release(session);
        }
        (session.docker_slot, session.last_slot) = (None, None);
        let moves = self.machine.as_ref().filter(|id| **id != session.machine_id);
        let mut target = moves.map(|id| view.entity::<Machine>(id)).transpose()?;
        match target.as_mut().or(documents.machine.as_mut()) {
            Some(machine) => {
                machine.entity.add_holders(view)?;
                let is_free = |slot: &u32| moves.is_none() && machine.entity.free_slots().any(|free| free == *slot);
                let again = |slot: u32| if is_free(&slot) { SlotChoice::Number(slot) } else { SlotChoice::Auto };
                let slot = self.slot.or(had_slot.map(again));
                machine.entity.assign(session, slot)?;
            }
            None => _ = view.entity::<Machine>(&session.machine_id)?,
        }
        if let Some(task) = &mut documents.task
            && let TaskState::InProgress { claim, .. } = &mut task.entity.state
        {
            claim.epoch = session.epoch;
        }

        let mut started = None;
        if let Some(id) = &self.task {
            let is_current = session.current_task_id.as_ref() == Some(id);
            let mut task = match documents.task.take() {
                Some(task) if is_current => task,
                other => {
                    documents.task = other;
                    view.entity::<Task>(id)?
                }
            };
            restart_task(view, ctx, session, &mut task.entity)?;
            started = Some(task);
        }
        let mut decision = documents.decide(ctx)?;
        if let Some(machine) = target {
            decision = decision.save(machine, ctx.now)?;
        }
        match started {
            Some(task) => {
                let id = task.entity.task_id.clone();
                decision = decision.save(task, ctx.now)?;
                start_program(view, ctx, &id, &mut decision)?;
                if let Some(session) = decision.current::<Session>(view, &self.session_id)? {
                    decision.output = session.summary();
                }
                Ok(decision)
            }
            None => Ok(decision),
        }
    }
}

impl Session {
    /// Counts the recovery, and gives the session to a new owner.
    fn begin_recovery(&mut self, row: RecoveryRow, settings: &OrchestrationSettings) -> Result<()> {
        if self.recovery.attempts >= settings.recovery_attempts {
            let (id, attempts) = (&self.session_id, self.recovery.attempts);
            let message =
                format!("session `{id}` was recovered {attempts} times, as often as is allowed; create another one");
            return Err(Rejection::domain(codes::RECOVERY_EXHAUSTED, message));
        }
        self.epoch += 1;
        self.recovery.attempts += 1;
        self.recovery.history.push(row);
        let excess = self.recovery.history.len().saturating_sub(settings.recovery_history as usize);
        self.recovery.history.drain(..excess);
        Ok(())
    }
}

/// Starts a task under the new owner. One that failed with the session is retried.
fn restart_task(view: &View, ctx: &Ctx, session: &mut Session, task: &mut Task) -> Result<()> {
    task.check_session(session)?;
    match task.state {
        TaskState::Failed { .. } => task.apply(session, TaskEvent::Retry)?,
        TaskState::InProgress { .. } => task.apply(session, TaskEvent::Release)?,
        _ => {}
    }
    check_dependencies(view, task)?;
    task.apply(session, TaskEvent::Start(ctx.now, session.epoch))
}
