//! Conversions from and to JSON text.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::value::{self, Json};

/// Parses a parameter or value of `what`; errors name `what`.
pub fn from_json_text<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    value::from_value(&json(what, text)?).map_err(|e| usage_error(what, &e))
}

fn json(what: &str, text: &str) -> Result<Json, Error> {
    value::parse(text).map_err(|e| usage_error(what, &e))
}

fn usage_error(what: &str, why: &dyn Display) -> Error {
    Error::new(ErrorCode::Usage, format!("{what}: {why}"))
}

/// Serializes a result as JSON text.
pub fn to_json_text<T: Serialize>(result: &T) -> Result<String, Error> {
    match serde_json::to_value(result) {
        Ok(value) => Ok(value::json_text(&value)),
        Err(e) => Err(Error::internal(format!("cannot serialize the result: {e}"))),
    }
}
