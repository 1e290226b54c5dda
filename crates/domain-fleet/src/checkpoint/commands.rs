//! Creating and deleting checkpoints.

use std::collections::BTreeMap;

use runstate_core::error_code::ErrorCode;
use runstate_core::prelude::*;

use super::{
    Checkpoint, CheckpointTrigger, CheckpointType, FileEntry, QueuedVerification, VerificationState, VerificationStatus,
};
use crate::machine::{IntelligentMachine, IntelligentMachineState};
use crate::numeric::Numeric;
use crate::project::Project;

/// A checkpoint after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct CheckpointSummary {
    /// Its id.
    pub uuid: String,
    /// The project.
    pub project_uuid: String,
    /// The checkpoint before it.
    pub parent_checkpoint_uuid: Option<String>,
    /// Whether it is verified.
    pub verification_status: VerificationStatus,
}

impl Checkpoint {
    /// The checkpoint as commands return it.
    pub fn summary(&self) -> CheckpointSummary {
        CheckpointSummary {
            uuid: self.uuid.clone(),
            project_uuid: self.project_uuid.clone(),
            parent_checkpoint_uuid: self.parent_checkpoint_uuid.clone(),
            verification_status: self.state.status(),
        }
    }
}

/// Creates a checkpoint, which waits for its verification then.
///
/// The first one of a project is of type `genesis`, and all others have a parent: by default the newest one of the
/// machine, or else the current one of the project.
///
/// Errors: `not_found`, `already_exists` (the project has a first one), `illegal_transition` (the machine is
/// terminated), `invalid` (the parent or the machine is of another project; the first one has no parent).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.checkpoint.create", contends(Project::COLLECTION, project_uuid))]
pub struct CreateCheckpoint {
    /// The project.
    #[operation(subject)]
    pub project_uuid: String,
    /// Its type.
    #[operation(name = "type")]
    pub checkpoint_type: CheckpointType,
    /// The checkpoint before it.
    pub parent_uuid: Option<String>,
    /// The machine that creates it.
    pub machine_uuid: Option<String>,
    /// Why it is created; by default the reason that the machine has.
    pub trigger: Option<CheckpointTrigger>,
    /// Its files by their names.
    pub file_manifest: Option<BTreeMap<String, FileEntry>>,
    /// The snapshot of its virtual machine.
    pub proxmox_snapshot_id: Option<String>,
    /// The virtual machine; by default that of the machine.
    pub vm_id: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// How many times smaller it is than its files.
    pub compression_ratio: Option<Numeric<4, 2>>,
    /// Further information.
    pub metadata: Option<Document>,
    /// Its id, a UUID; by default a new one.
    pub uuid: Option<String>,
}

impl CreateCheckpoint {
    fn machine(&self, view: &View) -> Result<Option<LoadedEntity<IntelligentMachine>>> {
        let Some(id) = &self.machine_uuid else { return Ok(None) };
        let machine = view.entity::<IntelligentMachine>(id)?;
        if machine.entity.project_uuid != self.project_uuid {
            return Err(Rejection::invalid(
                "machineUuid",
                format!("belongs to project `{}`", machine.entity.project_uuid),
            ));
        }
        if matches!(machine.entity.state, IntelligentMachineState::Terminated { .. }) {
            use runstate_core::decision::Lifecycle as _;
            return Err(machine.entity.illegal("checkpoint", None));
        }
        Ok(Some(machine))
    }

    /// The id of the checkpoint before it.
    fn parent(&self, project: &Project, machine: Option<&IntelligentMachine>) -> Result<Option<String>> {
        if self.checkpoint_type == CheckpointType::Genesis {
            if let Some(first) = &project.initial_checkpoint_uuid {
                return Err(Rejection::AlreadyExists { what: "the first checkpoint", id: first.clone() });
            }
            return match self.parent_uuid {
                Some(_) => Err(Rejection::invalid("parentUuid", "is not given for the first checkpoint")),
                None => Ok(None),
            };
        }
        let of_machine = |machine: &IntelligentMachine| {
            machine.last_checkpoint_uuid.clone().unwrap_or_else(|| machine.parent_checkpoint_uuid.clone())
        };
        let parent = self.parent_uuid.clone().or_else(|| machine.map(of_machine));
        let parent = parent.or_else(|| project.current_checkpoint_uuid.clone());
        let missing = || Rejection::invalid("type", "must be `genesis`: the project has no checkpoint");
        parent.ok_or_else(missing).map(Some)
    }
}

impl Command for CreateCheckpoint {
    type Output = CheckpointSummary;

    fn reads(&self, _: &View) -> ReadSet {
        let reads = ReadSet::entity::<Project>(&self.project_uuid);
        self.machine_uuid.iter().fold(reads, |reads, id| reads.with_entity::<IntelligentMachine>(id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<CheckpointSummary>> {
        let mut project = view.entity::<Project>(&self.project_uuid)?;
        let mut machine = self.machine(view)?;
        let parent_id = self.parent(&project.entity, machine.as_ref().map(|machine| &machine.entity))?;
        let parent = parent_id.as_ref().map(|id| view.entity::<Checkpoint>(id)).transpose()?;
        let uuid = self.uuid.clone().unwrap_or_else(|| ctx.new_id());
        view.check_absent::<Checkpoint>(&uuid)?;
        let trigger = self.trigger.or(machine.as_ref().and_then(|machine| machine.entity.checkpoint_due));
        let checkpoint = Checkpoint {
            uuid: uuid.clone(),
            project_uuid: self.project_uuid.clone(),
            parent_checkpoint_uuid: parent_id,
            created_by_machine_uuid: self.machine_uuid.clone(),
            checkpoint_type: self.checkpoint_type,
            proxmox_snapshot_id: self.proxmox_snapshot_id.clone(),
            vm_id: self.vm_id.clone().or_else(|| machine.as_ref()?.entity.vm_id.clone()),
            file_manifest: self.file_manifest.clone(),
            description: self.description.clone(),
            context: Some(trigger.unwrap_or(CheckpointTrigger::Manual).as_str().to_owned()),
            size_bytes: self.size_bytes,
            compression_ratio: self.compression_ratio,
            state: VerificationState::Pending,
            children: 0,
            machines: u32::from(machine.is_some()),
            created_at: ctx.now,
            metadata: self.metadata.clone().unwrap_or_default(),
        };
        let queued = QueuedVerification::new(&uuid, &self.project_uuid, ctx.now);
        let mut decision = Decision::new(checkpoint.summary()).and_insert(&checkpoint)?.and_insert(&queued)?;
        let mut touched: Vec<LoadedEntity<Checkpoint>> = Vec::new();
        if let Some(mut parent) = parent {
            parent.entity.check_project(&self.project_uuid)?;
            parent.entity.children = parent.entity.children.saturating_add(1);
            touched.push(parent);
        }
        if let Some(machine) = &mut machine {
            let row = &mut machine.entity;
            if let Some(last) = row.last_checkpoint_uuid.replace(uuid.clone()) {
                if touched.iter().all(|parent| parent.entity.uuid != last) {
                    touched.push(view.entity::<Checkpoint>(&last)?);
                }
                for before in touched.iter_mut().filter(|before| before.entity.uuid == last) {
                    before.entity.machines = before.entity.machines.saturating_sub(1);
                }
            }
            row.checkpoints_created = row.checkpoints_created.saturating_add(1);
            row.last_checkpoint_at = Some(ctx.now);
            row.checkpoint_due = None;
        }
        if self.checkpoint_type == CheckpointType::Genesis {
            project.entity.initial_checkpoint_uuid = Some(uuid.clone());
            project.entity.current_checkpoint_uuid = Some(uuid);
            decision = decision.save(project, ctx.now)?;
        }
        for checkpoint in touched {
            decision = decision.save(checkpoint, ctx.now)?;
        }
        match machine {
            Some(machine) => decision.save(machine, ctx.now),
            None => Ok(decision),
        }
    }
}

/// Deletes a checkpoint that nothing needs.
///
/// Errors: `not_found`, `in_use` (it has checkpoints after it, machines stand on it, or it is the current or first one
/// of its project).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.checkpoint.delete")]
pub struct DeleteCheckpoint {
    /// The checkpoint.
    #[operation(subject)]
    pub uuid: String,
}

/// A checkpoint that was deleted.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct DeletedCheckpoint {
    /// Its id.
    pub uuid: String,
}

impl Command for DeleteCheckpoint {
    type Output = DeletedCheckpoint;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<DeletedCheckpoint>> {
        let checkpoint = view.entity::<Checkpoint>(&self.uuid)?;
        let project = view.entity::<Project>(&checkpoint.entity.project_uuid)?;
        let Checkpoint { children, machines, .. } = checkpoint.entity;
        let is = |pinned: &Option<String>| pinned.as_deref() == Some(&*self.uuid);
        let reason = if children > 0 {
            format!("{children} checkpoints follow it")
        } else if machines > 0 {
            format!("{machines} machines stand on it")
        } else if is(&project.entity.current_checkpoint_uuid) || is(&project.entity.initial_checkpoint_uuid) {
            "it is the current or the first one of its project".to_owned()
        } else {
            let queued = Key::new(&QueuedVerification::COLLECTION, &self.uuid);
            let mut decision = Decision::new(DeletedCheckpoint { uuid: self.uuid.clone() });
            decision = decision.change(Change::Delete { key: queued, revision: None });
            if let Some(parent) = &checkpoint.entity.parent_checkpoint_uuid {
                let mut parent = view.entity::<Checkpoint>(parent)?;
                parent.entity.children = parent.entity.children.saturating_sub(1);
                decision = decision.save(parent, ctx.now)?;
            }
            return decision.change(checkpoint.delete()).save(project, ctx.now);
        };
        let message = format!("checkpoint `{}` is in use: {reason}; nothing was changed", self.uuid);
        Err(Rejection::domain(ErrorCode::IN_USE, message))
    }
}
