//! Due work: sessions and machines without a heartbeat, and sessions that were inactive for too long. Each is found by
//! an index, so a sweep reads the due ones only.

use runstate_core::decision::{AnyCommand, TypedCommand};
use runstate_core::operation::{DueRow, DueRule};
use runstate_core::schema::{Entity as _, Filter};
use runstate_value::Json;

use super::machine::{Machine, MachineStatus, MarkOffline};
use super::session::{Session, SessionStatus, SweepSession};
use super::settings::OrchestrationSettings;

/// The due rules.
pub(super) static RULES: &[&DueRule] = &[&OLDER_SESSION, &SESSION_DUE, &MACHINE_SILENT];

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
        settings.stall_after.min(settings.inactive_limit)
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

fn sweep(row: DueRow<'_>) -> Box<dyn AnyCommand> {
    TypedCommand::boxed(SweepSession { session_id: row.id.to_owned() })
}
