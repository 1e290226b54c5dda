//! Queries that count: the progress of a session, and the sessions and tasks of projects.

use std::collections::BTreeMap;

use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate};
use runstate_value::collect_btree_map;

use super::ROWS;
use crate::session::Session;
use crate::task::{Task, TaskStatus};

/// Largest number of tasks whose progress is counted.
const COUNTED_TASKS: u32 = 10_000;

/// Returns the tasks of a session, and how many of them are done.
///
/// Errors: `not_found`, `limit` (the session has more than 10,000 tasks: list them page by page).
#[derive(Clone, Debug, Operation)]
#[operation(name = "orchestration.task.progress", query)]
pub struct ShowProgress {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
}

/// The progress of a session.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct TaskProgress {
    /// The session.
    pub session_id: String,
    /// Number of its tasks.
    pub total: u64,
    /// Number of its tasks per status.
    pub counts: BTreeMap<String, u64>,
    /// The percentage of its tasks that are completed, rounded down. A session without tasks has 0.
    pub percent: u64,
    /// Its tasks.
    pub tasks: Vec<Task>,
}

impl DomainQuery for ShowProgress {
    type Output = TaskProgress;

    fn reads(&self, _: &View) -> ReadSet {
        let tasks = Query::of(&Task::COLLECTION).eq("session_id", &*self.session_id).limit(COUNTED_TASKS);
        ReadSet::entity::<Session>(&self.session_id).query(ROWS, tasks)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<TaskProgress> {
        view.entity::<Session>(&self.session_id)?;
        if view.next_cursor(ROWS).is_some() {
            return Err(Rejection::Limit {
                what: format!("the tasks of session `{}`", self.session_id),
                limit: format!("{COUNTED_TASKS} tasks"),
                remedy: "list them page by page",
            });
        }
        let tasks = view.entities::<Task>(ROWS)?;
        let mut counts = collect_btree_map(TaskStatus::ALL.iter().map(|status| ((*status).to_owned(), 0_u64)));
        for task in &tasks {
            *counts.entry(task.state.status().as_str().to_owned()).or_default() += 1;
        }
        let (total, done) = (tasks.len() as u64, counts[TaskStatus::Completed.as_str()]);
        let percent = (100 * done).checked_div(total).unwrap_or_default();
        Ok(TaskProgress { session_id: self.session_id.clone(), total, counts, percent, tasks })
    }
}

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
#[derive(Wire, Clone, Debug, Default, PartialEq)]
pub struct ProjectCounts {
    /// The project.
    pub project_id: String,
    /// Number of its sessions per status.
    pub sessions: BTreeMap<String, u64>,
    /// Number of its tasks per status.
    pub tasks: BTreeMap<String, u64>,
}

impl DomainQuery for ShowCounts {
    type Output = Vec<ProjectCounts>;

    fn reads(&self, _: &View) -> ReadSet {
        let project = self.project.as_deref();
        let filter = project.map_or(Filter::All, |project| Filter::Eq("project_id".to_owned(), project.into()));
        let count = |collection: &Collection| {
            Aggregate::of(collection, filter.clone(), [("n", Accumulator::Count)]).by(["project_id", "status"])
        };
        ReadSet::empty().aggregate("sessions", count(&Session::COLLECTION)).aggregate("tasks", count(&Task::COLLECTION))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<ProjectCounts>> {
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
