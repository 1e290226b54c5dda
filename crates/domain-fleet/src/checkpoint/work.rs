//! Verifications as the work of workers.

use runstate_core::decision::{Command, DomainQuery};
use runstate_core::error_code::ErrorCode;
use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_core::schema::{Collection, Entity};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claim::{
    ClaimVerification, CompleteVerification, FailVerification, HeartbeatVerification, NextVerification,
    ReleaseVerification,
};
use super::{CheckpointSummary, QueuedVerification};

/// A checkpoint that a worker has claimed to verify it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointWork {
    /// The checkpoint.
    pub checkpoint_uuid: String,
    /// Its project.
    pub project_uuid: String,
    /// The fencing token, which completing it needs.
    pub token: u64,
    /// The end of the lease.
    pub until: Timestamp,
    /// Number of attempts, this one included.
    pub attempts: u32,
}

impl CheckpointWork {
    /// The one kind of verifications.
    pub const KIND: &'static str = "checkpoint";
}

impl WorkItem for CheckpointWork {
    type Status = CheckpointSummary;

    const COLLECTION: &'static Collection = &QueuedVerification::COLLECTION;
    const KINDS_PER_CLAIM: usize = 1;
    const INVALID_ANSWER: ErrorCode = ErrorCode::INVALID;
    const CLAIM_LOST: &'static [ErrorCode] = &[ErrorCode::STALE_CLAIM];

    fn claim(_: &[String], owner: &str, lease: Millis) -> impl Command<Output: Into<Option<Self>>> {
        ClaimVerification { owner: owner.to_owned(), lease }
    }

    fn next_available(_: &[String]) -> impl DomainQuery<Output = Option<Timestamp>> {
        NextVerification {}
    }

    fn id(&self) -> &str {
        &self.checkpoint_uuid
    }

    fn kind(&self) -> &str {
        Self::KIND
    }

    fn attempts(&self) -> u32 {
        self.attempts
    }

    fn heartbeat(&self, lease: Millis) -> impl Command {
        HeartbeatVerification { checkpoint_uuid: self.checkpoint_uuid.clone(), token: self.token, lease }
    }

    /// The answer is null if the checkpoint is complete, or a text that says why it is damaged.
    fn complete(&self, _: &str, answer: Json) -> impl Command<Output = CheckpointSummary> {
        let failure = (!answer.is_null()).then(|| answer.as_str().map_or_else(|| answer.to_string(), str::to_owned));
        CompleteVerification { checkpoint_uuid: self.checkpoint_uuid.clone(), token: self.token, failure }
    }

    /// All verifications are tried as often, so the numbers of `backoff` are not used.
    fn fail(
        &self,
        _: &str,
        failure: &Failure,
        backoff: Option<Backoff>,
    ) -> impl Command<Output: Into<Option<Timestamp>>> {
        FailVerification {
            checkpoint_uuid: self.checkpoint_uuid.clone(),
            token: self.token,
            message: failure.message.clone(),
            permanent: backoff.is_none(),
        }
    }

    fn release(&self) -> impl Command {
        ReleaseVerification { checkpoint_uuid: self.checkpoint_uuid.clone(), token: self.token }
    }
}
