//! The commands on machines and their slots, and the sweep of machines without a heartbeat.

use runstate_core::prelude::*;
use runstate_value::sort_by;

use super::{Machine, MachineEvent, MachineState, MachineStatus, SlotChoice};
use crate::session::{Session, SessionSummary};
use crate::settings::OrchestrationSettings;
use crate::{codes, metadata};

/// A machine after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct MachineSummary {
    /// Its id.
    #[entity(id)]
    pub machine_id: String,
    /// Its status.
    pub status: MachineStatus,
    /// Number of its free slots.
    pub free_slots: u32,
    /// Number of the sessions on it that have not ended.
    pub sessions: u32,
}

impl Machine {
    fn summary(&self) -> MachineSummary {
        MachineSummary {
            machine_id: self.machine_id.clone(),
            status: self.state.status(),
            free_slots: self.free_slots().count() as u32,
            sessions: self.active_sessions.len() as u32,
        }
    }

    /// The decision to change the machine alone.
    fn modify(
        view: &View,
        ctx: &Ctx,
        machine_id: &str,
        modify: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<Decision<MachineSummary>> {
        let mut loaded = view.entity::<Self>(machine_id)?;
        modify(&mut loaded.entity)?;
        Decision::new(loaded.entity.summary()).save(loaded, ctx.now)
    }

    fn add_slots(&mut self, slots: &[u32]) {
        self.docker_slots.extend(slots);
        sort_by(&mut self.docker_slots, Ord::cmp);
        self.docker_slots.dedup();
    }
}

/// Registers a machine, which is online then.
///
/// Errors: `already_exists`, `invalid`, `limit` (metadata).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.machine.register", creates)]
pub struct RegisterMachine {
    /// The id of the machine.
    #[operation(subject)]
    pub machine_id: String,
    /// Its name in the network.
    pub hostname: String,
    /// Its slots; by default none, so that it takes any number of sessions.
    pub slots: Option<Vec<u32>>,
    /// Its specification, to pick it by.
    pub metadata: Option<Document>,
}

impl Command for RegisterMachine {
    type Output = MachineSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<MachineSummary>> {
        let settings = OrchestrationSettings::of(ctx);
        view.check_absent::<Machine>(&self.machine_id)?;
        let mut machine = Machine {
            machine_id: self.machine_id.clone(),
            hostname: self.hostname.clone(),
            state: MachineState::Online,
            docker_slots: Vec::new(),
            slots: Default::default(),
            active_sessions: Vec::new(),
            last_heartbeat: ctx.now,
            metadata: Document::new(),
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        machine.add_slots(self.slots.as_deref().unwrap_or_default());
        if let Some(further) = &self.metadata {
            metadata::merge(&mut machine.metadata, further, &settings)?;
        }
        Decision::new(machine.summary()).and_insert(&machine)
    }
}

/// Records that a machine is alive. One that was offline is online again; one in maintenance stays so.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.machine.heartbeat")]
pub struct MachineHeartbeat {
    /// The machine.
    #[operation(subject)]
    pub machine_id: String,
}

impl Command for MachineHeartbeat {
    type Output = MachineSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<MachineSummary>> {
        Machine::modify(view, ctx, &self.machine_id, |machine| {
            machine.last_heartbeat = machine.last_heartbeat.max(ctx.now);
            machine.apply(MachineEvent::Heartbeat)
        })
    }
}

/// Begins or ends the maintenance of a machine, in which it takes no new sessions. Afterwards it is online, or offline
/// if no recent heartbeat has arrived.
///
/// Errors: `not_found`, `illegal_transition` (it is not in maintenance).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.machine.maintenance")]
pub struct SetMaintenance {
    /// The machine.
    #[operation(subject)]
    pub machine_id: String,
    /// Whether its maintenance ends.
    pub off: bool,
}

impl Command for SetMaintenance {
    type Output = MachineSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<MachineSummary>> {
        Machine::modify(view, ctx, &self.machine_id, |machine| {
            if !self.off {
                return machine.apply(MachineEvent::BeginMaintenance);
            }
            machine.apply(MachineEvent::EndMaintenance)?;
            let is_silent = machine.last_heartbeat + OrchestrationSettings::of(ctx).offline_after <= ctx.now;
            if is_silent { machine.apply(MachineEvent::MarkOffline) } else { Ok(()) }
        })
    }
}

/// Begins the maintenance of a machine, so that it takes no new sessions, and returns how many sessions still are on
/// it.
///
/// It does not wait for them. Read `active_sessions` of the machine (`machine show`) from time to time, or after each
/// change of the machine that the change feed reports (`store changes`).
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.machine.drain")]
pub struct DrainMachine {
    /// The machine.
    #[operation(subject)]
    pub machine_id: String,
}

impl Command for DrainMachine {
    type Output = MachineSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<MachineSummary>> {
        Machine::modify(view, ctx, &self.machine_id, |machine| machine.apply(MachineEvent::BeginMaintenance))
    }
}

/// Adds slots to a machine, and removes slots that are free.
///
/// Errors: `not_found`, `slot_in_use`, `invalid` (it would be left without slots, and so take any number of sessions).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.machine.slots")]
pub struct ChangeSlots {
    /// The machine.
    #[operation(subject)]
    pub machine_id: String,
    /// The slots to add.
    pub add: Option<Vec<u32>>,
    /// The slots to remove.
    pub remove: Option<Vec<u32>>,
}

impl Command for ChangeSlots {
    type Output = MachineSummary;

    fn reads(&self, view: &View) -> ReadSet {
        Machine::slot_reads(view, &self.machine_id, ReadSet::empty())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<MachineSummary>> {
        Machine::modify(view, ctx, &self.machine_id, |machine| {
            machine.add_holders(view)?;
            let had_slots = !machine.docker_slots.is_empty();
            let removed = self.remove.as_deref().unwrap_or_default();
            for slot in removed {
                if let Some(holder) = machine.slots.get(&slot.to_string()) {
                    return Err(machine.in_use(*slot, holder));
                }
            }
            machine.docker_slots.retain(|slot| !removed.contains(slot));
            machine.add_slots(self.add.as_deref().unwrap_or_default());
            if had_slots && machine.docker_slots.is_empty() {
                let reason = format!(
                    "leaves machine `{}` without slots, and then it takes any number of sessions; keep one, or begin its maintenance",
                    self.machine_id
                );
                return Err(Rejection::invalid("remove", reason));
            }
            Ok(())
        })
    }
}

/// Assigns a session to a machine, in a slot if the machine has slots.
///
/// Errors: `not_found`, `illegal_transition` (the machine is not online; the session has ended), `no_free_slot`,
/// `slot_in_use`, `already_assigned` (it is on another machine, or in another slot), `invalid` (the machine does not
/// have the slot).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.machine.assign", contends(Machine::COLLECTION, machine_id))]
pub struct AssignSession {
    /// The machine.
    #[operation(subject)]
    pub machine_id: String,
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// The number of the slot, or `auto`; by default the lowest free one.
    pub slot: Option<SlotChoice>,
}

impl Command for AssignSession {
    type Output = SessionSummary;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = Machine::slot_reads(view, &self.machine_id, ReadSet::entity::<Session>(&self.session_id));
        match view.find_entity::<Session>(&self.session_id) {
            Ok(Some(session)) => reads.with_entity::<Machine>(&session.entity.machine_id),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let mut machine = view.entity::<Machine>(&self.machine_id)?;
        let mut loaded = view.entity::<Session>(&self.session_id)?;
        let session = &mut loaded.entity;
        if session.state.is_terminal() {
            return Err(session.reject("assign"));
        }
        let moves = session.machine_id != self.machine_id;
        let other = if moves { view.find_entity::<Machine>(&session.machine_id)? } else { None };
        if other.as_ref().is_some_and(|other| other.entity.active_sessions.contains(&self.session_id)) {
            let message =
                format!("session `{}` is on machine `{}`; release it first", self.session_id, session.machine_id);
            return Err(Rejection::domain(codes::ALREADY_ASSIGNED, message));
        }
        machine.entity.add_holders(view)?;
        machine.entity.assign(session, Some(self.slot.unwrap_or(SlotChoice::Auto)))?;
        let decision = Decision::new(session.summary()).save(loaded, ctx.now)?.save(machine, ctx.now)?;
        match other {
            Some(other) => decision.save(other, ctx.now),
            None => Ok(decision),
        }
    }
}

/// Takes a session off a machine, and frees its slot. A session that is not there changes nothing.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.machine.release", contends(Machine::COLLECTION, machine_id))]
pub struct ReleaseSession {
    /// The machine.
    #[operation(subject)]
    pub machine_id: String,
    /// The session.
    #[operation(subject)]
    pub session_id: String,
}

impl Command for ReleaseSession {
    type Output = SessionSummary;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Machine>(&self.machine_id).with_entity::<Session>(&self.session_id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionSummary>> {
        let mut machine = view.entity::<Machine>(&self.machine_id)?;
        let mut session = view.entity::<Session>(&self.session_id)?;
        machine.entity.release(&mut session.entity);
        Decision::new(session.entity.summary()).save(session, ctx.now)?.save(machine, ctx.now)
    }
}

/// Largest number of sessions that one commit stalls.
const SESSIONS_PER_COMMIT: u32 = 500;

/// Marks a machine without a heartbeat as offline, and its sessions as stalled, in as many commits as it takes. The
/// machine is last: until then it is due, so that nothing is lost with a process.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "orchestration.machine.markOffline")]
pub struct MarkOffline {
    /// The machine.
    pub machine_id: String,
    /// Only if its last heartbeat was at or before this time: it may have been alive since.
    pub silent_since: Timestamp,
}

impl Command for MarkOffline {
    type Output = MachineSummary;

    fn reads(&self, _: &View) -> ReadSet {
        let running = Filter::In("status".to_owned(), vec!["active".into(), "paused".into()]);
        let sessions = Query::of(&Session::COLLECTION).eq("machine_id", &*self.machine_id).filter(running);
        ReadSet::entity::<Machine>(&self.machine_id)
            .query("sessions", sessions.limit(SESSIONS_PER_COMMIT).with_unreadable())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<MachineSummary>> {
        let mut machine = view.entity::<Machine>(&self.machine_id)?;
        let is_silent = machine.entity.last_heartbeat <= self.silent_since;
        if machine.entity.state != MachineState::Online || !is_silent {
            // Not a summary: `next` would continue for as long as the machine is online.
            return Err(Rejection::Stale {
                what: format!("machine `{}` is not due; nothing was changed", self.machine_id),
            });
        }
        // A session that cannot be read keeps no machine online. Verification reports it.
        let sessions: Vec<_> = view.each_entity::<Session>(&["sessions"]).filter_map(Result::ok).collect();
        let taken = sessions.len().min(ctx.max_writes.saturating_sub(1).max(1));
        let is_last = taken == sessions.len() && (taken == 0 || view.next_cursor("sessions").is_none());
        if is_last {
            machine.entity.apply(MachineEvent::MarkOffline)?;
        }
        let settings = OrchestrationSettings::of(ctx);
        let mut decision = Decision::new(machine.entity.summary()).save(machine, ctx.now)?;
        for mut session in sessions.into_iter().take(taken) {
            session.entity.stall(ctx.now, "its machine is offline", &settings)?;
            decision = decision.save(session, ctx.now)?;
        }
        Ok(decision)
    }

    fn next(&self, output: &MachineSummary, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        (output.status == MachineStatus::Online).then(|| TypedCommand::boxed(self.clone()))
    }
}
