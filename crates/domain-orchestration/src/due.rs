//! Due work: sessions and machines without a heartbeat, sessions that were inactive for too long, and sessions and tasks
//! whose retention has ended. Each is found by an index, so a sweep reads the due ones only.

use runstate_core::operation::{DueRow, DueRule};
use runstate_core::prelude::*;

use super::machine::{Machine, MachineStatus, MarkOffline};
use super::session::{RemoveSession, Session, SessionStatus, SweepSession};
use super::settings::OrchestrationSettings;
use super::task::{RemoveTask, Task};

pub(super) static RULES: &[&DueRule] =
    &[&OLDER_SESSION, &SESSION_DUE, &MACHINE_SILENT, &SESSION_RETENTION, &TASK_RETENTION];

/// Sessions of the older system, which do not say when they are due. The sweep derives it.
static OLDER_SESSION: DueRule = DueRule {
    filter: || {
        let open = [SessionStatus::Active, SessionStatus::Paused, SessionStatus::Stalled];
        let is_open = Filter::In("status".to_owned(), open.map(|status| status.as_str().into()).into());
        // Null matches a missing field too, by index.
        Filter::And(vec![is_open, Filter::Eq("due_at".to_owned(), Json::Null)])
    },
    delay: |settings| Some(settings.get::<OrchestrationSettings>().stall_after),
    ..DueRule::new("orchestration.older_session", &Session::COLLECTION, "last_heartbeat", sweep)
};

/// Sessions that stall or fail.
static SESSION_DUE: DueRule = DueRule {
    lead: |settings| {
        let settings = settings.get::<OrchestrationSettings>();
        settings.stall_after.min(settings.inactive_limit())
    },
    ..DueRule::new("orchestration.session_due", &Session::COLLECTION, "due_at", sweep)
};

/// Online machines without a heartbeat, which go offline.
static MACHINE_SILENT: DueRule = DueRule {
    delay: |settings| Some(settings.get::<OrchestrationSettings>().offline_after),
    filter: || Filter::Eq("status".to_owned(), MachineStatus::Online.as_str().into()),
    ..DueRule::new("orchestration.machine_silent", &Machine::COLLECTION, "last_heartbeat", |row| {
        TypedCommand::boxed(MarkOffline { machine_id: row.id.to_owned(), silent_since: row.until })
    })
};

/// Ended sessions that the store does not expire: those that no owner has completed, and all if the retention is not that
/// of the store.
static SESSION_RETENTION: DueRule = DueRule {
    filter: is_kept,
    delay: |settings| settings.get::<OrchestrationSettings>().retention(),
    outcome: RemoveSession::kind,
    is_retention: true,
    ..DueRule::new("orchestration.session_retention", &Session::COLLECTION, "completed_at", |row| {
        TypedCommand::boxed(RemoveSession { session_id: row.id.to_owned() })
    })
};

/// Ended tasks that the store does not expire.
static TASK_RETENTION: DueRule = DueRule {
    filter: is_kept,
    delay: |settings| settings.get::<OrchestrationSettings>().retention(),
    outcome: RemoveTask::kind,
    is_retention: true,
    ..DueRule::new("orchestration.task_retention", &Task::COLLECTION, "completed_at", |row| {
        TypedCommand::boxed(RemoveTask { task_id: row.id.to_owned() })
    })
};

/// The condition for ended documents that the store does not expire.
fn is_kept() -> Filter {
    let ended = [SessionStatus::Completed, SessionStatus::Failed].map(|status| status.as_str().into());
    // Null matches a missing field too, by index.
    Filter::And(vec![Filter::Eq("expires".to_owned(), Json::Null), Filter::In("status".to_owned(), ended.into())])
}

fn sweep(row: DueRow<'_>) -> Box<dyn AnyCommand> {
    TypedCommand::boxed(SweepSession { session_id: row.id.to_owned() })
}
