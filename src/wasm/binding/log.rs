//! What the engine tells of itself, to whoever wants to hear it.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

thread_local! {
    static SINK: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Gives `sink(level, message)` what the engine tells of itself, from `level` on: `off`, `error`, `warn`, `info`, `debug`.
#[wasm_bindgen(js_name = logTo)]
pub fn log_to(
    #[wasm_bindgen(unchecked_param_type = "(level: string, message: string) => void")] sink: Function,
    level: &str,
) {
    let sink = (level != "off").then_some(sink);
    SINK.with_borrow_mut(|held| *held = sink);
}
