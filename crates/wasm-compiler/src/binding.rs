//! The compiler.

use runstate_core::Error;
use runstate_core::error_code::ErrorCode;
use runstate_js::{check_not_panicked, to_js, to_js_error};
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

/// Compiles a source and returns a [`CompiledSource`](crate::CompiledSource). `name` is the file name in diagnostics.
/// `options` is the JSON text of [`SourceOptions`](runstate_domain_cvm::SourceOptions), and `built_ins` that of the
/// built-ins that are written in the language. Throws the fields of an error, with its diagnostics in
/// `details.diagnostics`.
#[wasm_bindgen]
pub fn compile(name: &str, source: &str, options: &str, built_ins: Option<String>) -> Result<JsValue, JsValue> {
    let compiled = check_not_panicked().and_then(|()| {
        let options = read(options)?;
        let built_ins = built_ins.map_or(Ok(Vec::new()), |built_ins| read(&built_ins))?;
        to_js(&crate::compile(name, source, options, built_ins)?)
    });
    compiled.map_err(to_js_error)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let invalid = |error| Error::new(ErrorCode::INVALID, format!("the options of the compiler are invalid: {error}"));
    serde_json::from_str(text).map_err(invalid)
}
