//! Creating and changing projects.

use runstate_core::prelude::*;

use super::{Greediness, GreedinessChange, Project, ProjectEvent, ProjectState, ProjectStatus};
use crate::upkeep::UpkeepJob;

/// A project after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ProjectSummary {
    /// Its id.
    pub uuid: String,
    /// Its status.
    pub status: ProjectStatus,
    /// The share of resources that it asks for.
    pub greediness: Greediness,
    /// The newest checkpoint that is verified.
    pub current_checkpoint_uuid: Option<String>,
}

impl Project {
    /// The project as commands return it.
    pub fn summary(&self) -> ProjectSummary {
        ProjectSummary {
            uuid: self.uuid.clone(),
            status: self.state.status(),
            greediness: self.greediness,
            current_checkpoint_uuid: self.current_checkpoint_uuid.clone(),
        }
    }
}

/// Creates a project, which is active then.
///
/// Errors: `already_exists`, `invalid` (the id).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.project.create", creates)]
pub struct CreateProject {
    /// Its name.
    #[operation(subject)]
    pub name: String,
    /// The share of resources that it asks for, from 0 to 1.
    pub greediness: Greediness,
    /// Its description.
    pub description: Option<String>,
    /// Further information.
    pub metadata: Option<Document>,
    /// Its id, a UUID; by default a new one.
    pub uuid: Option<String>,
}

impl Command for CreateProject {
    type Output = ProjectSummary;

    fn reads(&self, _: &View) -> ReadSet {
        UpkeepJob::reads(ReadSet::empty())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ProjectSummary>> {
        let uuid = self.uuid.clone().unwrap_or_else(|| ctx.new_id());
        view.check_absent::<Project>(&uuid)?;
        let project = Project {
            uuid,
            name: self.name.clone(),
            greediness: self.greediness,
            state: ProjectState::Active,
            description: self.description.clone(),
            initial_checkpoint_uuid: None,
            current_checkpoint_uuid: None,
            metadata: self.metadata.clone().unwrap_or_default(),
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        UpkeepJob::schedule(view, ctx, Decision::new(project.summary()).and_insert(&project)?)
    }
}

/// Changes a project. A parameter that is missing changes nothing.
///
/// Errors: `not_found`, `illegal_transition` (it is archived).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.project.change")]
pub struct ChangeProject {
    /// The project.
    #[operation(subject)]
    pub uuid: String,
    /// Its name.
    pub name: Option<String>,
    /// The share of resources that it asks for, from 0 to 1.
    pub greediness: Option<Greediness>,
    /// Why the greediness changes, for people.
    pub reason: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Further information, which replaces what there is.
    pub metadata: Option<Document>,
}

impl Command for ChangeProject {
    type Output = ProjectSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ProjectSummary>> {
        let mut loaded = view.entity::<Project>(&self.uuid)?;
        let project = &mut loaded.entity;
        if project.state == ProjectState::Archived {
            return Err(project.illegal("change", None));
        }
        let before = project.greediness;
        project.greediness = self.greediness.unwrap_or(before);
        if let Some(name) = &self.name {
            project.name.clone_from(name);
        }
        project.description = self.description.clone().or(project.description.take());
        if let Some(metadata) = &self.metadata {
            project.metadata.clone_from(metadata);
        }
        let change = (project.greediness != before).then(|| {
            let reason = self.reason.clone().unwrap_or_else(|| "set by a caller".to_owned());
            GreedinessChange::record(ctx, project, before, None, vec![reason])
        });
        let mut decision = Decision::new(project.summary());
        decision.changes.extend(change.transpose()?);
        decision.save(loaded, ctx.now)
    }
}

/// Changes the status of a project.
///
/// Errors: `not_found`, `illegal_transition`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.project.status")]
pub struct SetProjectStatus {
    /// The project.
    #[operation(subject)]
    pub uuid: String,
    /// The new status.
    #[operation(subject)]
    pub status: ProjectStatus,
}

impl Command for SetProjectStatus {
    type Output = ProjectSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ProjectSummary>> {
        let mut project = view.entity::<Project>(&self.uuid)?;
        project.entity.apply(match self.status {
            ProjectStatus::Active => ProjectEvent::Activate,
            ProjectStatus::Paused => ProjectEvent::Pause,
            ProjectStatus::Completed => ProjectEvent::Complete,
            ProjectStatus::Archived => ProjectEvent::Archive,
        })?;
        Decision::new(project.entity.summary()).save(project, ctx.now)
    }
}
