//! Deserialization of members in which null differs from a missing member.

use serde::{Deserialize, Deserializer};

use super::Json;

/// For `#[serde(default, deserialize_with = "…")]` on an `Option<Json>`: a present member is `Some`, even if it is null; a missing
/// one is `None`.
pub fn deserialize_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}
