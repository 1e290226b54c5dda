//! Intelligent machines: agents in virtual machines, which are spawned from a checkpoint with a prompt.
//!
//! | file | contents |
//! |---|---|
//! | `commands.rs` | spawn, status, heartbeat, terminate, and the end of those without a heartbeat |
//! | `machine_type.rs` | the types of machines, and the choice among them |

mod commands;
mod machine_type;

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::State;

use super::checkpoint::CheckpointTrigger;
use super::numeric::Amount;
use super::queries::MACHINE_PERFORMANCE_METRICS;
use super::resource::{ResourceTotals, ResourceType, Unit};
use super::usage::ResourceUsage;
pub use commands::{
    IntelligentMachineHeartbeat, IntelligentMachineSummary, MachineActivity, SetIntelligentMachineStatus, SpawnMachine,
    TerminateMachine, TerminateSilentMachine, WorkingStatus,
};
pub use machine_type::{ChooseMachineType, MachineType, MachineTypeScore, RegisterMachineType, RegisteredMachineType};

/// An agent in a virtual machine.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.intelligent_machines",
    version = 1,
    noun = "intelligentMachine",
    views(MACHINE_PERFORMANCE_METRICS),
    filters(project_uuid, status, r#type)
)]
#[index(status)]
#[index(project_uuid)]
#[index(spawned_at)]
#[index(r#type)]
#[index(spawned_by_hub_uuid)]
#[index(last_heartbeat)]
#[index(updated_at)]
pub struct IntelligentMachine {
    /// Its id.
    #[entity(id, shard, format = uuid)]
    pub uuid: String,
    /// Its type, such as `claude_code`.
    #[entity(format = varchar(50))]
    pub r#type: String,
    /// Its status.
    #[entity(state)]
    pub state: IntelligentMachineState,
    /// The project.
    #[entity(references = "fleet.projects", format = uuid)]
    pub project_uuid: String,
    /// The checkpoint from which it was spawned.
    #[entity(references = "fleet.checkpoints", format = uuid)]
    pub parent_checkpoint_uuid: String,
    /// The machine of type `hub` that spawned it.
    #[entity(references = "fleet.intelligent_machines", format = uuid)]
    pub spawned_by_hub_uuid: Option<String>,
    /// The virtual machine.
    #[entity(format = varchar(100))]
    pub vm_id: Option<String>,
    /// The node of the virtual machine.
    #[entity(format = varchar(100))]
    pub vm_node: Option<String>,
    /// Its task.
    #[entity(max = 1_048_576)]
    pub prompt: Option<String>,
    /// Changes of files at its start.
    #[entity(default)]
    pub file_modifications: Document,
    /// Limits of its resources.
    #[entity(default)]
    pub resource_constraints: Document,
    /// The resources that it has used.
    #[entity(default)]
    pub resource_usage: ResourceTotals,
    /// How far it is, for people.
    #[entity(max = 65_536)]
    pub progress: Option<String>,
    /// Its newest checkpoint.
    #[entity(references = "fleet.checkpoints", format = uuid)]
    pub last_checkpoint_uuid: Option<String>,
    /// Number of checkpoints that it has created.
    #[entity(default = 0, format = integer)]
    pub checkpoints_created: u32,
    /// When it made a checkpoint last.
    pub last_checkpoint_at: Option<Timestamp>,
    /// Why it should make a checkpoint now.
    pub checkpoint_due: Option<CheckpointTrigger>,
    /// The reservation of its budget. It may have been removed.
    #[entity(format = uuid)]
    pub reservation_uuid: String,
    /// The last time at which it was alive; missing once it is terminated.
    pub last_heartbeat: Option<Timestamp>,
    /// When it was spawned.
    pub spawned_at: Timestamp,
    /// Further information.
    #[entity(default)]
    pub metadata: Document,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// Status of an intelligent machine.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = IntelligentMachineStatus)]
pub enum IntelligentMachineState {
    /// Its virtual machine starts.
    Spawning,
    /// It is ready to work.
    Active,
    /// It works.
    Working,
    /// It makes a checkpoint.
    Checkpointing,
    /// It has ended.
    Terminated {
        /// When it ended.
        terminated_at: Timestamp,
        /// How long it lived, in milliseconds.
        runtime_ms: Millis,
        /// Why it failed; missing if it succeeded.
        #[entity(max = 65_536)]
        error_message: Option<String>,
    },
}

/// An event of an intelligent machine.
#[derive(Event, Clone, Debug, PartialEq)]
pub enum IntelligentMachineEvent {
    /// Its virtual machine has started.
    Activate,
    /// It begins to work, or continues after a checkpoint.
    Work,
    /// It begins to make a checkpoint.
    Checkpoint,
    /// See [`TerminateMachine`].
    Terminate {
        /// When it ended.
        at: Timestamp,
        /// How long it lived.
        runtime: Millis,
        /// Why it failed.
        error: Option<String>,
    },
}

impl Lifecycle for IntelligentMachine {
    type Event = IntelligentMachineEvent;

    fn transition(state: IntelligentMachineState, event: IntelligentMachineEvent) -> Option<IntelligentMachineState> {
        use IntelligentMachineState::{Active, Checkpointing, Spawning, Terminated, Working};
        match (state, event) {
            (Spawning, IntelligentMachineEvent::Activate) => Some(Active),
            (Active | Checkpointing, IntelligentMachineEvent::Work) => Some(Working),
            (Working, IntelligentMachineEvent::Checkpoint) => Some(Checkpointing),
            (Terminated { .. }, _) => None,
            (_, IntelligentMachineEvent::Terminate { at, runtime, error }) => {
                Some(Terminated { terminated_at: at, runtime_ms: runtime, error_message: error })
            }
            _ => None,
        }
    }
}

impl IntelligentMachine {
    /// Adds what it has used. A completed tenth of a budget is a reason for a checkpoint.
    pub fn add_usage(&mut self, row: &ResourceUsage, is_tenth: bool) -> Result<()> {
        if self.project_uuid != row.project_uuid {
            let reason = format!("`{}` belongs to project `{}`", self.uuid, self.project_uuid);
            return Err(Rejection::invalid("machineUuid", reason));
        }
        let decimal = row.amount.decimal();
        let amount = match (row.resource_type, row.unit) {
            (ResourceType::Money, Unit::Cad) => row.amount,
            // An amount without a known cost adds nothing in Canadian dollars.
            (ResourceType::Money, _) => {
                row.cost_cad.and_then(|cost| Amount::new(cost.decimal())).unwrap_or(Amount::ZERO)
            }
            (_, Unit::Hours) => decimal.checked_mul(60.into()).and_then(Amount::new).unwrap_or(row.amount),
            _ => row.amount,
        };
        self.resource_usage.add(row.resource_type, amount)?;
        if is_tenth && !matches!(self.state, IntelligentMachineState::Terminated { .. }) {
            self.checkpoint_due.get_or_insert(CheckpointTrigger::Budget);
        }
        Ok(())
    }
}
