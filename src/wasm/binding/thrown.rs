//! Errors as they are thrown.

use wasm_bindgen::JsValue;

use crate::engine::Error;

/// The error as JSON text, of which the package makes a `RunstateError`.
pub(crate) fn thrown(error: Error) -> JsValue {
    match serde_json::to_value(&error) {
        Ok(fields) => fields.to_string().into(),
        Err(_) => error.message.into(),
    }
}
