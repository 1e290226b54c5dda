//! Dependencies between the tasks of a session. A task may name one that is added later; a cycle is rejected when it
//! would be closed.

use std::collections::HashSet;

use runstate_core::prelude::*;
use runstate_value::sort_by;

use super::{Task, TaskStatus};
use crate::codes;
use crate::session::Session;

/// Largest number of tasks of one session whose dependencies are searched for a cycle.
const SEARCHED_TASKS: u32 = 10_000;

/// Rejects a start before all dependencies are completed. A completed task stays so, hence the commit need not check
/// them.
pub fn check_dependencies(view: &View, task: &Task) -> Result<()> {
    view.require_entities::<Task>(&task.depends_on)?;
    for id in &task.depends_on {
        let found = view.find_entity::<Task>(id)?;
        let status = found.map(|found| found.entity.state.status());
        if status != Some(TaskStatus::Completed) {
            let status = status.map_or("does not exist".to_owned(), |status| format!("is {}", status.as_str()));
            let message =
                format!("task `{}` depends on task `{id}`, which {status}; nothing was changed", task.task_id);
            return Err(Rejection::domain(codes::DEPENDENCIES_OPEN, message));
        }
    }
    Ok(())
}

/// Adds what [`check_cycle`] needs for a new task: its dependencies, tasks that depend on it, and if there are any, all
/// dependencies of the session.
pub fn cycle_reads(view: &View, session: &str, id: &str, depends_on: &[String], reads: ReadSet) -> ReadSet {
    let reads = depends_on.iter().fold(reads, |reads, one| reads.with_entity::<Task>(one));
    let dependents = Query::of(&Task::COLLECTION).filter(Filter::Contains("depends_on".to_owned(), id.into()));
    let foreign = dependents.clone().filter(Filter::Ne("session_id".to_owned(), session.into()));
    let reads = reads.query("foreign", foreign.limit(1));
    if depends_on.is_empty() {
        return reads;
    }
    let reads = reads.query("dependents", dependents.limit(1));
    match view.rows("dependents") {
        Some([_, ..]) => {
            let dependent = Filter::Exists("depends_on".to_owned(), true);
            let query = Query::of(&Task::COLLECTION).eq("session_id", session).filter(dependent);
            reads.query("graph", query.limit(SEARCHED_TASKS))
        }
        _ => reads,
    }
}

/// Rejects dependencies between a new task and those of other sessions, and those through which it would depend on
/// itself. Every addition writes the session, so two of them do not close a cycle together.
pub fn check_cycle(view: &View, session: &Session, id: &str, depends_on: &[String]) -> Result<()> {
    for one in depends_on {
        if let Some(task) = view.find_entity::<Task>(one)? {
            task.entity.check_session(session)?;
        }
    }
    if let [other, ..] = &*view.entities::<Task>("foreign")? {
        let reason = format!("is `{id}`, on which task `{}` of session `{}` depends", other.task_id, other.session_id);
        return Err(Rejection::invalid("id", reason));
    }
    if view.next_cursor("graph").is_some() {
        return Err(Rejection::Limit {
            what: "the dependencies of this session".to_owned(),
            limit: format!("{SEARCHED_TASKS} tasks with dependencies"),
            remedy: "add a task before those that depend on it",
        });
    }
    let mut tasks = view.entities::<Task>("graph")?;
    sort_by(&mut tasks, |one, other| one.task_id.cmp(&other.task_id));
    let (mut seen, mut open) = (HashSet::new(), depends_on.iter().map(String::as_str).collect::<Vec<_>>());
    while let Some(next) = open.pop() {
        if next == id {
            let message = format!("task `{id}` would depend on itself; nothing was changed");
            return Err(Rejection::domain(codes::DEPENDENCY_CYCLE, message));
        }
        if seen.insert(next) {
            let found = tasks.binary_search_by(|task| task.task_id.as_str().cmp(next));
            open.extend(found.iter().flat_map(|at| &tasks[*at].depends_on).map(String::as_str));
        }
    }
    Ok(())
}
