//! JSON text in and out.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::code::Code;
use crate::engine::Error;
use crate::value::{self, Json};

/// What the caller gives, as `what` takes it.
pub fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    value::read(&json(what, text)?).map_err(|e| unusable(what, &e))
}

fn json(what: &str, text: &str) -> Result<Json, Error> {
    value::parse(text).map_err(|e| unusable(what, &e))
}

fn unusable(what: &str, why: &dyn Display) -> Error {
    Error::new(Code::Usage, format!("{what}: {why}"))
}

/// What the caller is told.
pub fn write<T: Serialize>(result: &T) -> Result<String, Error> {
    match serde_json::to_value(result) {
        Ok(value) => Ok(value::json_text(&value)),
        Err(e) => Err(Error::internal(format!("the result cannot be written: {e}"))),
    }
}
