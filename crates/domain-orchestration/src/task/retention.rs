//! How long ended tasks are kept. The store expires one that a command has ended; due work removes any other one, and
//! notes that in the audit log of removals.

use runstate_core::operation::DueKind;
use runstate_core::prelude::*;

use super::{Task, TaskState};
use crate::removal::Removed;
use crate::settings::OrchestrationSettings;

/// Removes a task whose retention has ended. Its result is whether it did.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "orchestration.task.remove")]
pub struct RemoveTask {
    /// The task.
    pub task_id: String,
}

impl RemoveTask {
    /// The kind of due work that was done.
    pub fn kind(output: &Json) -> Option<DueKind> {
        (*output == true).then_some(DueKind::Deleted)
    }
}

impl Command for RemoveTask {
    type Output = bool;

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<bool>> {
        let Some(found) = view.find_entity::<Task>(&self.task_id)? else { return Ok(Decision::new(false)) };
        let (task, retention) = (&found.entity, OrchestrationSettings::of(ctx).retention());
        let ended = task.completed_at().zip(retention);
        if task.expires || ended.is_none_or(|(ended, retention)| ended + retention > ctx.now) {
            return Ok(Decision::new(false));
        }
        let row = task.removed(found.key()).row(ctx)?;
        Ok(Decision::new(true).change(found.delete()).change(row))
    }
}

impl Task {
    /// When it ended, if it has and this is known.
    fn completed_at(&self) -> Option<Timestamp> {
        match self.state {
            TaskState::Completed { completed_at, .. } | TaskState::Failed { completed_at, .. } => completed_at,
            TaskState::Pending | TaskState::InProgress { .. } | TaskState::Blocked { .. } => None,
        }
    }

    /// Its row in the audit log of removals.
    pub(crate) fn removed<'a>(&'a self, key: &'a Key) -> Removed<'a> {
        let reason = match &self.state {
            TaskState::Failed { error_message, .. } => error_message.as_deref(),
            _ => None,
        };
        Removed {
            key,
            session_id: &self.session_id,
            status: self.state.status().as_str(),
            ended_at: self.completed_at(),
            reason,
        }
    }
}
