//! Checkpoints: the tree of states of a project, from its first one.
//!
//! | file | contents |
//! |---|---|
//! | `commands.rs` | create and delete |
//! | `tree.rs` | the path to the first one, and differences |
//! | `queue.rs` | the checkpoints that wait for their verification |
//! | `claim.rs`, `work.rs` | the commands of workers that verify, and verifications as their work |

mod claim;
mod commands;
mod queue;
mod tree;
mod work;

use std::collections::BTreeMap;

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::{FieldType, State};

use super::codes;
use super::numeric::Numeric;
pub use claim::{
    ClaimVerification, CompleteVerification, FailVerification, FailedVerification, NextAvailableVerification,
};
pub use commands::{CheckpointSummary, CreateCheckpoint, DeleteCheckpoint, DeletedCheckpoint};
pub use queue::QueuedVerification;
pub(super) use tree::CheckpointPath;
pub use tree::{DiffCheckpoints, FileChange, FileChangeKind, ShowPath};
pub use work::CheckpointWork;

/// A state of a project to which machines can return.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.checkpoints",
    version = 1,
    noun = "checkpoint",
    filters(project_uuid, parent_checkpoint_uuid, checkpoint_type, created_by_machine_uuid)
)]
#[index(project_uuid)]
#[index(parent_checkpoint_uuid)]
#[index(created_at desc)]
#[index(checkpoint_type)]
#[index(created_by_machine_uuid)]
#[index(project_uuid, created_at desc, when = "verification_status = 'verified'")]
pub struct Checkpoint {
    /// Its id.
    #[entity(id, shard, format = uuid)]
    pub uuid: String,
    /// The project.
    #[entity(references = "fleet.projects", format = uuid)]
    pub project_uuid: String,
    /// The checkpoint before it; missing for the first one.
    #[entity(references = "fleet.checkpoints", format = uuid)]
    pub parent_checkpoint_uuid: Option<String>,
    /// The machine that created it.
    #[entity(references = "fleet.intelligent_machines", format = uuid)]
    pub created_by_machine_uuid: Option<String>,
    /// Its type.
    #[entity(format = varchar(50))]
    pub checkpoint_type: CheckpointType,
    /// The snapshot of its virtual machine.
    #[entity(format = varchar(200))]
    pub proxmox_snapshot_id: Option<String>,
    /// The virtual machine.
    #[entity(format = varchar(100))]
    pub vm_id: Option<String>,
    /// Its files by their names.
    pub file_manifest: Option<BTreeMap<String, FileEntry>>,
    /// Its description.
    #[entity(max = 65_536)]
    pub description: Option<String>,
    /// Why it was created.
    #[entity(format = varchar(200))]
    pub context: Option<String>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// How many times smaller it is than its files.
    pub compression_ratio: Option<Numeric<4, 2>>,
    /// Whether it is verified.
    #[entity(state)]
    pub state: VerificationState,
    /// Number of checkpoints after it.
    pub children: u32,
    /// Number of machines that were spawned from it, or whose newest one it is.
    pub machines: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// Further information.
    #[entity(default)]
    pub metadata: Document,
}

/// A type of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire, Parameter)]
pub enum CheckpointType {
    /// The first one of a project.
    Genesis,
    /// A machine created it by itself.
    Automatic,
    /// A person asked for it.
    Manual,
    /// The last one of a machine.
    Final,
    /// The daily one of a hub.
    HubDaily,
}

/// A reason to create a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire, Parameter)]
pub enum CheckpointTrigger {
    /// An interface has responded.
    ApiResponse,
    /// Files were changed.
    FileOperation,
    /// The last one is 5 minutes old.
    Interval,
    /// A tenth of a budget is used since the last one.
    Budget,
    /// A person asked for it.
    Manual,
}

/// A file of a checkpoint.
#[derive(Fields, Wire, Clone, Debug, PartialEq, Parameters)]
pub struct FileEntry {
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    #[entity(max = 64)]
    pub sha256: String,
    /// When it was changed last.
    pub modified_at: Timestamp,
}

/// Whether a checkpoint is verified.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(tag = "verification_status", status = VerificationStatus)]
pub enum VerificationState {
    /// It waits for its verification.
    Pending,
    /// Its contents are complete.
    Verified {
        /// When it was verified.
        verified_at: Timestamp,
    },
    /// Its contents are damaged.
    Failed {
        /// When it was verified.
        verified_at: Timestamp,
        /// Why it failed.
        #[entity(max = 4_096)]
        failure: String,
    },
}

/// An event of a checkpoint.
#[derive(Event, Clone, Debug, PartialEq)]
pub enum VerificationEvent {
    /// A worker has found it complete.
    Verify(Timestamp),
    /// A worker has found it damaged, or cannot verify it.
    Fail(Timestamp, String),
}

impl Lifecycle for Checkpoint {
    type Event = VerificationEvent;

    fn transition(state: VerificationState, event: VerificationEvent) -> Option<VerificationState> {
        match (state, event) {
            (VerificationState::Pending, VerificationEvent::Verify(verified_at)) => {
                Some(VerificationState::Verified { verified_at })
            }
            (VerificationState::Pending, VerificationEvent::Fail(verified_at, failure)) => {
                Some(VerificationState::Failed { verified_at, failure })
            }
            _ => None,
        }
    }
}

impl Checkpoint {
    /// Rejects a checkpoint of another project.
    pub fn check_project(&self, project: &str) -> Result<()> {
        if self.project_uuid == project {
            return Ok(());
        }
        Err(Rejection::invalid("checkpointUuid", format!("`{}` belongs to project `{}`", self.uuid, self.project_uuid)))
    }

    /// Rejects a checkpoint from which no machine is spawned.
    pub fn check_spawnable(&self) -> Result<()> {
        let status = self.state.status();
        if self.checkpoint_type == CheckpointType::Genesis && status != VerificationStatus::Failed
            || status == VerificationStatus::Verified
        {
            return Ok(());
        }
        let message = format!(
            "the verification of checkpoint `{}` is {}; spawn from a verified one, or from the first one",
            self.uuid,
            status.as_str()
        );
        Err(Rejection::domain(codes::NOT_VERIFIED, message))
    }
}
