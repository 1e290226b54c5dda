//! Clean-up after an import, or after documents were deleted by hand: tasks whose session is missing.

use std::any::Any;

use runstate_core::decision::{AnyCommand, Command, Ctx, Decision, Ports, ReadSet, Rejection, TypedCommand, View};
use runstate_core::operation::Operation;
use runstate_core::schema::{Entity, Filter, Freshness, Query, Wire};
use serde::Serialize;

use crate::session::Session;
use crate::task::Task;

/// Number of tasks that one commit reads.
const ROWS: u32 = 250;

/// The name of the query for tasks.
const TASKS: &str = "tasks";

/// Removes tasks whose session is missing. Each has a row in the audit log of removals.
#[derive(Clone, Debug, Default, Serialize, Operation)]
#[operation(name = "orchestration.cleanup", cli = "cleanup sessions")]
pub struct CleanUpTasks {
    /// The id after which it begins: `next` of an earlier result; by default at the first task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// The result of a clean-up of tasks.
#[derive(Wire, Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskCleanUp {
    /// Number of tasks that were removed.
    pub removed: u64,
    /// Where it continues; missing: it is done.
    pub next: Option<String>,
}

impl Command for CleanUpTasks {
    type Output = TaskCleanUp;

    fn reads(&self, _: &View) -> ReadSet {
        let after = self.from.as_deref().unwrap_or_default();
        let query = Query::of(&Task::COLLECTION).filter(Filter::Gt("id".to_owned(), after.into()));
        // It decides on what is missing.
        ReadSet::empty().with_freshness(Freshness::Linearizable).query(TASKS, query.limit(ROWS).with_unreadable())
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskCleanUp>, Rejection> {
        let mut tasks = view.loaded_entities::<Task>(TASKS)?;
        let most = (ctx.max_writes.saturating_sub(1) / 2).max(1);
        let is_over = tasks.len() <= most && view.next_cursor(TASKS).is_none();
        tasks.truncate(most);
        view.require_entities::<Session>(tasks.iter().map(|task| &task.entity.session_id))?;
        let next = tasks.last().filter(|_| !is_over).map(|task| task.entity.task_id.clone());
        let mut decision = Decision::new(TaskCleanUp { removed: 0, next });
        for task in tasks {
            if view.find_entity::<Session>(&task.entity.session_id)?.is_none() {
                decision.output.removed += 1;
                let row = task.entity.removed(task.key()).row(ctx)?;
                decision.changes.extend([row, task.delete()]);
            }
        }
        Ok(decision)
    }

    fn next(&self, output: &TaskCleanUp, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        Some(TypedCommand::boxed(Self { from: Some(output.next.clone()?) }))
    }

    fn absorb(&self, output: &mut TaskCleanUp, part: Box<dyn Any>) {
        if let Ok(part) = part.downcast::<TaskCleanUp>() {
            output.removed += part.removed;
            output.next = part.next;
        }
    }
}
