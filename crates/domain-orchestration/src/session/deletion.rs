//! Deletion of a session with its tasks, in as many commits as it takes. The session is deleted last, so a repeated
//! command finds the rest.

use runstate_core::prelude::*;

use super::{Session, SessionDocuments};
use crate::task::Task;

/// Largest number of tasks that one commit deletes.
const TASKS_PER_COMMIT: u32 = 500;

/// Deletes a session with its tasks.
///
/// Errors: `not_found`, `illegal_transition` (not completed or failed, and not forced), `stale_owner`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "orchestration.session.delete")]
pub struct DeleteSession {
    /// The session.
    #[operation(subject)]
    pub session_id: String,
    /// Whether a session that has not ended is failed first.
    pub force: bool,
    /// The epoch of the owner; by default it is not checked.
    pub epoch: Option<u64>,
    /// Whether it continues a deletion. A session that another process has deleted is then not an error.
    #[serde(skip)]
    #[operation(skip)]
    pub continues: bool,
}

/// The progress of a deletion.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct SessionDeletion {
    /// The session.
    #[entity(id)]
    pub session_id: String,
    /// Number of deleted tasks.
    pub tasks: u64,
    /// Whether nothing is left to do.
    pub done: bool,
}

impl Command for DeleteSession {
    type Output = SessionDeletion;

    fn reads(&self, _: &View) -> ReadSet {
        deletion_reads(&self.session_id)
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionDeletion>> {
        let progress = |done| SessionDeletion { session_id: self.session_id.clone(), tasks: 0, done };
        if self.continues && view.find_entity::<Session>(&self.session_id)?.is_none() {
            return Ok(Decision::new(progress(true)));
        }
        let mut documents = SessionDocuments::load(view, &self.session_id)?;
        let session = &mut documents.session.entity;
        session.check_owner(self.epoch)?;
        if !session.state.is_terminal() {
            if !self.force {
                return Err(session.reject("delete"));
            }
            documents.fail(ctx, "it is deleted", None)?;
            return Ok(documents.decide(ctx)?.map(|_| progress(false)));
        }
        documents.delete(view, ctx, false)
    }

    fn next(&self, output: &SessionDeletion, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        next_part(output, || Self { continues: true, ..self.clone() })
    }

    fn absorb(&self, output: &mut SessionDeletion, part: Box<dyn std::any::Any>) {
        if let Ok(part) = part.downcast::<SessionDeletion>() {
            output.tasks += part.tasks;
            output.done = part.done;
        }
    }
}

/// The name of the query for tasks.
const TASKS: &str = "tasks";

/// The reads of [`SessionDocuments::delete`].
pub(super) fn deletion_reads(session_id: &str) -> ReadSet {
    let tasks = Query::of(&Task::COLLECTION).eq("session_id", session_id).limit(TASKS_PER_COMMIT);
    ReadSet::entity::<Session>(session_id).query(TASKS, tasks)
}

/// The command for the next part of a deletion.
pub(super) fn next_part<C: Command + 'static>(
    output: &SessionDeletion,
    command: impl FnOnce() -> C,
) -> Option<Box<dyn AnyCommand>> {
    (!output.done).then(|| TypedCommand::boxed(command()))
}

impl SessionDocuments {
    /// The decision to delete an ended session with its tasks, or with as many of them as one commit takes. `noted`:
    /// each has a row in the audit log of removals.
    pub(super) fn delete(mut self, view: &View, ctx: &mut Ctx, noted: bool) -> Result<Decision<SessionDeletion>> {
        let rows = view.rows(TASKS).unwrap_or_default();
        let writes = 1 + usize::from(noted);
        let deleted = rows.len().min((ctx.max_writes.saturating_sub(writes) / writes).max(1));
        let done = deleted == rows.len() && view.next_cursor(TASKS).is_none();
        let session_id = self.session.entity.session_id.clone();
        let mut decision = Decision::new(SessionDeletion { session_id, tasks: deleted as u64, done });
        let tasks = view.entities::<Task>(TASKS)?;
        // Sessions of the older system do not count their tasks.
        let open = tasks[..deleted].iter().filter(|task| task.state.is_open()).count() as u32;
        let session = &mut self.session.entity;
        session.open_tasks = session.open_tasks.saturating_sub(open);
        for ((key, row), task) in rows[..deleted].iter().zip(&tasks) {
            if noted {
                decision.changes.push(task.removed(key).row(ctx)?);
            }
            decision.changes.push(Change::Delete { key: key.clone(), revision: Some(row.revision.clone()) });
        }
        if done {
            if noted {
                decision.changes.push(self.session.entity.removed(self.session.key()).row(ctx)?);
            }
            return Ok(decision.change(self.session.delete()));
        }
        // The session is written in each part: a task that is added or a recovery meanwhile is a conflict.
        self.session.entity.updated_at = ctx.now;
        decision.save(self.session, ctx.now)
    }
}
