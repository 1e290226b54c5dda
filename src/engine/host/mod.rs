//! What the engine asks of the machine it runs on: the time, entropy, and to be called again later. Nothing below the engine asks.

use crate::decision::Stopwatch;
use crate::marker::{BoxFuture, MaybeSync};
use crate::time::{Millis, Timestamp};

cfg_if::cfg_if! {
    if #[cfg(not(target_family = "wasm"))] {
        mod native;
        pub use native::SystemHost;
    } else if #[cfg(feature = "wasm")] {
        mod web;
        pub use web::SystemHost;
    }
}

/// A host.
pub trait Host: MaybeSync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Ten bytes that nobody can guess.
    fn entropy(&self) -> [u8; 10];

    /// Measures how long programs run, for people who look; nothing is decided by it. `None`: not measured, and then every run is told
    /// exactly alike.
    fn stopwatch(&self) -> Option<Stopwatch> {
        None
    }

    /// Comes back after `span`.
    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()>;

    /// Lets whatever else waits for this thread have its turn: asked after each command, and between the parts of what is long. `None`:
    /// nobody waits for it, as where tasks have threads.
    fn give_way(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }
}
