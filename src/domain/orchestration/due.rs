//! Due work: sessions and machines without a heartbeat, and sessions that were inactive for too long. Each has the time at which it is due
//! in a field of its own, so a sweep reads the due ones only.

use super::machine::{Machine, MarkOffline};
use super::session::{Session, SweepSession};
use crate::decision::TypedCommand;
use crate::operation::DueRule;
use crate::schema::Entity as _;

/// Sessions that stall or fail.
pub(super) static SESSION_DUE: DueRule =
    DueRule::new("orchestration.session_due", &Session::COLLECTION, "due_at", |row| {
        TypedCommand::boxed(SweepSession { session_id: row.id.to_owned(), due_by: row.until })
    });

/// Machines that go offline.
pub(super) static MACHINE_DUE: DueRule =
    DueRule::new("orchestration.machine_due", &Machine::COLLECTION, "due_at", |row| {
        TypedCommand::boxed(MarkOffline { machine_id: row.id.to_owned(), due_by: row.until })
    });
