//! The task that a handler receives, the failure that it returns if it cannot answer, and a flag that wakes all tasks
//! that wait for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::cvm::Work;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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

/// A flag. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signal(Arc<SignalState>);

#[derive(Debug, Default)]
struct SignalState {
    is_set: AtomicBool,
    event: Event,
}

impl Signal {
    pub fn set(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        self.0.event.notify(usize::MAX);
    }

    /// Clears the flag. Returns whether it was set.
    pub fn reset(&self) -> bool {
        self.0.is_set.swap(false, Ordering::SeqCst)
    }

    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    pub async fn wait(&self) {
        while !self.is_set() {
            let listener = self.0.event.listen();
            // The flag may have been set before this listener was registered.
            if self.is_set() {
                return;
            }
            listener.await;
        }
    }
}

/// Notifies a handler, and everything that it has started, that its call no longer belongs to it: the claim was lost, or its worker ends.
/// The handler itself is dropped then. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct CancellationToken(Signal);

impl CancellationToken {
    /// Whether the call no longer belongs to the handler.
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Completes when the call no longer belongs to the handler.
    pub async fn wait(&self) {
        self.0.wait().await;
    }

    /// A guard that sets the token when it is dropped: when the handler has ended, in any way.
    pub(super) fn guard(&self) -> CancelGuard {
        CancelGuard(self.0.clone())
    }
}

/// Sets its token when it is dropped.
pub(super) struct CancelGuard(Signal);

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.set();
    }
}
