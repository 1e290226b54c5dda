//! The audit log: one row for each command of this domain, in the commit of the command.

use runstate_core::decision::{Change, Rejection};
use runstate_core::operation::AuditedCommand;
use runstate_core::schema::{Entity, Wire};
use runstate_value::time::Timestamp;

use super::settings::AppsSettings;

/// A command that took effect.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.audit_log", version = 1, insert_only, noun = "audit", filters(actor, command, target))]
#[index(at desc)]
#[index(target, at)]
#[index(actor, at)]
#[ttl(at, days = 365)]
pub struct AuditRow {
    /// Its id: that of the command.
    #[entity(id)]
    pub id: String,
    /// When the command arrived.
    pub at: Timestamp,
    /// The process that ran it: the setting `auditActor`.
    #[entity(max = 1_000)]
    pub actor: String,
    /// The name of the command.
    pub command: String,
    /// The document that it was for: its collection and its id.
    pub target: String,
    /// How it ended: `ok`.
    pub outcome: String,
    /// The id of the command.
    pub cmd: String,
}

/// The row of a command.
pub(super) fn row(command: AuditedCommand<'_>) -> Result<Change, Rejection> {
    let cmd = command.ctx.command().as_str().to_owned();
    Change::insert(&AuditRow {
        id: cmd.clone(),
        at: command.ctx.now,
        actor: AppsSettings::of(command.ctx).actor,
        command: command.name.to_owned(),
        target: command.target.to_string(),
        outcome: "ok".to_owned(),
        cmd,
    })
}
