//! Events of the engine for operators: rare events, as sentences. With the feature `tracing` they are `tracing` events. In WebAssembly they go
//! to the sink that JavaScript sets, because `tracing` would enlarge what every page loads. Otherwise they are discarded.

use std::fmt;

use super::Error;
use crate::id::CommandId;
use crate::store::{self, Store};

#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub(crate) use backend::set_sink;

/// The sink of events in WebAssembly: a JavaScript function.
#[cfg(all(feature = "wasm", target_family = "wasm"))]
mod backend {
    use std::cell::RefCell;
    use std::fmt;

    use js_sys::Function;
    use wasm_bindgen::JsValue;

    use super::EventLevel;

    thread_local! {
        static SINK: RefCell<Option<(EventLevel, Function)>> = const { RefCell::new(None) };
    }

    /// Calls `sink(level, message)` for every later event of `level` or of a more severe one: `error`, `warn`, `info`, `debug`. Any other
    /// level: no event.
    pub(crate) fn set_sink(sink: Function, level: &str) {
        let level = [EventLevel::Error, EventLevel::Warn, EventLevel::Info, EventLevel::Debug]
            .into_iter()
            .find(|candidate| name(*candidate) == level);
        SINK.set(level.map(|level| (level, sink)));
    }

    pub(super) fn emit(level: EventLevel, message: fmt::Arguments<'_>) {
        // Copied out of the cell first: the sink may replace itself.
        let sink = SINK.with_borrow(|sink| {
            sink.as_ref().filter(|(max_level, _)| level <= *max_level).map(|(_, sink)| sink.clone())
        });
        if let Some(sink) = sink {
            // An exception thrown by the sink is ignored.
            drop(sink.call2(&JsValue::NULL, &name(level).into(), &message.to_string().into()));
        }
    }

    fn name(level: EventLevel) -> &'static str {
        match level {
            EventLevel::Error => "error",
            EventLevel::Warn => "warn",
            EventLevel::Info => "info",
            EventLevel::Debug => "debug",
        }
    }
}

/// `tracing` events.
#[cfg(all(feature = "tracing", not(all(feature = "wasm", target_family = "wasm"))))]
mod backend {
    use std::fmt;

    use super::EventLevel;

    pub(super) fn emit(level: EventLevel, message: fmt::Arguments<'_>) {
        match level {
            EventLevel::Error => tracing::error!("{message}"),
            EventLevel::Warn => tracing::warn!("{message}"),
            EventLevel::Info => tracing::info!("{message}"),
            EventLevel::Debug => tracing::debug!("{message}"),
        }
    }
}

/// Discards events.
#[cfg(not(any(feature = "tracing", all(feature = "wasm", target_family = "wasm"))))]
mod backend {
    use std::fmt;

    use super::EventLevel;

    pub(super) fn emit(_: EventLevel, _: fmt::Arguments<'_>) {}
}

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EventLevel {
    /// An operator has to act.
    #[allow(dead_code, reason = "callers receive errors; no event has this level yet")]
    Error,
    /// The operation continued, but may fail the next time.
    Warn,
    /// Happens once in a while.
    Info,
    /// Happens often where many processes write at once.
    Debug,
}

/// Emits `message`.
pub(crate) fn emit(level: EventLevel, message: fmt::Arguments<'_>) {
    backend::emit(level, message);
}

/// A store was opened.
pub(crate) fn store_opened(store: &dyn Store) {
    let name = store.capabilities().name;
    match store.read_only_reason() {
        None => {
            emit(EventLevel::Info, format_args!("runstate {} on a store of kind {name}", env!("CARGO_PKG_VERSION")))
        }
        Some(reason) => emit(EventLevel::Warn, format_args!("the store of kind {name} is read-only: {reason}")),
    }
}

/// A command lost a conflict and is decided again.
pub(crate) fn command_retried(name: &str, id: &CommandId, attempt: u32, error: &Error) {
    // A few attempts are normal. Many mean that a conflict persists.
    let level = if attempt < 8 { EventLevel::Debug } else { EventLevel::Warn };
    emit(level, format_args!("{name} {id} is retried (attempt {attempt}): {error}"));
}

/// A commit ended without an answer; its outcome is read from the store.
pub(crate) fn outcome_unknown(error: &store::StoreError) {
    emit(EventLevel::Warn, format_args!("{error}; reading the outcome from the store"));
}

/// Rows that a command staged could not be removed after it; a later cleanup removes them.
pub(crate) fn staged_rows_left(id: &CommandId, error: &store::StoreError) {
    emit(EventLevel::Info, format_args!("rows staged by {id} remain until a later cleanup: {error}"));
}

/// A declaration in the store cannot be read, so its collection is unknown.
pub(crate) fn declaration_unreadable(error: &Error) {
    emit(EventLevel::Warn, format_args!("a collection that was declared at run time is unknown: {error}"));
}

/// Due work failed.
pub(crate) fn due_failed(execution: &str, error: &Error) {
    emit(EventLevel::Warn, format_args!("due work of {execution} failed: {error}"));
}

/// A worker met a failure of the store or the engine, and continues.
pub(crate) fn worker_failed(owner: &str, error: &Error) {
    emit(EventLevel::Warn, format_args!("worker {owner}: {error}"));
}
