//! What the engine tells of itself, to whoever wants to hear it.

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::engine;

/// Gives `sink(level, message)` what the engine tells of itself, from `level` on: `off`, `error`, `warn`, `info`, `debug`.
#[wasm_bindgen(js_name = logTo)]
pub fn log_to(
    #[wasm_bindgen(unchecked_param_type = "(level: string, message: string) => void")] sink: Function,
    level: &str,
) {
    engine::log::log_to(sink, level);
}
