//! The task that a handler receives, and a flag that wakes all tasks that wait for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;
use runstate_core::marker::{BoxFuture, MaybeSend, MaybeSync};
use runstate_core::operation::Failure;
use runstate_value::Json;

/// A claimed item that a handler must answer.
#[derive(Clone, Debug)]
pub struct Task<W> {
    /// The item, and the claim on it.
    pub work: W,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Set when the item no longer belongs to this handler.
    pub cancellation: CancellationToken,
}

/// Answers items of one kind.
pub(super) trait TaskHandler<W>: MaybeSync {
    fn answer(&self, task: Task<W>) -> BoxFuture<'static, Result<Json, Failure>>;
}

impl<W, H, F> TaskHandler<W> for H
where
    H: Fn(Task<W>) -> F + MaybeSync,
    F: Future<Output = Result<Json, Failure>> + MaybeSend + 'static,
{
    fn answer(&self, task: Task<W>) -> BoxFuture<'static, Result<Json, Failure>> {
        Box::pin(self(task))
    }
}

/// A flag. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<SignalState>);

#[derive(Debug, Default)]
struct SignalState {
    is_set: AtomicBool,
    event: Event,
}

impl Signal {
    /// Sets the signal, and wakes those that wait for it.
    pub fn set(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        self.0.event.notify(usize::MAX);
    }

    /// Clears the flag. Returns whether it was set.
    pub fn reset(&self) -> bool {
        self.0.is_set.swap(false, Ordering::SeqCst)
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    /// Waits until it is set.
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

/// Notifies a handler, and everything that it has started, that its item no longer belongs to it: the claim was lost,
/// or its worker ends. The handler itself is dropped then. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct CancellationToken(Signal);

impl CancellationToken {
    /// Whether the item no longer belongs to the handler.
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Completes when the item no longer belongs to the handler.
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
