//! Clean-up after an import, or after documents were deleted by hand: tasks whose session is missing.

use std::any::Any;

use runstate_core::prelude::*;
use runstate_core::schema::Freshness;

use crate::session::Session;
use crate::task::Task;

/// Number of tasks that one commit reads.
const ROWS: u32 = 250;

/// The name of the query for tasks.
const TASKS: &str = "tasks";

/// Removes tasks whose session is missing. Each has a row in the audit log of removals.
#[derive(Clone, Debug, Default, Serialize, Operation)]
#[operation(name = "orchestration.cleanup")]
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
        let query = Query::of(&Task::COLLECTION).filter(Filter::Gt("task_id".to_owned(), after.into()));
        // It decides on what is missing.
        ReadSet::empty().with_freshness(Freshness::Linearizable).query(TASKS, query.limit(ROWS).with_unreadable())
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<TaskCleanUp>> {
        let rows = view.rows(TASKS).unwrap_or_default();
        let most = (ctx.max_writes.saturating_sub(1) / 2).max(1);
        let last = rows.iter().take(most).next_back();
        let is_over = rows.len() <= most && view.next_cursor(TASKS).is_none();
        let next = last.filter(|_| !is_over).map(|(key, _)| key.id.to_string());
        let mut decision = Decision::new(TaskCleanUp { removed: 0, next });
        // A task that cannot be read is reported, and delays no other.
        let (mut tasks, mut damaged) = (Vec::new(), Vec::new());
        for found in view.each_entity::<Task>(&[TASKS]) {
            match found {
                Ok(task) if last.is_some_and(|(last, _)| task.key().id <= last.id) => tasks.push(task),
                Ok(_) => {}
                Err(one) => damaged.push(one),
            }
        }
        decision.damaged = damaged;
        let session = |task: &Task| Key::new(&Session::COLLECTION, &task.session_id);
        view.require(tasks.iter().map(|task| session(&task.entity)))?;
        for task in tasks {
            if view.get(&session(&task.entity)).is_none() {
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
