//! The compiler.

use runstate_core::Error;
use runstate_core::error_code::ErrorCode;
use runstate_js::{check_not_panicked, to_js, to_js_error};
use wasm_bindgen::prelude::*;

/// Compiles a source and returns a [`CompiledSource`](crate::CompiledSource). `name` is the file name in diagnostics.
/// `options` is the JSON text of [`SourceOptions`](runstate_domain_cvm::SourceOptions). Throws the fields of an error,
/// with its diagnostics in `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(name: &str, source: &str, options: &str) -> Result<JsValue, JsValue> {
    let compiled = check_not_panicked().and_then(|()| {
        let invalid =
            |error| Error::new(ErrorCode::INVALID, format!("the options of the compiler are invalid: {error}"));
        let options = serde_json::from_str(options).map_err(invalid)?;
        to_js(&crate::compile(name, source, options)?)
    });
    compiled.map_err(to_js_error)
}
