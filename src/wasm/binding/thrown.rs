//! Errors as they are thrown.

use wasm_bindgen::JsValue;

use crate::engine::Error;
use crate::value::json_text;

/// The error as JSON text, of which the package makes a `RunstateError`.
pub(crate) fn thrown(error: Error) -> JsValue {
    match serde_json::to_value(&error) {
        Ok(fields) => json_text(&fields).into(),
        Err(_) => error.message.into(),
    }
}
