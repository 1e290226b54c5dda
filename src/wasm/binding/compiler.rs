//! The compiler.

use wasm_bindgen::prelude::*;

use super::errors;
use super::errors::to_js_error;
use crate::wasm::compiler::compile_to_json;

/// Compiles a source and returns `{ bytecode, compiler }` as JSON text. `name` is the file name in diagnostics. Throws an error as JSON text, with
/// its diagnostics in `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(name: &str, source: &str) -> Result<String, JsValue> {
    errors::check_not_panicked().and_then(|()| compile_to_json(name, source)).map_err(to_js_error)
}
