//! The steps that may be claimed or are claimed. A row exists from the commit that makes a step ready until the commit
//! that ends it, so a worker reads no step that waits or has ended.

use runstate_core::decision::Rejection;
use runstate_core::lease;
use runstate_core::schema::Entity;
use runstate_value::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step that may be claimed or is claimed.
#[derive(Entity, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(collection = "apps.step_queue", version = 1)]
#[index(step_name, available_at)]
#[index(due_at)]
pub struct QueuedStep {
    /// The id of the step.
    #[entity(id)]
    pub id: String,
    /// The execution.
    #[entity(part_of = "apps.executions")]
    pub execution_id: String,
    /// The number of the step.
    pub step_id: i64,
    /// The name by which workers claim it.
    pub step_name: String,
    /// When it may be claimed; missing while it is claimed.
    pub available_at: Option<Timestamp>,
    /// Since when it cannot be claimed, because its documents are missing or damaged.
    pub skipped_since: Option<Timestamp>,
    /// When its claim ends: the end of the lease, or its timeout; missing unless it is claimed.
    pub due_at: Option<Timestamp>,
    /// When its attempt times out.
    pub timeout_at: Option<Timestamp>,
    /// The worker that has claimed it, for people.
    pub owner: Option<String>,
    /// The fencing token of the last claim.
    pub token: u64,
    /// Number of attempts.
    pub attempts: u32,
}

impl QueuedStep {
    /// A step that may be claimed from `at` on.
    pub fn new(id: String, execution_id: &str, step_id: i64, step_name: &str, at: Timestamp) -> Self {
        Self {
            id,
            execution_id: execution_id.to_owned(),
            step_id,
            step_name: step_name.to_owned(),
            available_at: Some(at),
            skipped_since: None,
            due_at: None,
            timeout_at: None,
            owner: None,
            token: 0,
            attempts: 0,
        }
    }

    /// Ends the claim. The step may be claimed again from `at` on.
    pub fn make_available(&mut self, at: Timestamp) {
        self.available_at = Some(at);
        (self.due_at, self.timeout_at, self.owner) = (None, None, None);
    }

    /// Restarts the lease, which never ends after the timeout.
    pub fn extend(&mut self, until: Timestamp) -> Timestamp {
        let until = self.timeout_at.map_or(until, |timeout| until.min(timeout));
        self.due_at = Some(until);
        until
    }

    /// Rejects a worker whose claim is not the one with this token.
    pub fn require_claim(&self, token: u64) -> Result<(), Rejection> {
        match self.owner {
            Some(_) if self.token == token => Ok(()),
            _ => Err(Self::stale_claim(&self.id, token)),
        }
    }

    /// The rejection of a worker that has lost its claim.
    pub fn stale_claim(id: &str, token: u64) -> Rejection {
        lease::stale_claim(&format!("step `{id}`"), token)
    }
}
