//! Items of workers, as a worker of the engine handles them. Their leases are declared by their rows
//! ([`Leased`]), and a domain adds how items end.

use std::fmt;

use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::Backoff;
use crate::decision::Command;
use crate::error_code::ErrorCode;
use crate::lease::{KINDS_PER_CLAIM, Leased};
use crate::marker::MaybeSync;

/// An item that a worker has claimed, with everything that completing it needs.
///
/// A domain implements it for its queue of work: calls, tasks, steps. A worker of the engine does the rest.
pub trait WorkItem: Clone + fmt::Debug + Serialize + JsonSchema + MaybeSync + 'static {
    /// The row of the item. A document that is inserted there may be claimed, so idle workers check for work.
    type Row: Leased<Work = Self>;

    /// The result of a completed item.
    type Status: fmt::Debug + Serialize + JsonSchema + MaybeSync + 'static;

    /// The error of [`WorkItem::complete`] that the handler caused: its answer is not valid.
    const INVALID_ANSWER: ErrorCode = ErrorCode::INVALID;

    /// The errors that mean that the item no longer belongs to the worker, or is closed, besides `stale_claim`,
    /// `illegal_transition` and `not_found`.
    const CLAIM_LOST: &'static [ErrorCode] = &[];

    /// Largest number of kinds in one claim. Workers ask for items without kinds once for each kind of theirs.
    const KINDS_PER_CLAIM: usize = if Self::Row::KIND.is_some() { KINDS_PER_CLAIM } else { 1 };

    /// The id of the item.
    fn id(&self) -> &str;

    /// The fencing token of the claim.
    fn token(&self) -> u64;

    /// Its kind, which selects the handler.
    fn kind(&self) -> &str;

    /// Number of attempts, this one included.
    fn attempts(&self) -> u32;

    /// Completes the item with the answer of its handler.
    fn complete(&self, owner: &str, answer: Json) -> impl Command<Output = Self::Status>;

    /// Records that the handler failed. The output is the time of the next attempt; `None`: the item is not retried.
    /// Without `backoff` it never is.
    fn fail(
        &self,
        owner: &str,
        failure: &Failure,
        backoff: Option<Backoff>,
    ) -> impl Command<Output: Into<Option<Timestamp>>>;
}

/// Code that is generic over the items of workers, for callers that know the items by their collection.
pub trait WorkItemVisitor {
    /// The result.
    type Output;

    /// Runs the code for these items.
    fn visit<W: WorkItem>(self) -> Self::Output;
}

/// Why a handler could not answer. Any error converts to a failure that is retried, so `?` works in handlers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Failure {
    /// The message, which the program can read.
    pub message: String,
    /// The name of the error in the program; `None`: `CallError`.
    pub name: Option<String>,
    /// The `code` of the error in the program; `None`, or one of more than 200 bytes: it has none. Only calls have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether another attempt may succeed. The program receives the error after the last attempt, or at once if the
    /// call is not retried.
    pub retry: bool,
    /// What the attempt has cost, a decimal number in the unit of the cost that the call names; `None`: nothing. Items
    /// without a cost ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The shortest wait until the next attempt, in milliseconds, as a receiver may ask for; a worker takes more than
    /// a day as a day. `None`: the retry policy alone decides.
    #[serde(rename = "retryAfterMs", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Millis>,
}

impl Failure {
    /// A failure that is retried.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: true, ..Self::default() }
    }

    /// A failure that is not retried.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Sets the name that the error has in the program.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the `code` that the error has in the program.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets what the attempt has cost, as decimal text in the unit of the call's cost.
    pub fn with_cost(mut self, amount: impl Into<String>) -> Self {
        self.cost = Some(amount.into());
        self
    }

    /// Sets the shortest wait until the next attempt.
    pub fn with_retry_after(mut self, wait: Millis) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}
