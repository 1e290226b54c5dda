//! What a handler is given, and what it says where it cannot do it.

use std::future::Future;

use serde::Serialize;

use super::Cancelled;
use crate::engine::Work;
use crate::marker::{BoxFuture, MaybeSend, MaybeSync};
use crate::value::Json;

/// A call to be answered.
#[derive(Clone, Debug)]
pub struct Task {
    /// The call, and the claim on it.
    pub work: Work,
    /// The how-manyth attempt this is, from 1.
    pub attempt: u32,
    /// Set when the call is no longer this handler's.
    pub cancelled: Cancelled,
}

/// Why a call could not be answered. Any error becomes one, to be tried again, so `?` works in handlers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Failure {
    /// In words; the program reads them.
    pub message: String,
    /// The name of the error in the program; `None`: `CallError`.
    pub name: Option<String>,
    /// Whether it may go better next time. The program is told when it was tried often enough, at once where it is not tried again.
    pub retry: bool,
}

impl Failure {
    /// One that may go better next time.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), name: None, retry: true }
    }

    /// One that stays.
    pub fn for_good(message: impl Into<String>) -> Self {
        Self { message: message.into(), name: None, retry: false }
    }

    /// With the name that the error has in the program.
    pub fn named(mut self, name: impl Into<String>) -> Self {
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
pub(super) trait Handler: MaybeSync {
    fn answer(&self, task: Task) -> BoxFuture<'static, Result<Json, Failure>>;
}

impl<H, F> Handler for H
where
    H: Fn(Task) -> F + MaybeSync,
    F: Future<Output = Result<Json, Failure>> + MaybeSend + 'static,
{
    fn answer(&self, task: Task) -> BoxFuture<'static, Result<Json, Failure>> {
        Box::pin(self(task))
    }
}
