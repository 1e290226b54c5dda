//! Calls as the work of workers.

use runstate_core::error_code::ErrorCode;
use runstate_core::lease::check_name;
use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_core::prelude::*;
use schemars::JsonSchema;

use super::answer::CompleteCall;
use super::call::{Call, CallView};
use super::call_cost::check_amount;
use super::claim::ClaimedCall;
use super::codes;
use super::execution::ExecutionStatus;
use super::failure::{Fail, FailedCall};
use super::request_text;

/// A call that a worker has claimed, with everything that it needs to complete it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The call. Its error is that of the last attempt.
    pub call: CallView,
    /// The claim, with the fencing token that completing the call needs.
    pub claimed: ClaimedCall,
}

impl Work {
    pub(super) fn new(view: &View, claimed: ClaimedCall, call: &Call) -> Result<Self> {
        let shown = call.to_document().and_then(|document| CallView::read_fields(&document));
        let mut call = shown.map_err(|violation| Rejection::damaged(&call.key(), &violation))?;
        request_text::complete(view, std::slice::from_mut(&mut call))?;
        Ok(Self { call, claimed })
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
        let ClaimedCall { call, execution, token, .. } = self.claimed.clone();
        let Failure { message, name, code, cost, retry_after, .. } = failure.clone();
        // A failure is recorded, even with a cost that is no number, or of a call without one.
        let is_known = |cost: &String| self.call.cost.is_some() && check_amount(Some(cost)).is_ok();
        let cost = cost.filter(is_known);
        // Whatever a library has set as the code of its error.
        let code = code.filter(|code| check_name("code", Some(code)).is_ok());
        let (retry, by) = (backoff, Some(owner.to_owned()));
        Fail { execution, call, token, message, name, code, retry, by, cost, retry_after }
    }
}
