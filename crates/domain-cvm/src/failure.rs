//! The failure of a worker to complete a call: a retry later, or an error in the program.

use std::any::Any;

use runstate_core::lease::{check_name, check_retry_after, claimed, next_attempt_after, shorten_message};
use runstate_core::operation::Backoff;
use runstate_core::prelude::*;

use super::call::{CC_HISTORY, Call, CallError, CallOutcome};
use super::call_cost::LateReport;
use super::claim::require_claim;
use super::execution::{EXECUTIONS, ExecutionHead, ExecutionStatus, RunSlice};
use super::{call_cost, waiting};

/// Longest message of a failure, in bytes. It is enough to see the cause.
const MESSAGE_BYTES: usize = 4 * 1024;

/// Reports that a worker failed to complete a call. With a retry policy the call is open again later. Without one, or
/// after the last attempt, the program gets the error and runs to its next stop.
///
/// Errors: `stale_claim` (another worker has claimed the call since, or it has ended: if the call has a cost, that of
/// the attempt is recorded), `deadline_passed` (as well), `invalid` (the name, the code, the cost, the wait).
#[derive(Clone, Debug, Default, Serialize, Deserialize, Operation)]
#[operation(name = "cvm.fail", contends(EXECUTIONS, execution))]
pub struct Fail {
    /// The execution.
    pub execution: String,
    /// The call.
    #[operation(subject)]
    pub call: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The message, which the program can read.
    pub message: String,
    /// The name of the error in the program; by default `CallError`.
    pub name: Option<String>,
    /// The `code` of the error in the program, as Node's errors have one, at most 200 bytes; by default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The retry policy; by default none. Without one the failure does not count for the circuit breaker of budgets.
    pub retry: Option<Backoff>,
    /// The name of the worker.
    pub by: Option<String>,
    /// What the attempt has cost, a decimal number in the unit of the call's cost; by default nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The shortest wait until the next attempt, in milliseconds, at most a day; by default the retry policy decides alone.
    #[operation(name = "retryAfterMs")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Millis>,
}

/// The state of a failed call.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct FailedCall {
    /// When it may be claimed again; `None`: it is closed.
    pub retry_at: Option<Timestamp>,
    /// The status of its execution, if it is closed.
    pub execution: Option<ExecutionStatus>,
}

impl Command for Fail {
    type Output = FailedCall;

    fn check(&self) -> Result<()> {
        check_name("name", self.name.as_deref())?;
        check_name("code", self.code.as_deref())?;
        check_name("by", self.by.as_deref())?;
        check_retry_after(self.retry_after)?;
        call_cost::check_amount(self.cost.as_deref())
    }

    fn reads(&self, view: &View) -> ReadSet {
        waiting::reads(view, &self.execution, &Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedCall>> {
        let cost = self.cost.as_deref();
        // A final failure is an answer of what the worker has asked, such as a declined card: that works.
        let failed = self.retry.is_some();
        let late = Call::find(view, &self.call)?.filter(|row| require_claim(&row.entity, self.token).is_ok());
        if let Some(row) = late.filter(|row| row.entity.execution_id == self.execution)
            && let Some(recorded) =
                call_cost::settle_late(&row, ctx, |ctx, call| call_cost::settle_failure(view, ctx, call, cost, failed))?
        {
            return Ok(recorded.map(|()| FailedCall { retry_at: None, execution: None }));
        }
        let mut row = claimed::<Call>(view, &self.call, self.token)?;
        let call = &mut row.entity;
        call.require_of(&self.execution)?;
        let head = ExecutionHead::load(view, &self.execution)?;
        head.entity.require_waiting(ctx.now)?;
        call.require_before_deadline(ctx.now)?;
        let message = shorten_message(&self.message, MESSAGE_BYTES);
        let (name, code, by) = (self.name.clone(), self.code.clone(), self.by.clone());
        call.error = Some(CallError { name, code, message, timestamp: ctx.now, by });
        let settled = call_cost::settle_failure(view, ctx, call, cost, failed)?;
        let attempts = call.claim.as_ref().map_or(0, |claim| claim.attempts);
        if let Some(at) = self.retry.and_then(|retry| retry.next_attempt_at(attempts, ctx)) {
            if let Some(claim) = &mut call.claim {
                (claim.owner, claim.unknown) = (None, None);
                claim.until = ctx.now;
            }
            let at = next_attempt_after(at, ctx.now, self.retry_after);
            call.available_at = Some(at);
            let failed = FailedCall { retry_at: Some(at), execution: None };
            return Ok(settled.map(|()| failed).change(row.update(ctx.now)?));
        }
        call.close(CallOutcome::Failed);
        let decision = waiting::close_call(view, ctx, head, row, settled)?;
        Ok(decision.map(|status| FailedCall { retry_at: None, execution: Some(status) }))
    }

    fn is_refusal(&self, output: &FailedCall) -> bool {
        output.retry_at.is_none() && output.execution.is_none()
    }

    fn next(&self, output: &FailedCall, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        // Its cost alone was recorded.
        if self.is_refusal(output) {
            return Some(LateReport::boxed(&self.call, self.token, false));
        }
        output.execution.as_ref().and_then(RunSlice::after)
    }

    fn absorb(&self, output: &mut FailedCall, part: Box<dyn Any>) {
        if let Ok(execution) = part.downcast() {
            output.execution = Some(*execution);
        }
    }
}
