//! Steps as the work of workers.

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_core::prelude::*;

use super::claim::{CompleteStep, FailStep, FailedStep};
use super::{QueuedStep, Step};
use crate::codes;
use crate::execution::AppExecutionSummary;

/// A claimed step.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ClaimedStep {
    /// Its id.
    pub id: String,
    /// Its execution.
    pub execution_id: String,
    /// Its number.
    pub step_id: i64,
    /// Its name.
    pub step_name: String,
    /// The fencing token, which completing the step needs.
    pub token: u64,
    /// The end of the lease.
    pub until: Timestamp,
    /// Number of attempts, this one included.
    pub attempts: u32,
}

/// A step that a worker has claimed, with everything that it needs to do it.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct StepWork {
    /// The claim, with the fencing token that completing the step needs.
    pub claimed: ClaimedStep,
    /// Its input.
    pub input: Json,
    /// The error of the last attempt, if there was one.
    pub error: Option<Json>,
}

impl StepWork {
    /// The worker gets the secrets.
    pub(super) fn new(claimed: ClaimedStep, Step { input, secret_input, error, .. }: Step) -> Self {
        Self { claimed, input: secret_input.or(input).unwrap_or_default(), error }
    }
}

/// When the step may be claimed again.
impl From<FailedStep> for Option<Timestamp> {
    fn from(failed: FailedStep) -> Self {
        failed.retry_at
    }
}

impl WorkItem for StepWork {
    type Row = QueuedStep;
    type Status = AppExecutionSummary;

    const INVALID_ANSWER: ErrorCode = codes::INVALID_OUTPUT;

    fn id(&self) -> &str {
        &self.claimed.id
    }

    fn token(&self) -> u64 {
        self.claimed.token
    }

    fn kind(&self) -> &str {
        &self.claimed.step_name
    }

    fn attempts(&self) -> u32 {
        self.claimed.attempts
    }

    fn complete(&self, _: &str, answer: Json) -> impl Command<Output = AppExecutionSummary> {
        let ClaimedStep { id, token, .. } = self.claimed.clone();
        CompleteStep { id, token, output: Some(answer), metadata: None }
    }

    /// The configuration of the app decides how often the step is tried, so the numbers of `backoff` are not used.
    fn fail(
        &self,
        _: &str,
        failure: &Failure,
        backoff: Option<Backoff>,
    ) -> impl Command<Output: Into<Option<Timestamp>>> {
        let (ClaimedStep { id, token, .. }, Failure { message, name, retry_after, .. }) =
            (self.claimed.clone(), failure.clone());
        FailStep { id, token, message, name, output: None, permanent: backoff.is_none(), retry_after }
    }
}
