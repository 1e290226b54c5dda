//! The compiler.

use runstate_core::Error;
use runstate_core::error_code::ErrorCode;
use runstate_js::{check_not_panicked, to_js, to_js_error};
use wasm_bindgen::prelude::*;

/// Compiles a source and returns `{ bytecode, compiler }`, and `{ entry, files }` if it imports files. `name` is the
/// file name in diagnostics. `files` is the JSON text of the files that it may import. Throws the fields of an error,
/// with its diagnostics in `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(name: &str, source: &str, entry: Option<String>, files: Option<String>) -> Result<JsValue, JsValue> {
    let compiled = check_not_panicked().and_then(|()| {
        let files = match &files {
            Some(files) => serde_json::from_str(files)
                .map_err(|error| Error::new(ErrorCode::INVALID, format!("`files` is not a list of files: {error}")))?,
            None => Vec::new(),
        };
        to_js(&crate::compile(name, source, entry.as_deref(), files)?)
    });
    compiled.map_err(to_js_error)
}
