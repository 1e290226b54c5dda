//! Due work: executions with an expired timer, deadline, run lease or deletion lease, and executions past their
//! retention.

use runstate_core::operation::{DueKind, DueRow, DueRule};
use runstate_core::prelude::*;

use super::execution::{Delete, EXECUTIONS, RunDue};
use super::program::{COLLECTION_GRACE, CollectProgram, PROGRAMS};
use super::settings::Settings;

/// Executions that are due themselves.
pub(super) static WAKE: DueRule = DueRule {
    outcome: |result| match (result.get("deleting"), result.get("wasDue")) {
        (Some(Json::String(_)), _) => Some(DueKind::Deleted),
        (_, Some(Json::Bool(true))) => Some(DueKind::Resumed),
        _ => None,
    },
    ..DueRule::new("cvm.wake", &EXECUTIONS, "wakeAt", |row| {
        TypedCommand::boxed(RunDue { id: row.id.to_owned(), hand_back: row.one_part })
    })
};

/// Executions whose program was cancelled gracefully, and has not ended in time. Those that wait are due by `wakeAt`
/// too. A process that polls may end the others, which run or are paused, later by the lead: nothing depends on the
/// moment.
pub(super) static CANCEL: DueRule = DueRule {
    lead: |_| Millis::seconds(5),
    outcome: WAKE.outcome,
    ..DueRule::new("cvm.cancel_deadline", &EXECUTIONS, "cancelAt", WAKE.command)
};

/// Executions that ended so long ago that they are deleted.
pub static RETENTION: DueRule = DueRule {
    delay: |settings| settings.get::<Settings>().retention,
    filter: not_being_deleted,
    outcome: |_| Some(DueKind::Deleted),
    is_retention: true,
    ..DueRule::new("cvm.retention", &EXECUTIONS, "completed", delete)
};

/// Removed programs whose versions may be collected.
pub(super) static COLLECTION: DueRule = DueRule {
    lead: |_| COLLECTION_GRACE,
    outcome: |result| (result.as_str() != Some("Kept")).then_some(DueKind::Deleted),
    ..DueRule::new("cvm.collect_program", &PROGRAMS, "collectAt", |row| {
        TypedCommand::boxed(CollectProgram { id: row.id.to_owned() })
    })
};

fn delete(row: DueRow<'_>) -> Box<dyn AnyCommand> {
    TypedCommand::boxed(Delete { id: row.id.to_owned(), ended_by: Some(row.until) })
}

/// Matches executions that no process deletes: one that is being deleted belongs to the deleting process until its
/// lease ends. An older version, which set no `wakeAt`, may have begun to delete them.
fn not_being_deleted() -> Filter {
    let absent = |field: &str| Filter::Exists(field.to_owned(), false);
    Filter::Or(vec![absent("deleting"), absent("wakeAt")])
}
