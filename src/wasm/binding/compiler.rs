//! The compiler.

use wasm_bindgen::prelude::*;

use super::errors;
use super::errors::to_js_error;
use super::value::to_js;
use crate::wasm::compiler;

/// Compiles a source and returns `{ bytecode, compiler }`. `name` is the file name in diagnostics. Throws the fields of an error, with its diagnostics
/// in `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(name: &str, source: &str) -> Result<JsValue, JsValue> {
    let compiled = errors::check_not_panicked().and_then(|()| to_js(&compiler::compile(name, source)?));
    compiled.map_err(to_js_error)
}
