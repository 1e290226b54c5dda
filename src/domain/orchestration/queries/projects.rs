//! The query of projects: how many sessions and tasks they have.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::decision::{Ctx, DomainQuery, ReadSet, Rejection, View};
use crate::domain::orchestration::session::Session;
use crate::domain::orchestration::task::Task;
use crate::operation::Operation;
use crate::schema::{Accumulator, Aggregate, Collection, Entity, Filter, Group};
use crate::value::Json;

/// Returns the number of sessions and tasks per status, for each project.
///
/// Scans all of them. Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "orchestration.project.counts", query)]
pub struct ShowCounts {
    /// Only this project.
    pub project: Option<String>,
}

/// The sessions and tasks of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ProjectCounts {
    /// The project.
    pub project_id: String,
    /// Number of its sessions per status.
    pub sessions: BTreeMap<String, u64>,
    /// Number of its tasks per status.
    pub tasks: BTreeMap<String, u64>,
}

impl DomainQuery for ShowCounts {
    const NAME: &'static str = "orchestration.project_counts";
    type Output = Vec<ProjectCounts>;

    fn reads(&self, _: &View) -> ReadSet {
        let project = self.project.as_deref();
        let count = |collection: &Collection| Aggregate {
            collection: collection.name.to_owned(),
            filter: project.map_or(Filter::All, |project| Filter::Eq("project_id".to_owned(), project.into())),
            group_by: ["project_id", "status"].map(|field| Group::Field(field.to_owned())).into(),
            accumulators: vec![("n".to_owned(), Accumulator::Count)],
        };
        ReadSet::empty().aggregate("sessions", count(&Session::COLLECTION)).aggregate("tasks", count(&Task::COLLECTION))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<ProjectCounts>, Rejection> {
        let mut projects: BTreeMap<String, ProjectCounts> = BTreeMap::new();
        for name in ["sessions", "tasks"] {
            for row in view.groups(name).unwrap_or_default() {
                let text = |field: &str| row.get(field).and_then(Json::as_str).unwrap_or_default().to_owned();
                let (project_id, count) = (text("project_id"), row.get("n").and_then(Json::as_u64).unwrap_or_default());
                let new = ProjectCounts { project_id: project_id.clone(), ..ProjectCounts::default() };
                let counts = projects.entry(project_id).or_insert(new);
                let counts = if name == "sessions" { &mut counts.sessions } else { &mut counts.tasks };
                counts.insert(text("status"), count);
            }
        }
        Ok(projects.into_values().collect())
    }
}
