//! JSON text in and out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::code::Code;
use crate::engine::Error;
use crate::value::Json;

/// What the caller gives, as `what` takes it.
pub fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    // By way of a value that is lent: so the engine reads types anyway, and each other way costs every type its code.
    let value: Result<Json, _> = serde_json::from_str(text);
    value.and_then(|value| T::deserialize(&value)).map_err(|e| Error::new(Code::Usage, format!("{what}: {e}")))
}

/// What the caller is told.
pub fn write<T: Serialize>(result: &T) -> Result<String, Error> {
    match serde_json::to_value(result) {
        Ok(value) => Ok(value.to_string()),
        Err(e) => Err(Error::internal(format!("the result cannot be written: {e}"))),
    }
}
