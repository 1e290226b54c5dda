//! Verifications as the work of workers.

use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_core::prelude::*;

use super::claim::{CompleteVerification, FailVerification};
use super::{CheckpointSummary, QueuedVerification};

/// A checkpoint that a worker has claimed to verify it.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct CheckpointWork {
    /// The checkpoint.
    pub uuid: String,
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
    type Row = QueuedVerification;
    type Status = CheckpointSummary;

    fn id(&self) -> &str {
        &self.uuid
    }

    fn token(&self) -> u64 {
        self.token
    }

    fn kind(&self) -> &str {
        Self::KIND
    }

    fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The answer is null if the checkpoint is complete, or a text that says why it is damaged.
    fn complete(&self, _: &str, answer: Json) -> impl Command<Output = CheckpointSummary> {
        let failure = (!answer.is_null()).then(|| answer.as_str().map_or_else(|| answer.to_string(), str::to_owned));
        CompleteVerification { uuid: self.uuid.clone(), token: self.token, failure }
    }

    /// All verifications are tried as often, so the numbers of `backoff` are not used.
    fn fail(
        &self,
        _: &str,
        failure: &Failure,
        backoff: Option<Backoff>,
    ) -> impl Command<Output: Into<Option<Timestamp>>> {
        FailVerification {
            uuid: self.uuid.clone(),
            token: self.token,
            message: failure.message.clone(),
            permanent: backoff.is_none(),
            retry_after: failure.retry_after,
        }
    }
}
