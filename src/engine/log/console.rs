//! A function of JavaScript.

use std::cell::RefCell;
use std::fmt;

use js_sys::Function;
use wasm_bindgen::JsValue;

use super::Level;

thread_local! {
    static SINK: RefCell<Option<(Level, Function)>> = const { RefCell::new(None) };
}

/// From now on `sink(level, message)` hears what is told at `level` or matters more: `error`, `warn`, `info`, `debug`; any other level: nothing.
pub(crate) fn log_to(sink: Function, level: &str) {
    let level = [Level::Error, Level::Warn, Level::Info, Level::Debug].into_iter().find(|known| name(*known) == level);
    SINK.set(level.map(|level| (level, sink)));
}

pub(super) fn tell(level: Level, message: fmt::Arguments<'_>) {
    // Taken out first: whoever hears it may choose another sink.
    let sink = SINK.with_borrow(|sink| sink.as_ref().filter(|(most, _)| level <= *most).map(|(_, sink)| sink.clone()));
    if let Some(sink) = sink {
        // A sink that fails is its own affair.
        drop(sink.call2(&JsValue::NULL, &name(level).into(), &message.to_string().into()));
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}
