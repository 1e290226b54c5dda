//! The checkpoints that wait for their verification or are verified. A row exists from the commit that creates a
//! checkpoint until the commit that ends its verification.

use runstate_core::decision::Rejection;
use runstate_core::lease;
use runstate_core::schema::Entity;
use runstate_value::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A checkpoint that waits for its verification, or is verified.
#[derive(Entity, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(collection = "fleet.checkpoint_verification_queue", version = 1, noun = "verification")]
#[index(queued_at)]
#[index(available_at)]
#[index(due_at)]
pub struct QueuedVerification {
    /// The checkpoint.
    #[entity(id, shard, format = uuid)]
    pub checkpoint_uuid: String,
    /// The project.
    #[entity(references = "fleet.projects", format = uuid)]
    pub project_uuid: String,
    /// When the checkpoint was created.
    pub queued_at: Timestamp,
    /// When it may be claimed; missing while it is claimed.
    pub available_at: Option<Timestamp>,
    /// When its claim ends; missing unless it is claimed.
    pub due_at: Option<Timestamp>,
    /// The worker that has claimed it, for people.
    #[entity(max = 1_000)]
    pub owner: Option<String>,
    /// The fencing token of the last claim.
    pub token: u64,
    /// Number of attempts.
    pub attempts: u32,
    /// The error of the last attempt.
    #[entity(max = 4_096)]
    pub error: Option<String>,
}

impl QueuedVerification {
    /// A checkpoint that may be claimed at once.
    pub fn new(checkpoint: &str, project: &str, now: Timestamp) -> Self {
        Self {
            checkpoint_uuid: checkpoint.to_owned(),
            project_uuid: project.to_owned(),
            queued_at: now,
            available_at: Some(now),
            due_at: None,
            owner: None,
            token: 0,
            attempts: 0,
            error: None,
        }
    }

    /// Ends the claim. The checkpoint may be claimed again from `at` on.
    pub fn make_available(&mut self, at: Timestamp) {
        self.available_at = Some(at);
        (self.due_at, self.owner) = (None, None);
    }

    /// Rejects a worker whose claim is not the one with this token.
    pub fn require_claim(&self, token: u64) -> Result<(), Rejection> {
        match self.owner {
            Some(_) if self.token == token => Ok(()),
            _ => Err(stale_claim(&self.checkpoint_uuid, token)),
        }
    }
}

/// The rejection of a worker that has lost its claim.
pub fn stale_claim(checkpoint: &str, token: u64) -> Rejection {
    lease::stale_claim(&format!("checkpoint `{checkpoint}`"), token)
}
