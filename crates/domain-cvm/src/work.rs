//! Calls as the work of workers.

use runstate_core::decision::Command;
use runstate_core::error_code::ErrorCode;
use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_core::schema::Wire;
use runstate_value::Json;
use runstate_value::time::Timestamp;

use super::answer::CompleteCall;
use super::call::{Call, CallError};
use super::claim::ClaimedCall;
use super::codes;
use super::execution::ExecutionStatus;
use super::failure::{Fail, FailedCall};
use super::queries::{CallDetails, OpenCall};

/// A call that a worker has claimed, with everything that it needs to complete it.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct Work {
    /// The call.
    pub call: OpenCall,
    /// The program that waits for it.
    pub program_name: String,
    /// The claim, with the fencing token that completing the call needs.
    pub claimed: ClaimedCall,
    /// The error of the last attempt, if there was one.
    pub error: Option<CallError>,
}

impl Work {
    pub(super) fn new(claimed: ClaimedCall, call: Call) -> Self {
        let CallDetails { call, program_name, error, .. } = call.into();
        Self { call, program_name, claimed, error }
    }
}

/// When the call may be claimed again.
impl From<FailedCall> for Option<Timestamp> {
    fn from(failed: FailedCall) -> Self {
        failed.retry_at
    }
}

impl WorkItem for Work {
    type Row = Call;
    type Status = ExecutionStatus;

    const INVALID_ANSWER: ErrorCode = codes::INVALID_ANSWER;
    const CLAIM_LOST: &'static [ErrorCode] = &[codes::ALREADY_ANSWERED, codes::DEADLINE_PASSED];

    fn id(&self) -> &str {
        &self.claimed.call
    }

    fn token(&self) -> u64 {
        self.claimed.token
    }

    fn kind(&self) -> &str {
        &self.call.kind
    }

    fn attempts(&self) -> u32 {
        self.claimed.attempts
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
}
