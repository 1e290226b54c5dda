//! Conversions from and to JSON text.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::value::{self, Json};

/// Parses a parameter or value of `name`; errors contain `name`.
pub fn from_json_text<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    value::from_value(&json(name, text)?).map_err(|e| usage_error(name, &e))
}

fn json(name: &str, text: &str) -> Result<Json, Error> {
    value::parse(text).map_err(|e| usage_error(name, &e))
}

fn usage_error(name: &str, error: &dyn Display) -> Error {
    Error::new(ErrorCode::Usage, format!("{name}: {error}"))
}

/// Serializes a result as JSON text.
pub fn to_json_text<T: Serialize>(result: &T) -> Result<String, Error> {
    match serde_json::to_value(result) {
        Ok(value) => Ok(value::json_text(&value)),
        Err(e) => Err(Error::internal(format!("cannot serialize the result: {e}"))),
    }
}
