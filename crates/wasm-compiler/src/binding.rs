//! The compiler.

use runstate_core::Error;
use runstate_core::error_code::ErrorCode;
use runstate_domain_cvm::ProgramFile;
use runstate_js::{check_not_panicked, to_js, to_js_error};
use wasm_bindgen::prelude::*;

/// Compiles a source and returns `{ bytecode, compiler }`, and `{ entry, files }` if it imports files. `name` is the
/// file name in diagnostics. `files` is the JSON text of the files that it may import, and `built_ins` that of the
/// built-ins that are written in the language. Throws the fields of an error, with its diagnostics in
/// `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(
    name: &str,
    source: &str,
    entry: Option<String>,
    files: Option<String>,
    built_ins: Option<String>,
) -> Result<JsValue, JsValue> {
    let compiled = check_not_panicked().and_then(|()| {
        let (files, built_ins) = (read_files(files)?, read_files(built_ins)?);
        to_js(&crate::compile(name, source, entry.as_deref(), files, built_ins)?)
    });
    compiled.map_err(to_js_error)
}

fn read_files(files: Option<String>) -> Result<Vec<ProgramFile>, Error> {
    let Some(files) = files else { return Ok(Vec::new()) };
    serde_json::from_str(&files)
        .map_err(|error| Error::new(ErrorCode::INVALID, format!("`files` is not a list of files: {error}")))
}
