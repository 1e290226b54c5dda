//! Between typed entities and documents. A document that does not fit its type was changed by something else: it is told, not guessed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::code::Code;
use crate::decision::{Loaded, Rejection};
use crate::schema::Key;
use crate::value::{self, Document, Json};

/// The document of an entity.
pub(super) fn write<T: Serialize>(entity: &T) -> Result<Document, Rejection> {
    match serde_json::to_value(entity) {
        Ok(Json::Object(document)) => Ok(document),
        Ok(_) => Err(Rejection::domain(Code::Internal, "an entity is no object")),
        Err(e) => Err(Rejection::domain(Code::Internal, format!("an entity cannot be written: {e}"))),
    }
}

/// The entity of a document.
pub(super) fn read<T: DeserializeOwned>(key: &Key, loaded: &Loaded) -> Result<T, Rejection> {
    value::read_document(&loaded.document).map_err(|e| damaged(key, &e.to_string()))
}

/// A document that contradicts its own rules.
pub(super) fn damaged(key: &Key, why: &str) -> Rejection {
    Rejection::domain(Code::Corrupt, format!("{key} is damaged: {why}"))
}
