//! Checkpoints of hubs.

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::{FieldType, State};

use super::HubInstance;
use crate::numeric::Numeric;

/// A state of a hub to which it can return.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.hub_checkpoints", version = 1, noun = "hubCheckpoint", filters(hub_uuid, checkpoint_type))]
#[index(hub_uuid)]
#[index(created_at desc)]
#[index(checkpoint_type)]
pub struct HubCheckpoint {
    /// Its id.
    #[entity(id, format = uuid)]
    pub uuid: String,
    /// The hub.
    #[entity(references = "fleet.hub_instances", format = uuid)]
    pub hub_uuid: String,
    /// Its type.
    #[entity(format = varchar(50))]
    pub checkpoint_type: HubCheckpointType,
    /// The snapshot of the virtual machine.
    #[entity(format = varchar(200))]
    pub proxmox_snapshot_id: String,
    /// Why it was created.
    #[entity(format = varchar(200))]
    pub trigger_reason: Option<String>,
    /// Use of processors, memory and disk at that time.
    pub system_metrics: Option<Document>,
    /// Number of machines at that time.
    #[entity(default = 0, format = integer)]
    pub active_machines: u32,
    /// Number of projects at that time.
    #[entity(default = 0, format = integer)]
    pub active_projects: u32,
    /// Its size in gigabytes.
    pub checkpoint_size_gb: Option<Numeric<10, 3>>,
    /// Whether it is verified.
    #[entity(state)]
    pub state: HubCheckpointState,
    /// When it was created.
    pub created_at: Timestamp,
    /// Further information.
    #[entity(default)]
    pub metadata: Document,
}

/// A type of checkpoints of hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire, Parameter)]
pub enum HubCheckpointType {
    /// The one of a day.
    Daily,
    /// A person asked for it.
    Manual,
    /// The one before an experiment.
    PreExperiment,
    /// One to return to after a failure.
    Recovery,
}

/// Whether a checkpoint of a hub is verified.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(tag = "verification_status", status = HubCheckpointStatus)]
pub enum HubCheckpointState {
    /// It waits for its verification.
    Pending,
    /// It is complete.
    Verified {
        /// When it was verified.
        verified_at: Timestamp,
    },
    /// It is damaged.
    Failed {
        /// When it was verified.
        verified_at: Timestamp,
    },
}

/// An event of a checkpoint of a hub.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
pub enum HubCheckpointEvent {
    /// It is complete.
    Verify(Timestamp),
    /// It is damaged.
    Fail(Timestamp),
}

impl Lifecycle for HubCheckpoint {
    type Event = HubCheckpointEvent;

    fn transition(state: HubCheckpointState, event: HubCheckpointEvent) -> Option<HubCheckpointState> {
        match (state, event) {
            (HubCheckpointState::Pending, HubCheckpointEvent::Verify(verified_at)) => {
                Some(HubCheckpointState::Verified { verified_at })
            }
            (HubCheckpointState::Pending, HubCheckpointEvent::Fail(verified_at)) => {
                Some(HubCheckpointState::Failed { verified_at })
            }
            _ => None,
        }
    }
}

/// A checkpoint of a hub after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct HubCheckpointSummary {
    /// Its id.
    pub uuid: String,
    /// The hub.
    pub hub_uuid: String,
    /// Whether it is verified.
    pub verification_status: HubCheckpointStatus,
}

impl HubCheckpoint {
    fn summary(&self) -> HubCheckpointSummary {
        HubCheckpointSummary {
            uuid: self.uuid.clone(),
            hub_uuid: self.hub_uuid.clone(),
            verification_status: self.state.status(),
        }
    }
}

/// Creates a checkpoint of a hub, which waits for its verification then.
///
/// Errors: `not_found`, `already_exists`, `invalid`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.hubCheckpoint.create")]
pub struct CreateHubCheckpoint {
    /// The hub.
    #[operation(subject)]
    pub hub_uuid: String,
    /// Its type.
    #[operation(name = "type")]
    pub checkpoint_type: HubCheckpointType,
    /// The snapshot of the virtual machine.
    pub proxmox_snapshot_id: String,
    /// Why it is created.
    pub trigger_reason: Option<String>,
    /// Use of processors, memory and disk.
    pub system_metrics: Option<Document>,
    /// Number of machines.
    #[operation(default = 0)]
    pub active_machines: u32,
    /// Number of projects.
    #[operation(default = 0)]
    pub active_projects: u32,
    /// Its size in gigabytes.
    pub checkpoint_size_gb: Option<Numeric<10, 3>>,
    /// Further information.
    pub metadata: Option<Document>,
    /// Its id, a UUID; by default a new one.
    pub uuid: Option<String>,
}

impl Command for CreateHubCheckpoint {
    type Output = HubCheckpointSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<HubCheckpointSummary>> {
        let mut hub = view.entity::<HubInstance>(&self.hub_uuid)?;
        hub.entity.last_checkpoint_at = Some(ctx.now);
        let uuid = self.uuid.clone().unwrap_or_else(|| ctx.new_id());
        view.check_absent::<HubCheckpoint>(&uuid)?;
        let checkpoint = HubCheckpoint {
            uuid,
            hub_uuid: self.hub_uuid.clone(),
            checkpoint_type: self.checkpoint_type,
            proxmox_snapshot_id: self.proxmox_snapshot_id.clone(),
            trigger_reason: self.trigger_reason.clone(),
            system_metrics: self.system_metrics.clone(),
            active_machines: self.active_machines,
            active_projects: self.active_projects,
            checkpoint_size_gb: self.checkpoint_size_gb,
            state: HubCheckpointState::Pending,
            created_at: ctx.now,
            metadata: self.metadata.clone().unwrap_or_default(),
        };
        Decision::new(checkpoint.summary()).and_insert(&checkpoint)?.save(hub, ctx.now)
    }
}

/// Records whether a checkpoint of a hub is complete.
///
/// Errors: `not_found`, `illegal_transition` (it was verified before).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.hubCheckpoint.verify")]
pub struct VerifyHubCheckpoint {
    /// The checkpoint.
    #[operation(subject)]
    pub uuid: String,
    /// Whether it is damaged.
    pub failed: bool,
}

impl Command for VerifyHubCheckpoint {
    type Output = HubCheckpointSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<HubCheckpointSummary>> {
        let mut checkpoint = view.entity::<HubCheckpoint>(&self.uuid)?;
        checkpoint.entity.apply(match self.failed {
            true => HubCheckpointEvent::Fail(ctx.now),
            false => HubCheckpointEvent::Verify(ctx.now),
        })?;
        Decision::new(checkpoint.entity.summary()).save(checkpoint, ctx.now)
    }
}
