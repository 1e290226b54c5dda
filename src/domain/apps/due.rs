//! Due work: claims that have ended.

use super::configuration::SHORTEST_CLAIM;
use super::step::{ExpireStep, QueuedStep};
use crate::decision::TypedCommand;
use crate::operation::DueRule;
use crate::schema::Entity as _;

/// The due rules.
pub(super) static RULES: &[&DueRule] = &[&STEP_CLAIM];

/// Claimed steps whose lease has ended or whose time is over.
static STEP_CLAIM: DueRule = DueRule {
    lead: |_| SHORTEST_CLAIM,
    ..DueRule::new("apps.step_claim", &QueuedStep::COLLECTION, "due_at", |row| {
        TypedCommand::boxed(ExpireStep { id: row.id.to_owned() })
    })
};
