//! The engine's log events, passed to JavaScript.

use std::cell::RefCell;

use js_sys::Function;
use log::{LevelFilter, Log, Metadata, Record};
use wasm_bindgen::prelude::*;

thread_local! {
    static SINK: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Passes records to the sink.
struct JavaScriptLog;

impl Log for JavaScriptLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Copied out of the cell first: the sink may replace itself.
        if let Some(sink) = SINK.with_borrow(Clone::clone) {
            let (level, message) = (record.level().as_str().to_ascii_lowercase(), record.args().to_string());
            // An exception thrown by the sink is ignored.
            drop(sink.call2(&JsValue::NULL, &level.into(), &message.into()));
        }
    }

    fn flush(&self) {}
}

/// Calls `sink(level, message)` with the engine's log events of at least `level`: `off`, `error`, `warn`, `info`,
/// `debug`.
#[wasm_bindgen(js_name = logTo)]
pub fn log_to(
    #[wasm_bindgen(unchecked_param_type = "(level: string, message: string) => void")] sink: Function,
    level: &str,
) {
    SINK.set(Some(sink));
    // An error means that it is set already.
    drop(log::set_logger(&JavaScriptLog));
    log::set_max_level(level.parse().unwrap_or(LevelFilter::Off));
}
