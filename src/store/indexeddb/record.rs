//! The record of a document: `{ id, rev, v, doc, crc, i }`. `doc` is its JSON. `crc` is a CRC-32 over the collection and the
//! members before it, so edits by hand are detected. `i` has its entries in all indexes, which the browser indexes.

use std::borrow::Cow;
use std::sync::Arc;

use js_sys::Array;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use super::binding::{IdbKeyRange, stringify};
use crate::id::Revision;
use crate::store::StoredDocument;
use crate::store::tables::EntryExtractor;
use crate::value::{Crc32, Json, from_value, parse, to_json_string};

/// The members that are read. Entries are not read.
pub(super) const READ_MEMBERS: [&str; 5] = ["id", "rev", "v", "doc", "crc"];

/// A record as read.
#[derive(Debug, Deserialize)]
pub(super) struct StoredRecord<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    rev: Cow<'a, str>,
    v: u32,
    #[serde(borrow)]
    doc: Cow<'a, str>,
    crc: u32,
}

/// A record as written.
#[derive(Debug, Serialize)]
pub(super) struct EncodedRecord<'a> {
    id: &'a str,
    rev: String,
    v: u32,
    doc: String,
    crc: u32,
    i: Vec<String>,
}

impl StoredRecord<'_> {
    /// Decodes the document. The error is the problem with the record.
    pub(super) fn decode(self, collection: &str) -> Result<(Arc<str>, StoredDocument), String> {
        if checksum(collection, &self.id, &self.rev, self.v, &self.doc) != self.crc {
            return Err("its checksum does not match its contents".to_owned());
        }
        let revision = Revision::parse(&self.rev).ok_or_else(|| "its revision is not valid".to_owned())?;
        let document = parse(&self.doc).map_err(|e| format!("its JSON cannot be read: {e}"))?;
        let Json::Object(document) = document else { return Err("its JSON is not an object".to_owned()) };
        Ok((Arc::from(&*self.id), StoredDocument { revision, version: self.v, document: Arc::new(document) }))
    }
}

impl<'a> EncodedRecord<'a> {
    /// Creates the record of a document, with its entries by the slots of their indexes. The error: the document cannot be written as JSON.
    pub(super) fn new(
        collection: &str,
        id: &'a str,
        stored: &StoredDocument,
        indexes: impl Iterator<Item = (u8, &'a EntryExtractor)>,
    ) -> serde_json::Result<Self> {
        let (rev, v, doc) = (stored.revision.to_string(), stored.version, to_json_string(&*stored.document)?);
        let crc = checksum(collection, id, &rev, v, &doc);
        let i = index_entries(id, stored, indexes).collect();
        Ok(Self { id, rev, v, doc, crc, i })
    }
}

/// Returns the index entries of a document, each preceded by the slot of its index.
pub(super) fn index_entries<'a>(
    id: &str,
    stored: &StoredDocument,
    indexes: impl Iterator<Item = (u8, &'a EntryExtractor)>,
) -> impl Iterator<Item = String> {
    indexes.flat_map(move |(slot, projection)| {
        let keys = projection.keys(id, &stored.document).into_iter();
        keys.map(move |entry| encode_key_bytes([slot].into_iter().chain(entry)))
    })
}

/// Returns the CRC-32 of a record. Ids and revisions have no control characters, so no two records have the same checked bytes.
fn checksum(collection: &str, id: &str, rev: &str, v: u32, doc: &str) -> u32 {
    let mut crc = Crc32::default();
    for part in [collection, id, rev, &v.to_string(), doc] {
        crc.update(part.as_bytes());
        crc.update(&[0]);
    }
    crc.finish()
}

/// Encodes bytes as a text.
pub(super) fn encode_key(bytes: &[u8]) -> String {
    encode_key_bytes(bytes.iter().copied())
}

/// As [`encode_key`], for an iterator of bytes.
pub(super) fn encode_key_bytes(bytes: impl Iterator<Item = u8>) -> String {
    bytes.map(char::from).collect()
}

/// Returns the bytes of an encoded text, or `None` if the text is not a valid encoding.
pub(super) fn decode_key(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// Returns the browser's range of the keys from `from` (included) to `to` (excluded; `None`: unbounded).
pub(super) fn key_range(from: &[u8], to: Option<&[u8]>) -> Result<JsValue, JsValue> {
    let at = |bytes: &[u8]| JsValue::from_str(&encode_key(bytes));
    match to {
        None if from.is_empty() => Ok(JsValue::UNDEFINED),
        None => IdbKeyRange::lower_bound(&at(from), false),
        Some(to) if from.is_empty() => IdbKeyRange::upper_bound(&at(to), true),
        Some(to) => IdbKeyRange::bound(&at(from), &at(to), false, true),
    }
}

/// A document, or the problem with its record.
pub(super) type DecodedRecord = Result<(Arc<str>, StoredDocument), String>;

/// Decodes lists of records. `collections` has the collection of each list.
pub(super) fn decode_lists(lists: &Array, collections: &[&str]) -> Vec<Vec<DecodedRecord>> {
    let text = stringify(lists, &member_names()).ok().and_then(|text| text.as_string());
    let all = text.as_deref().and_then(|text| parse(text).ok()).unwrap_or_default();
    match from_value::<Vec<Vec<StoredRecord<'_>>>>(&all).ok() {
        Some(lists) => {
            let lists = lists.into_iter().zip(collections);
            lists.map(|(list, collection)| list.into_iter().map(|record| record.decode(collection)).collect()).collect()
        }
        // One record is not valid, so they are decoded one by one.
        None => {
            let lists = lists.iter().zip(collections);
            let each = |(list, collection): (JsValue, &&str)| {
                Array::from(&list).iter().map(|record| decode_record(&record, collection)).collect()
            };
            lists.map(each).collect()
        }
    }
}

/// Decodes one record.
pub(super) fn decode_record(record: &JsValue, collection: &str) -> DecodedRecord {
    let text = stringify(record, &member_names()).ok().and_then(|text| text.as_string());
    let text = text.ok_or_else(|| "it cannot be represented as JSON".to_owned())?;
    let record = parse(&text).map_err(|e| e.to_string())?;
    let record: StoredRecord<'_> =
        from_value(&record).map_err(|e| format!("it is not a valid document record: {e}"))?;
    record.decode(collection)
}

fn member_names() -> Array {
    READ_MEMBERS.iter().map(|name| JsValue::from_str(name)).collect()
}

/// Returns a value as JSON; null if it has none.
pub(super) fn to_json(value: &JsValue) -> Json {
    let text = stringify(value, &JsValue::UNDEFINED).ok().and_then(|text| text.as_string());
    text.and_then(|text| parse(&text).ok()).unwrap_or_default()
}
