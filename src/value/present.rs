//! Members in which null is a value, where a missing one says something else.

use serde::{Deserialize, Deserializer};

use super::Json;

/// For `#[serde(default, deserialize_with = "…")]` on an `Option<Json>`: what is there is `Some`, null too; only what is missing is `None`.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}
