//! Deletion of a session with its tasks, in as many commits as it takes. The session is deleted last, so a repeated
//! command finds the rest.

use runstate_core::decision::{
    AnyCommand, Change, Command, Ctx, Decision, Ports, ReadSet, Rejection, TypedCommand, View,
};
use runstate_core::operation::Operation;
use runstate_core::schema::{Entity, Query, Wire};
use serde::Serialize;

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
        let tasks = Query::of(&Task::COLLECTION).eq("session_id", &*self.session_id).limit(TASKS_PER_COMMIT);
        ReadSet::entity::<Session>(&self.session_id).query("tasks", tasks)
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<SessionDeletion>, Rejection> {
        let progress = |tasks, done| SessionDeletion { session_id: self.session_id.clone(), tasks, done };
        if self.continues && view.find_entity::<Session>(&self.session_id)?.is_none() {
            return Ok(Decision::new(progress(0, true)));
        }
        let mut documents = SessionDocuments::load(view, &self.session_id)?;
        let session = &mut documents.session.entity;
        session.check_owner(self.epoch)?;
        if !session.state.is_terminal() {
            if !self.force {
                return Err(session.reject("delete"));
            }
            documents.fail(ctx, "it is deleted", None)?;
            return Ok(documents.decide(ctx)?.map(|_| progress(0, false)));
        }
        let rows = view.rows("tasks").unwrap_or_default();
        let deleted = rows.len().min(ctx.max_writes.saturating_sub(1).max(1));
        let done = deleted == rows.len() && view.next_cursor("tasks").is_none();
        let mut decision = Decision::new(progress(deleted as u64, done));
        let tasks = view.entities::<Task>("tasks")?;
        // Sessions of the older system do not count their tasks.
        let open = tasks[..deleted].iter().filter(|task| task.state.is_open()).count() as u32;
        session.open_tasks = session.open_tasks.saturating_sub(open);
        decision.changes.extend(
            rows[..deleted]
                .iter()
                .map(|(key, row)| Change::Delete { key: key.clone(), revision: Some(row.revision.clone()) }),
        );
        if done {
            return Ok(decision.change(documents.session.delete()));
        }
        // The session is written in each part: a task that is added or a recovery meanwhile is a conflict.
        documents.session.entity.updated_at = ctx.now;
        decision.save(documents.session, ctx.now)
    }

    fn next(&self, output: &SessionDeletion, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        (!output.done).then(|| TypedCommand::boxed(Self { continues: true, ..self.clone() }))
    }

    fn absorb(&self, output: &mut SessionDeletion, part: Box<dyn std::any::Any>) {
        if let Ok(part) = part.downcast::<SessionDeletion>() {
            output.tasks += part.tasks;
            output.done = part.done;
        }
    }
}
