//! Something that is said once and for good, and heard by all who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;

/// A signal. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signal(Arc<Said>);

#[derive(Debug, Default)]
struct Said {
    said: AtomicBool,
    event: Event,
}

impl Signal {
    pub fn set(&self) {
        self.0.said.store(true, Ordering::SeqCst);
        self.0.event.notify(usize::MAX);
    }

    /// Takes it back: it may be said again.
    pub fn take(&self) -> bool {
        self.0.said.swap(false, Ordering::SeqCst)
    }

    pub fn is_set(&self) -> bool {
        self.0.said.load(Ordering::SeqCst)
    }

    pub async fn wait(&self) {
        while !self.is_set() {
            let listener = self.0.event.listen();
            // It may have been said before anybody listened.
            if self.is_set() {
                return;
            }
            listener.await;
        }
    }
}

/// Tells a handler, and whatever it has begun beside itself, that its call is no longer its own: the claim was lost, or its worker ends. The
/// handler itself is dropped then. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Cancelled(Signal);

impl Cancelled {
    /// Whether it is so.
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Comes back when it is so.
    pub async fn wait(&self) {
        self.0.wait().await;
    }

    /// Says it when it is dropped: when the handler has ended, one way or another.
    pub(super) fn guard(&self) -> Guard {
        Guard(self.0.clone())
    }
}

/// Says that a call is its handler's no longer.
pub(super) struct Guard(Signal);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set();
    }
}
