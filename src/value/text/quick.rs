//! `serde_json` itself.

use std::io::Write;

use serde::Serialize;

use super::Malformed;
use crate::value::Json;

pub fn parse(text: &str) -> Result<Json, Malformed> {
    serde_json::from_str(text).map_err(|why| Malformed(why.to_string()))
}

pub fn put<T: Serialize + ?Sized>(value: &T, out: impl Write) -> serde_json::Result<()> {
    serde_json::to_writer(out, value)
}
