//! How long ended sessions are kept. The store expires one that its owner has completed; due work removes any other one
//! with its tasks, and notes that in the audit log of removals.

use runstate_core::operation::DueKind;
use runstate_core::prelude::*;

use super::deletion::{SessionDeletion, deletion_reads, next_part};
use super::{Session, SessionDocuments, SessionState};
use crate::removal::Removed;
use crate::settings::OrchestrationSettings;

/// Removes a session whose retention has ended, with its tasks. Its result is null if it need not be removed.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "orchestration.session.remove")]
pub struct RemoveSession {
    /// The session.
    pub session_id: String,
}

impl RemoveSession {
    /// The kind of due work that was done.
    pub fn kind(output: &Json) -> Option<DueKind> {
        (!output.is_null()).then_some(DueKind::Deleted)
    }
}

impl Command for RemoveSession {
    type Output = Option<SessionDeletion>;

    fn reads(&self, _: &View) -> ReadSet {
        deletion_reads(&self.session_id)
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Self::Output>> {
        let Some(found) = view.find_entity::<Session>(&self.session_id)? else { return Ok(Decision::new(None)) };
        if !found.entity.is_removable(ctx) {
            return Ok(Decision::new(None));
        }
        Ok(SessionDocuments::load(view, &self.session_id)?.delete(view, ctx, true)?.map(Some))
    }

    fn next(&self, output: &Self::Output, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        next_part(output.as_ref()?, || self.clone())
    }
}

impl Session {
    /// Whether due work removes it now: it has ended, its retention is over, and the store does not expire it.
    fn is_removable(&self, ctx: &Ctx) -> bool {
        let (ended, retention) = (self.state.completed_at(), OrchestrationSettings::of(ctx).retention());
        !self.expires && ended.zip(retention).is_some_and(|(ended, retention)| ended + retention <= ctx.now)
    }

    /// Lets the store expire it, if its owner has completed it and nothing of it would be left.
    pub(super) fn set_expiry(&mut self, settings: &OrchestrationSettings) {
        let is_completed = matches!(self.state, SessionState::Completed { .. });
        // A task that failed with an earlier failure of the session is not its owner's work.
        self.expires = is_completed && settings.expires() && self.open_tasks == 0 && self.recovery.attempts == 0;
    }

    /// Its row in the audit log of removals.
    pub(super) fn removed<'a>(&'a self, key: &'a Key) -> Removed<'a> {
        Removed {
            key,
            session_id: &self.session_id,
            status: self.state.status().as_str(),
            ended_at: self.state.completed_at(),
            reason: self.metadata.get("failed_reason").and_then(Json::as_str),
        }
    }
}
