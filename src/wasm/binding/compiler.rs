//! The compiler.

use wasm_bindgen::prelude::*;

use super::panics;
use super::thrown::thrown;
use crate::wasm::compiling::compiled;

/// Compiles a source; `name` is only named in what is found. `{ bytecode, compiler }` as JSON text; throws an error as JSON text, with what was
/// found as `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(name: &str, source: &str) -> Result<String, JsValue> {
    panics::refuse_broken().and_then(|()| compiled(name, source)).map_err(thrown)
}
