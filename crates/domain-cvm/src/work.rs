//! Calls as the work of workers.

use runstate_core::decision::{Command, DomainQuery};
use runstate_core::error_code::ErrorCode;
use runstate_core::lease::KINDS_PER_CLAIM;
use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_core::schema::Collection;
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::CompleteCall;
use super::call::{CC_HISTORY, CallError};
use super::claim::{Claim, ClaimResult, ClaimTarget, ClaimedCall, Heartbeat, Release};
use super::codes;
use super::execution::ExecutionStatus;
use super::failure::{Fail, FailedCall};
use super::listing::NextAvailable;
use super::queries::{CallDetails, OpenCall};

/// A call that a worker has claimed, with everything that it needs to complete it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// The call.
    pub call: OpenCall,
    /// The program that waits for it.
    pub program_name: String,
    /// The claim, with the fencing token that completing the call needs.
    pub claimed: ClaimedCall,
    /// The error of the last attempt, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
}

/// The claimed call with its details. `None`: no call was claimed, or the claimed call does not exist any more.
impl From<ClaimResult> for Option<Work> {
    fn from(ClaimResult { claimed, details }: ClaimResult) -> Self {
        let CallDetails { call, program_name, error, .. } = *details?;
        Some(Work { call, program_name, claimed: claimed?, error })
    }
}

/// When the call may be claimed again.
impl From<FailedCall> for Option<Timestamp> {
    fn from(failed: FailedCall) -> Self {
        failed.retry_at
    }
}

impl WorkItem for Work {
    type Status = ExecutionStatus;

    const COLLECTION: &'static Collection = &CC_HISTORY;
    const KINDS_PER_CLAIM: usize = KINDS_PER_CLAIM;
    const INVALID_ANSWER: ErrorCode = codes::INVALID_ANSWER;
    const CLAIM_LOST: &'static [ErrorCode] = &[ErrorCode::STALE_CLAIM, codes::ALREADY_ANSWERED, codes::DEADLINE_PASSED];

    fn claim(kinds: &[String], owner: &str, lease: Millis) -> impl Command<Output: Into<Option<Self>>> {
        Claim { of: ClaimTarget::Kinds(kinds.to_vec()), owner: owner.to_owned(), lease }
    }

    fn next_available(kinds: &[String]) -> impl DomainQuery<Output = Option<Timestamp>> {
        NextAvailable { kinds: kinds.to_vec() }
    }

    fn id(&self) -> &str {
        &self.claimed.call
    }

    fn kind(&self) -> &str {
        &self.call.kind
    }

    fn attempts(&self) -> u32 {
        self.claimed.attempts
    }

    fn heartbeat(&self, lease: Millis) -> impl Command {
        Heartbeat { call: self.claimed.call.clone(), token: self.claimed.token, lease }
    }

    fn complete(&self, owner: &str, answer: Json) -> impl Command<Output = ExecutionStatus> {
        let ClaimedCall { call, execution, token, .. } = self.claimed.clone();
        CompleteCall { call, execution, token, answer, by: Some(owner.to_owned()), cost: None }
    }

    fn fail(
        &self,
        owner: &str,
        failure: &Failure,
        backoff: Option<Backoff>,
    ) -> impl Command<Output: Into<Option<Timestamp>>> {
        let (ClaimedCall { call, execution, token, .. }, Failure { message, name, .. }) =
            (self.claimed.clone(), failure.clone());
        Fail { execution, call, token, message, name, retry: backoff, by: Some(owner.to_owned()) }
    }

    fn release(&self) -> impl Command {
        Release { call: self.claimed.call.clone(), token: self.claimed.token }
    }
}
