//! What the engine tells of itself to whoever looks after it: rare things, in words. With the feature `tracing` they are its events; in
//! WebAssembly they go to the sink that JavaScript gives, since a page would pay for `tracing` itself with every load; else nobody hears them.

use std::fmt;

use super::Error;
use crate::id::CommandId;
use crate::store::{self, Store};

cfg_if::cfg_if! {
    if #[cfg(all(feature = "wasm", target_family = "wasm"))] {
        mod console;
        pub(crate) use console::log_to;
        use console as place;
    } else if #[cfg(feature = "tracing")] {
        mod traced;
        use traced as place;
    } else {
        mod silent;
        use silent as place;
    }
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Somebody has to do something.
    #[allow(dead_code, reason = "errors are told to callers; no event has been one so far")]
    Error,
    /// It went on, and may not the next time.
    Warn,
    /// What happens once in a while.
    Info,
    /// What happens all the time where many write at once.
    Debug,
}

/// Tells `message`.
pub(crate) fn tell(level: Level, message: fmt::Arguments<'_>) {
    place::tell(level, message);
}

/// A store was opened.
pub(crate) fn opened(store: &dyn Store) {
    let name = store.capabilities().name;
    match store.health() {
        None => tell(Level::Info, format_args!("runstate {} on a store of kind {name}", env!("CARGO_PKG_VERSION"))),
        Some(why) => tell(Level::Warn, format_args!("the store of kind {name} can only be read: {why}")),
    }
}

/// A command lost against others, and is decided again.
pub(crate) fn decides_again(name: &str, id: &CommandId, attempt: u32, why: &Error) {
    // Now and then is how it should be; again and again something is in the way.
    let level = if attempt < 8 { Level::Debug } else { Level::Warn };
    tell(level, format_args!("{name} {id} is decided again ({attempt}): {why}"));
}

/// A commit ended without an answer; its outcome is asked for.
pub(crate) fn outcome_unknown(why: &store::Error) {
    tell(Level::Warn, format_args!("{why}; asking for its outcome"));
}

/// Rows that a command staged could not be removed after it; the cleaner will.
pub(crate) fn left_staged(id: &CommandId, why: &store::Error) {
    tell(Level::Info, format_args!("rows that {id} staged are left to be removed later: {why}"));
}

/// Something that was due could not be done.
pub(crate) fn still_due(execution: &str, why: &Error) {
    tell(Level::Warn, format_args!("what is due of {execution} could not be done: {why}"));
}

/// A worker met a failure of the store or the engine, and goes on.
pub(crate) fn worker_in_trouble(owner: &str, why: &Error) {
    tell(Level::Warn, format_args!("worker {owner}: {why}"));
}
