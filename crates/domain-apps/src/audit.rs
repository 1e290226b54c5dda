//! The audit log: one row for each command of this domain, in the commit of the command.

use runstate_core::operation::AuditedCommand;
use runstate_core::prelude::*;

use super::settings::AppsSettings;
use super::step::{QueuedStep, Step};

/// A command that took effect.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "apps.audit_log",
    version = 1,
    insert_only,
    noun = "audit",
    filters(actor, command, target, step)
)]
#[index(at desc)]
#[index(target, at)]
#[index(step, at, when = "exists(step)")]
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
    /// The id of the step that it was about, if it was one.
    pub step: Option<String>,
    /// How it ended: `ok`.
    pub outcome: String,
    /// The id of the command.
    pub cmd: String,
}

/// Whether an item of work is a step, or its row in the queue, which has the id of the step.
fn is_step(item: &&Key) -> bool {
    [Step::COLLECTION.name, QueuedStep::COLLECTION.name].contains(&&*item.collection)
}

pub(super) fn row(command: AuditedCommand<'_>) -> Result<Change> {
    let cmd = command.ctx.command().as_str().to_owned();
    Change::insert(&AuditRow {
        id: cmd.clone(),
        at: command.ctx.now,
        actor: AppsSettings::of(command.ctx).actor,
        command: command.name.to_owned(),
        target: command.target.to_string(),
        step: command.item.filter(is_step).map(|item| item.id.to_string()),
        outcome: "ok".to_owned(),
        cmd,
    })
}
