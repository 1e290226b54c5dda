//! Conversion between typed entities and documents, with the rejections of this domain. A document that does not match
//! its type was changed from outside, and is reported as damaged.

use runstate_core::decision::{LoadedDocument, Rejection};
use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Fields, Key, Violation};
use runstate_value::Document;

/// The document of an entity.
pub(super) fn write(entity: &impl Fields) -> Result<Document, Rejection> {
    let mut document = Document::new();
    match entity.write_fields(&mut document) {
        Ok(()) => Ok(document),
        Err(violation) => Err(unwritable(&violation)),
    }
}

#[cold]
#[inline(never)]
fn unwritable(violation: &Violation) -> Rejection {
    Rejection::domain(ErrorCode::INTERNAL, format!("an entity cannot be written: {violation}"))
}

/// The entity of a document.
pub(super) fn read<T: Fields>(key: &Key, loaded: &LoadedDocument) -> Result<T, Rejection> {
    read_document(key, &loaded.document)
}

/// As [`read`], for a document that is not stored yet.
pub(super) fn read_document<T: Fields>(key: &Key, document: &Document) -> Result<T, Rejection> {
    T::read_fields(document).map_err(|violation| damaged_field(key, &violation))
}

#[cold]
#[inline(never)]
fn damaged_field(key: &Key, violation: &Violation) -> Rejection {
    damaged(key, &violation.to_string())
}

/// The rejection for a document that contradicts its own rules.
pub(super) fn damaged(key: &Key, why: &str) -> Rejection {
    Rejection::domain(ErrorCode::CORRUPT, format!("{key} is damaged: {why}"))
}
