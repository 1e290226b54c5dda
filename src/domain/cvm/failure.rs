//! The failure of a worker to complete a call: a retry later, or an error in the program.

use std::any::Any;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{CC_HISTORY, Call, CallError, CallOutcome};
use super::call_closing;
use super::claim::{check_name, require_open_claim};
use super::execution::{EXECUTIONS, ExecutionHead, ExecutionStatus, RunSlice};
use crate::decision::{AnyCommand, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::operation::{Operation, Parameters};
use crate::schema::Key;
use crate::time::{Millis, Timestamp};

/// Longest message of a failure, in bytes. It is enough to see the cause.
const MESSAGE_BYTES: usize = 4 * 1024;

/// Reports that a worker failed to complete a call. With a retry policy the call is open again later. Without one, or after the last
/// attempt, the program gets the error and runs to its next stop.
///
/// Errors: `stale_claim`, `not_found`, `deadline_passed`.
#[derive(Clone, Debug, Serialize, Deserialize, Operation)]
#[operation(name = "cvm.fail")]
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
    /// The retry policy; by default none.
    pub retry: Option<Backoff>,
    /// The name of the worker.
    pub by: Option<String>,
}

/// When a failed call is retried: after `initial`, then after twice as long each time, at most `longest`, until `attempts` attempts were
/// made. Each wait is shortened at random by up to half ("equal jitter": Brooker, "Exponential Backoff And Jitter", 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct Backoff {
    /// Number of attempts in total.
    pub attempts: u32,
    /// The first wait, in milliseconds.
    #[operation(name = "initialMs")]
    #[schemars(rename = "initialMs")]
    pub initial: Millis,
    /// The longest wait, in milliseconds.
    #[operation(name = "longestMs")]
    #[schemars(rename = "longestMs")]
    pub longest: Millis,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts: 5, initial: Millis::seconds(1), longest: Millis::minutes(5) }
    }
}

/// The state of a failed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedCall {
    /// When it may be claimed again; `None`: it is closed.
    pub retry_at: Option<Timestamp>,
    /// The status of its execution, if it is closed.
    pub reached: Option<ExecutionStatus>,
}

impl Backoff {
    /// When a call with this number of attempts is retried; `None`: never.
    fn next_attempt_at(self, attempts: u32, ctx: &Ctx) -> Option<Timestamp> {
        if attempts >= self.attempts {
            return None;
        }
        let doubled = 1i64.checked_shl(attempts.saturating_sub(1).min(62)).unwrap_or(i64::MAX);
        let wait = self.initial.0.max(0).saturating_mul(doubled).min(self.longest.0.max(0));
        let [a, b, c, d, ..] = ctx.seed("jitter");
        let random = i128::from(u32::from_be_bytes([a, b, c, d]));
        let reduction = i128::from(wait / 2) * random / i128::from(u32::MAX);
        Some(ctx.now + Millis(wait - i64::try_from(reduction).unwrap_or_default()))
    }
}

impl Command for Fail {
    const NAME: &'static str = "cvm.fail";
    type Output = FailedCall;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.execution))
    }

    fn reads(&self, view: &View) -> ReadSet {
        call_closing::reads(view, &self.execution, &Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<FailedCall>, Rejection> {
        check_name("name", self.name.as_deref())?;
        check_name("by", self.by.as_deref())?;
        let (row, mut call) = Call::find(view, &self.call)?;
        if call.execution_id != self.execution {
            let hint = format!(" in execution `{}`; it belongs to `{}`", self.execution, call.execution_id);
            return Err(Rejection::NotFound { what: "call", id: call.id, hint });
        }
        require_open_claim(&call, self.token)?;
        let (before, execution) = ExecutionHead::find_owned(view, &self.execution)?;
        execution.require_waiting()?;
        call.require_before_deadline(ctx.now)?;
        let message = truncate_message(&self.message);
        call.error = Some(CallError { name: self.name.clone(), message, timestamp: ctx.now, by: self.by.clone() });
        let attempts = call.claim.as_ref().map_or(0, |claim| claim.attempts);
        if let Some(at) = self.retry.and_then(|retry| retry.next_attempt_at(attempts, ctx)) {
            if let Some(claim) = &mut call.claim {
                claim.owner = None;
                claim.until = ctx.now;
            }
            call.available_at = Some(at);
            let failed = FailedCall { retry_at: Some(at), reached: None };
            return Ok(Decision::new(failed).change(call.update(row)?));
        }
        call.close(CallOutcome::Failed);
        let decision = call_closing::close_call(view, ctx, before, execution, row, call)?;
        Ok(decision.map(|status| FailedCall { retry_at: None, reached: Some(status) }))
    }

    fn next(&self, output: &FailedCall) -> Option<Box<dyn AnyCommand>> {
        output.reached.as_ref().and_then(RunSlice::after)
    }

    fn absorb(&self, output: &mut FailedCall, part: Box<dyn Any>) {
        if let Ok(reached) = part.downcast() {
            output.reached = Some(*reached);
        }
    }
}

fn truncate_message(text: &str) -> String {
    if text.len() <= MESSAGE_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MESSAGE_BYTES - 4)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::EngineSettings;
    use crate::id::CommandId;

    #[test]
    fn backoff_doubles_up_to_the_longest_with_equal_jitter() {
        let backoff = Backoff { attempts: 40, initial: Millis(100), longest: Millis(1_000) };
        for (attempts, longest_wait) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (39, 1_000)] {
            for n in 0..50 {
                let id = CommandId::new(&format!("c{attempts}-{n}")).unwrap();
                let ctx = Ctx::new(id, Timestamp::from_millis(0), EngineSettings::default());
                let wait = backoff.next_attempt_at(attempts, &ctx).unwrap().as_millis();
                assert!((longest_wait / 2..=longest_wait).contains(&wait), "{wait} after {attempts} attempts");
            }
        }
        let ctx = Ctx::new(CommandId::new("c").unwrap(), Timestamp::default(), EngineSettings::default());
        assert_eq!(backoff.next_attempt_at(40, &ctx), None);
    }
}
