//! The commands on machines.

use runstate_core::prelude::*;

use super::machine_type::check_type;
use super::{
    IntelligentMachine, IntelligentMachineEvent, IntelligentMachineState, IntelligentMachineStatus, MachineType,
};
use crate::budget::{
    OpenAccount, ReservationEvent, ReservationState, ReservedAmount, ResourceReservation, TTL, give_back, reserve,
    settle,
};
use crate::checkpoint::{Checkpoint, CheckpointTrigger};
use crate::numeric::Amount;
use crate::project::{Project, ProjectState};
use crate::resource::ResourceTotals;
use crate::settings::FleetSettings;
use crate::usage::{UsageDetails, rate_reads};

/// An intelligent machine after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct IntelligentMachineSummary {
    /// Its id.
    pub uuid: String,
    /// Its status.
    pub status: IntelligentMachineStatus,
    /// The reservation of its budget.
    pub reservation_uuid: String,
    /// Its newest checkpoint.
    pub last_checkpoint_uuid: Option<String>,
    /// Why it should make a checkpoint now.
    pub checkpoint_due: Option<CheckpointTrigger>,
}

impl IntelligentMachine {
    fn summary(&self) -> IntelligentMachineSummary {
        IntelligentMachineSummary {
            uuid: self.uuid.clone(),
            status: self.state.status(),
            reservation_uuid: self.reservation_uuid.clone(),
            last_checkpoint_uuid: self.last_checkpoint_uuid.clone(),
            checkpoint_due: self.checkpoint_due,
        }
    }

    /// Records that it is alive, and whether its last checkpoint is too old.
    fn beat(&mut self, ctx: &Ctx) {
        self.last_heartbeat = Some(ctx.now);
        let last = self.last_checkpoint_at.unwrap_or(self.spawned_at);
        if ctx.now.since(last) >= FleetSettings::of(ctx).checkpoint_interval {
            self.checkpoint_due.get_or_insert(CheckpointTrigger::Interval);
        }
    }

    /// Its reservation, if a heartbeat of now must extend it: it lives as long as the machine, and half of the time to
    /// the next one longer, so that few heartbeats write it.
    fn extend_reservation(&self, view: &View, ctx: &Ctx) -> Result<Option<LoadedEntity<ResourceReservation>>> {
        let until = ctx.now + FleetSettings::of(ctx).terminate_after;
        let found = reservation(view, self)?.filter(|found| found.entity.state == ReservationState::Active);
        Ok(found.filter(|found| found.entity.expires_at < until).map(|mut found| {
            found.entity.expires_at = until + Millis(until.since(ctx.now).0 / 2);
            found
        }))
    }

    fn terminate(&mut self, now: Timestamp, error: Option<String>) -> Result<()> {
        let runtime = now.since(self.spawned_at);
        self.apply(IntelligentMachineEvent::Terminate { at: now, runtime, error })?;
        (self.last_heartbeat, self.checkpoint_due) = (None, None);
        Ok(())
    }
}

/// Spawns a machine from a checkpoint, and reserves its budget, in one commit.
///
/// Errors: `not_found`, `illegal_transition` (the project is not active), `not_verified` (the checkpoint),
/// `budget_exceeded`, `circuit_open`, `unit_mismatch`, `invalid` (the type, the checkpoint is of another project, the
/// hub is not one).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.intelligentMachine.spawn")]
pub struct SpawnMachine {
    /// The project.
    #[operation(subject)]
    pub project_uuid: String,
    /// The type: `claude_code`, `aider`, `qwen_coder`, `hub`, or one that was registered.
    #[operation(name = "type")]
    pub machine_type: String,
    /// The budget that is reserved.
    pub reserve: ReservedAmount,
    /// Its task.
    pub prompt: Option<String>,
    /// The checkpoint; by default the current one of the project.
    pub checkpoint_uuid: Option<String>,
    /// The machine of type `hub` that spawns it.
    pub hub_uuid: Option<String>,
    /// The virtual machine.
    pub vm_id: Option<String>,
    /// The node of the virtual machine.
    pub vm_node: Option<String>,
    /// Changes of files at its start.
    pub file_modifications: Option<Document>,
    /// Limits of its resources.
    pub resource_constraints: Option<Document>,
    /// Further information.
    pub metadata: Option<Document>,
    /// Its id, a UUID; by default a new one.
    pub uuid: Option<String>,
}

impl Command for SpawnMachine {
    type Output = IntelligentMachineSummary;

    fn subject(&self) -> Option<Key> {
        OpenAccount::subject(&self.project_uuid, self.reserve.resource_type)
    }

    fn reads(&self, view: &View) -> ReadSet {
        let reads = OpenAccount::reads(view, &self.project_uuid, self.reserve.resource_type);
        let reads = reads.with_entity::<Project>(&self.project_uuid).with_entity::<MachineType>(&self.machine_type);
        self.hub_uuid.iter().fold(reads, |reads, id| reads.with_entity::<IntelligentMachine>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<IntelligentMachineSummary>> {
        let project = view.entity::<Project>(&self.project_uuid)?;
        if project.entity.state != ProjectState::Active {
            return Err(project.entity.illegal("spawn", None));
        }
        check_type(view, &self.machine_type)?;
        let checkpoint = self.checkpoint_uuid.clone().or_else(|| project.entity.current_checkpoint_uuid.clone());
        let Some(checkpoint) = checkpoint else {
            let hint = "; create its first checkpoint before".to_owned();
            return Err(Rejection::NotFound { what: "a checkpoint of project", id: self.project_uuid.clone(), hint });
        };
        let mut checkpoint = view.entity::<Checkpoint>(&checkpoint)?;
        checkpoint.entity.check_project(&self.project_uuid)?;
        checkpoint.entity.check_spawnable()?;
        checkpoint.entity.machines = checkpoint.entity.machines.saturating_add(1);
        if let Some(hub) = &self.hub_uuid
            && view.entity::<IntelligentMachine>(hub)?.entity.r#type != "hub"
        {
            return Err(Rejection::invalid("hubUuid", format!("`{hub}` is not a machine of type `hub`")));
        }
        let uuid = self.uuid.clone().unwrap_or_else(|| ctx.new_id());
        view.check_absent::<IntelligentMachine>(&uuid)?;
        // Heartbeats extend the reservation, so it lives until the first one is due at least.
        let ttl = self.reserve.ttl.unwrap_or(TTL).max(FleetSettings::of(ctx).terminate_after);
        let reserved = ReservedAmount { ttl: Some(ttl), ..self.reserve.clone() };
        let reserved = reserve(view, ctx, &self.project_uuid, &reserved)?;
        let machine = IntelligentMachine {
            uuid,
            r#type: self.machine_type.clone(),
            state: IntelligentMachineState::Spawning,
            project_uuid: self.project_uuid.clone(),
            parent_checkpoint_uuid: checkpoint.entity.uuid.clone(),
            spawned_by_hub_uuid: self.hub_uuid.clone(),
            vm_id: self.vm_id.clone(),
            vm_node: self.vm_node.clone(),
            prompt: self.prompt.clone(),
            file_modifications: self.file_modifications.clone().unwrap_or_default(),
            resource_constraints: self.resource_constraints.clone().unwrap_or_default(),
            resource_usage: ResourceTotals::default(),
            progress: None,
            last_checkpoint_uuid: None,
            checkpoints_created: 0,
            last_checkpoint_at: None,
            checkpoint_due: None,
            reservation_uuid: reserved.output.uuid.clone(),
            last_heartbeat: Some(ctx.now),
            spawned_at: ctx.now,
            metadata: self.metadata.clone().unwrap_or_default(),
            updated_at: ctx.now,
        };
        let decision = reserved.map(|_| machine.summary()).and_insert(&machine)?;
        decision.save(checkpoint, ctx.now)?.save(project, ctx.now)
    }
}

/// A status that a machine reports of itself.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, Parameter)]
pub enum WorkingStatus {
    /// It is ready to work.
    Active,
    /// It works.
    Working,
    /// It makes a checkpoint.
    Checkpointing,
}

/// Changes the status of a machine: spawning → active → working, and between working and checkpointing.
///
/// Errors: `not_found`, `illegal_transition`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.intelligentMachine.status")]
pub struct SetIntelligentMachineStatus {
    /// The machine.
    #[operation(subject)]
    pub uuid: String,
    /// The new status.
    #[operation(subject)]
    pub status: WorkingStatus,
}

impl Command for SetIntelligentMachineStatus {
    type Output = IntelligentMachineSummary;

    fn reads(&self, view: &View) -> ReadSet {
        machine_reads(view, &self.uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<IntelligentMachineSummary>> {
        let mut machine = view.entity::<IntelligentMachine>(&self.uuid)?;
        machine.entity.apply(match self.status {
            WorkingStatus::Active => IntelligentMachineEvent::Activate,
            WorkingStatus::Working => IntelligentMachineEvent::Work,
            WorkingStatus::Checkpointing => IntelligentMachineEvent::Checkpoint,
        })?;
        machine.entity.beat(ctx);
        let reservation = machine.entity.extend_reservation(view, ctx)?;
        let decision = Decision::new(machine.entity.summary()).save(machine, ctx.now)?;
        reservation.into_iter().try_fold(decision, |decision, row| decision.save(row, ctx.now))
    }
}

/// An activity of a machine, after which it should make a checkpoint.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, Parameter)]
pub enum MachineActivity {
    /// It got a response of an interface.
    ApiResponse,
    /// It changed files.
    FileOperation,
}

/// Records that a machine is alive. The result says whether it should make a checkpoint: after a response of an
/// interface, after it changed files, after 5 minutes, and after each tenth of a budget.
///
/// Errors: `not_found`, `illegal_transition` (it is terminated).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.intelligentMachine.heartbeat")]
pub struct IntelligentMachineHeartbeat {
    /// The machine.
    #[operation(subject)]
    pub uuid: String,
    /// How far it is, for people.
    pub progress: Option<String>,
    /// Its last activity.
    pub activity: Option<MachineActivity>,
}

impl Command for IntelligentMachineHeartbeat {
    type Output = IntelligentMachineSummary;

    fn reads(&self, view: &View) -> ReadSet {
        machine_reads(view, &self.uuid)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<IntelligentMachineSummary>> {
        let mut loaded = view.entity::<IntelligentMachine>(&self.uuid)?;
        let machine = &mut loaded.entity;
        if matches!(machine.state, IntelligentMachineState::Terminated { .. }) {
            return Err(machine.illegal("heartbeat", None));
        }
        machine.progress = self.progress.clone().or(machine.progress.take());
        machine.checkpoint_due = machine.checkpoint_due.or(self.activity.map(|activity| match activity {
            MachineActivity::ApiResponse => CheckpointTrigger::ApiResponse,
            MachineActivity::FileOperation => CheckpointTrigger::FileOperation,
        }));
        machine.beat(ctx);
        let reservation = machine.extend_reservation(view, ctx)?;
        let decision = Decision::new(machine.summary()).save(loaded, ctx.now)?;
        reservation.into_iter().try_fold(decision, |decision, row| decision.save(row, ctx.now))
    }
}

/// Terminates a machine. Its reservation is committed with what it used, or given back.
///
/// Errors: `not_found`, `illegal_transition` (it is terminated).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.intelligentMachine.terminate")]
pub struct TerminateMachine {
    /// The machine.
    #[operation(subject)]
    pub uuid: String,
    /// Why it failed; by default it succeeded.
    pub error: Option<String>,
    /// The amount of its reservation that it used; by default nothing, and the reservation is given back.
    pub actual: Option<Amount>,
    /// The part of the resource, such as `claude_api`.
    pub resource_subtype: Option<String>,
}

/// The reads of a machine and its reservation.
fn machine_reads(view: &View, uuid: &str) -> ReadSet {
    let reads = ReadSet::entity::<IntelligentMachine>(uuid);
    match view.find_entity::<IntelligentMachine>(uuid) {
        Ok(Some(machine)) => reads.with_entity::<ResourceReservation>(&machine.entity.reservation_uuid),
        _ => reads,
    }
}

/// The open reservation of a machine, if it has one.
fn reservation(view: &View, machine: &IntelligentMachine) -> Result<Option<LoadedEntity<ResourceReservation>>> {
    view.find_entity::<ResourceReservation>(&machine.reservation_uuid)
}

impl Command for TerminateMachine {
    type Output = IntelligentMachineSummary;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = machine_reads(view, &self.uuid);
        let Ok(Some(machine)) = view.find_entity::<IntelligentMachine>(&self.uuid) else { return reads };
        match view.find_entity::<ResourceReservation>(&machine.entity.reservation_uuid) {
            Ok(Some(row)) if self.actual.is_some() => rate_reads(view, row.entity.unit, reads),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<IntelligentMachineSummary>> {
        let mut machine = view.entity::<IntelligentMachine>(&self.uuid)?;
        machine.entity.terminate(ctx.now, self.error.clone())?;
        let found = reservation(view, &machine.entity)?;
        let decision = match (found, self.actual) {
            (Some(found), Some(actual)) if !matches!(found.entity.state, ReservationState::Committed { .. }) => {
                let machine_uuid = Some(self.uuid.clone());
                let resource_subtype = self.resource_subtype.clone();
                let details = UsageDetails { machine_uuid, resource_subtype, ..UsageDetails::default() };
                let (decision, row, _) = settle(view, ctx, found, (actual, self.error.is_some()), details)?;
                machine.entity.add_usage(&row, false)?;
                decision.map(drop)
            }
            (Some(found), None) if found.entity.state == ReservationState::Active => {
                let (event, failed) = (ReservationEvent::Release(ctx.now), self.error.is_some());
                give_back(view, ctx, found, event, failed.then_some(true))?.map(drop)
            }
            (_, Some(_)) => {
                let reason = "the reservation of the machine was committed before, or its row is gone; record the amount with `usage record`";
                return Err(Rejection::invalid("actual", reason));
            }
            _ => Decision::new(()),
        };
        let summary = machine.entity.summary();
        Ok(decision.save(machine, ctx.now)?.map(|()| summary))
    }
}

/// Terminates a machine that has sent no heartbeat for too long, and gives its reservation back.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "fleet.intelligentMachine.terminateSilent")]
pub struct TerminateSilentMachine {
    /// The machine.
    pub uuid: String,
    /// Only if its last heartbeat was at or before this time.
    pub silent_since: Timestamp,
}

impl Command for TerminateSilentMachine {
    type Output = IntelligentMachineSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<IntelligentMachineSummary>> {
        let mut machine = view.entity::<IntelligentMachine>(&self.uuid)?;
        if machine.entity.last_heartbeat.is_none_or(|last| last > self.silent_since) {
            return Err(Rejection::Stale { what: format!("machine `{}` is alive; nothing was changed", self.uuid) });
        }
        let silent = FleetSettings::of(ctx).terminate_after.0 / 60_000;
        machine.entity.terminate(ctx.now, Some(format!("no heartbeat for {silent} minutes")))?;
        let summary = machine.entity.summary();
        let found = reservation(view, &machine.entity)?.filter(|found| found.entity.state == ReservationState::Active);
        let decision = match found {
            Some(found) => give_back(view, ctx, found, ReservationEvent::Release(ctx.now), Some(true))?.map(drop),
            None => Decision::new(()),
        };
        Ok(decision.save(machine, ctx.now)?.map(|()| summary))
    }
}
