//! The task that a handler receives, and the failure that it returns if it cannot answer.

use std::future::Future;

use serde::Serialize;

use super::CancellationToken;
use crate::engine::Work;
use crate::marker::{BoxFuture, MaybeSend, MaybeSync};
use crate::value::Json;

/// A call to be answered.
#[derive(Clone, Debug)]
pub struct Task {
    /// The call, and the claim on it.
    pub work: Work,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Set when the call no longer belongs to this handler.
    pub cancellation: CancellationToken,
}

/// Why a call could not be answered. Any error converts to a failure that is retried, so `?` works in handlers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Failure {
    /// The message, which the program can read.
    pub message: String,
    /// The name of the error in the program; `None`: `CallError`.
    pub name: Option<String>,
    /// Whether another attempt may succeed. The program receives the error after the last attempt, or at once if the call is not retried.
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

/// Answers calls of one kind.
pub(super) trait TaskHandler: MaybeSync {
    fn answer(&self, task: Task) -> BoxFuture<'static, Result<Json, Failure>>;
}

impl<H, F> TaskHandler for H
where
    H: Fn(Task) -> F + MaybeSync,
    F: Future<Output = Result<Json, Failure>> + MaybeSend + 'static,
{
    fn answer(&self, task: Task) -> BoxFuture<'static, Result<Json, Failure>> {
        Box::pin(self(task))
    }
}
