//! The engine's log events, passed to JavaScript.

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::engine;

/// Calls `sink(level, message)` with the engine's log events of at least `level`: `off`, `error`, `warn`, `info`, `debug`.
#[wasm_bindgen(js_name = logTo)]
pub fn log_to(
    #[wasm_bindgen(unchecked_param_type = "(level: string, message: string) => void")] sink: Function,
    level: &str,
) {
    engine::log::set_sink(sink, level);
}
