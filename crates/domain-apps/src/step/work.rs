//! Steps as the work of workers.

use runstate_core::decision::{Command, DomainQuery};
use runstate_core::error_code::ErrorCode;
use runstate_core::lease::KINDS_PER_CLAIM;
use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_core::schema::{Collection, Entity};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claim::{
    ClaimStep, ClaimedStep, CompleteStep, FailStep, FailedStep, HeartbeatStep, NextStepAvailable, ReleaseStep,
    StepClaim,
};
use super::{QueuedStep, Step};
use crate::codes;
use crate::execution::AppExecutionSummary;

/// A step that a worker has claimed, with everything that it needs to do it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepWork {
    /// The claim, with the fencing token that completing the step needs.
    pub claimed: ClaimedStep,
    /// Its input.
    pub input: Json,
    /// The error of the last attempt, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Json>,
}

/// The claimed step. `None`: no step was claimed, or the claimed step does not exist any more.
impl From<StepClaim> for Option<StepWork> {
    fn from(StepClaim { claimed, step }: StepClaim) -> Self {
        let Step { input, error, .. } = *step?;
        Some(StepWork { claimed: claimed?, input: input.unwrap_or_default(), error })
    }
}

/// When the step may be claimed again.
impl From<FailedStep> for Option<Timestamp> {
    fn from(failed: FailedStep) -> Self {
        failed.retry_at
    }
}

impl WorkItem for StepWork {
    type Status = AppExecutionSummary;

    const COLLECTION: &'static Collection = &QueuedStep::COLLECTION;
    const KINDS_PER_CLAIM: usize = KINDS_PER_CLAIM;
    const INVALID_ANSWER: ErrorCode = codes::INVALID_OUTPUT;
    const CLAIM_LOST: &'static [ErrorCode] = &[ErrorCode::STALE_CLAIM];

    fn claim(kinds: &[String], owner: &str, lease: Millis) -> impl Command<Output: Into<Option<Self>>> {
        ClaimStep { names: kinds.to_vec(), owner: owner.to_owned(), lease }
    }

    fn next_available(kinds: &[String]) -> impl DomainQuery<Output = Option<Timestamp>> {
        NextStepAvailable { names: kinds.to_vec() }
    }

    fn id(&self) -> &str {
        &self.claimed.id
    }

    fn kind(&self) -> &str {
        &self.claimed.step_name
    }

    fn attempts(&self) -> u32 {
        self.claimed.attempts
    }

    fn heartbeat(&self, lease: Millis) -> impl Command {
        HeartbeatStep { id: self.claimed.id.clone(), token: self.claimed.token, lease }
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
        let (ClaimedStep { id, token, .. }, Failure { message, name, .. }) = (self.claimed.clone(), failure.clone());
        FailStep { id, token, message, name, output: None, permanent: backoff.is_none() }
    }

    fn release(&self) -> impl Command {
        ReleaseStep { id: self.claimed.id.clone(), token: self.claimed.token }
    }
}
