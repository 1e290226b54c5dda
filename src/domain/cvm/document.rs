//! Conversion between typed entities and documents. A document that does not match its type was changed from outside, and is reported as
//! damaged.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decision::{LoadedDocument, Rejection};
use crate::error_code::ErrorCode;
use crate::schema::Key;
use crate::value::{self, Document, Json};

/// Serializes an entity to its document.
pub(super) fn write<T: Serialize>(entity: &T) -> Result<Document, Rejection> {
    match serde_json::to_value(entity) {
        Ok(Json::Object(document)) => Ok(document),
        Ok(_) => Err(Rejection::domain(ErrorCode::Internal, "an entity is not a JSON object")),
        Err(e) => Err(Rejection::domain(ErrorCode::Internal, format!("an entity cannot be written: {e}"))),
    }
}

/// Decodes the entity of a document.
pub(super) fn read<T: DeserializeOwned>(key: &Key, loaded: &LoadedDocument) -> Result<T, Rejection> {
    value::from_document(&loaded.document).map_err(|e| damaged(key, &e.to_string()))
}

/// The rejection for a document that contradicts its own rules.
pub(super) fn damaged(key: &Key, why: &str) -> Rejection {
    Rejection::domain(ErrorCode::Corrupt, format!("{key} is damaged: {why}"))
}
