//! The host interface: time, entropy and timers. Only the engine uses it; no layer below does.

use runstate_core::decision::Stopwatch;
use runstate_core::marker::{BoxFuture, MaybeSync};
use runstate_value::time::{Millis, Timestamp};

cfg_if::cfg_if! {
    if #[cfg(not(target_family = "wasm"))] {
        mod native;
        pub use native::SystemHost;
    } else {
        mod web;
        pub use web::SystemHost;
    }
}

/// The platform that an engine runs on.
pub trait Host: MaybeSync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Ten unpredictable bytes.
    fn entropy(&self) -> [u8; 10];

    /// A clock to measure how long programs run, for people; no decision depends on it. `None`: nothing is measured, so
    /// every run reports the same values.
    fn stopwatch(&self) -> Option<Stopwatch> {
        None
    }

    /// Completes after `span`.
    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()>;

    /// Lets other tasks of this thread run. The engine awaits it after each command, and between the parts of a long
    /// one. `None`: there is nothing to yield to now, or tasks have threads.
    fn yield_now(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }
}
