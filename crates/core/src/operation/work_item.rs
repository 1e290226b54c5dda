//! Items that workers claim. A domain declares them by the commands that claim, extend, complete, fail and release
//! them.

use std::fmt;

use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::Backoff;
use crate::decision::{Command, DomainQuery};
use crate::error_code::ErrorCode;
use crate::marker::MaybeSync;
use crate::schema::Collection;

/// An item that a worker has claimed, with everything that completing it needs, such as the fencing token of the claim.
///
/// A domain implements it for its queue of work: calls, tasks, steps. A worker of the engine does the rest.
pub trait WorkItem: Clone + fmt::Debug + Serialize + JsonSchema + MaybeSync + 'static {
    /// The result of a completed item.
    type Status: fmt::Debug + Serialize + JsonSchema + MaybeSync + 'static;

    /// The collection of the items. A document that is inserted there may be claimed, so idle workers check for work.
    const COLLECTION: &'static Collection;

    /// Largest number of kinds in one [`WorkItem::claim`] and one [`WorkItem::next_available`].
    const KINDS_PER_CLAIM: usize;

    /// The error of [`WorkItem::complete`] that the handler caused: its answer is not valid.
    const INVALID_ANSWER: ErrorCode;

    /// The errors that mean that the item no longer belongs to the worker, or is closed, besides `illegal_transition`
    /// and `not_found`.
    const CLAIM_LOST: &'static [ErrorCode];

    /// Claims one item of these kinds for `owner`, for the duration of `lease`. The output is `None` if none is open.
    /// Its
    /// [`Command::check`] rejects kinds and leases with which no claim can succeed.
    fn claim(kinds: &[String], owner: &str, lease: Millis) -> impl Command<Output: Into<Option<Self>>>;

    /// Finds when an item of these kinds may be claimed next; `None`: none is open. It is a query.
    fn next_available(kinds: &[String]) -> impl DomainQuery<Output = Option<Timestamp>>;

    /// The id of the item.
    fn id(&self) -> &str;

    /// Its kind, which selects the handler.
    fn kind(&self) -> &str;

    /// Number of attempts, this one included.
    fn attempts(&self) -> u32;

    /// Restarts the lease.
    fn heartbeat(&self, lease: Millis) -> impl Command;

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

    /// Releases the item, so that another worker may claim it at once. The attempt does not count.
    fn release(&self) -> impl Command;
}

/// Code that is generic over the items of workers, for callers that know the items by their collection.
pub trait WorkItemVisitor {
    /// The result.
    type Output;

    /// Runs the code for these items.
    fn visit<W: WorkItem>(self) -> Self::Output;
}

/// Why a handler could not answer. Any error converts to a failure that is retried, so `?` works in handlers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Failure {
    /// The message, which the program can read.
    pub message: String,
    /// The name of the error in the program; `None`: `CallError`.
    pub name: Option<String>,
    /// Whether another attempt may succeed. The program receives the error after the last attempt, or at once if the
    /// call is not retried.
    pub retry: bool,
}

impl Failure {
    /// A failure that is retried.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), name: None, retry: true }
    }

    /// A failure that is not retried.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), name: None, retry: false }
    }

    /// Sets the name that the error has in the program.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}
