//! The compiler.

use wasm_bindgen::prelude::*;

use super::errors;
use super::errors::to_js_error;
use super::value::to_js;
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::wasm::compiler;

/// Compiles a source and returns `{ bytecode, compiler }`, and `{ entry, files }` if it imports files. `name` is the file name in diagnostics.
/// `files` is the JSON text of the files that it may import. Throws the fields of an error, with its diagnostics in `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(name: &str, source: &str, entry: Option<String>, files: Option<String>) -> Result<JsValue, JsValue> {
    let compiled = errors::check_not_panicked().and_then(|()| {
        let files = match &files {
            Some(files) => serde_json::from_str(files)
                .map_err(|error| Error::new(ErrorCode::INVALID, format!("`files` is not a list of files: {error}")))?,
            None => Vec::new(),
        };
        to_js(&compiler::compile(name, source, entry.as_deref(), files)?)
    });
    compiled.map_err(to_js_error)
}
