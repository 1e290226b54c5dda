//! A document as it stands in the database: `{ id, rev, v, doc, crc, i }`. `doc` is its JSON; `crc` seals the collection and all of these,
//! so that what is edited by hand is never believed; `i` has its entries in all indexes, from which the browser makes its one.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bytes::key_of;
use crate::id::Revision;
use crate::store::Stored;
use crate::store::tables::Projection;
use crate::value::{Crc32, Json, parse, written};

/// The members that are read back; entries are not.
pub(super) const READ: [&str; 5] = ["id", "rev", "v", "doc", "crc"];

/// A record as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    rev: Cow<'a, str>,
    v: u32,
    #[serde(borrow)]
    doc: Cow<'a, str>,
    crc: u32,
}

/// A record as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Written<'a> {
    id: &'a str,
    rev: String,
    v: u32,
    doc: String,
    crc: u32,
    i: Vec<String>,
}

impl Record<'_> {
    /// The document, or what is wrong with it.
    pub(super) fn open(self, collection: &str) -> Result<(Arc<str>, Stored), String> {
        if seal(collection, &self.id, &self.rev, self.v, &self.doc) != self.crc {
            return Err("its checksum does not fit what it holds".to_owned());
        }
        let revision = Revision::parse(&self.rev).ok_or_else(|| "its revision is none".to_owned())?;
        let document = parse(&self.doc).map_err(|e| format!("its JSON cannot be read: {e}"))?;
        let Json::Object(document) = document else { return Err("its JSON is no object".to_owned()) };
        Ok((Arc::from(&*self.id), Stored { revision, version: self.v, document: Arc::new(document) }))
    }
}

impl<'a> Written<'a> {
    /// The record of a document, with its entries by the slots of their indexes. An error: what cannot be written as JSON.
    pub(super) fn of(
        collection: &str,
        id: &'a str,
        stored: &Stored,
        indexes: impl Iterator<Item = (u8, &'a Projection)>,
    ) -> serde_json::Result<Self> {
        let (rev, v, doc) = (stored.revision.to_string(), stored.version, written(&*stored.document)?);
        let crc = seal(collection, id, &rev, v, &doc);
        let i = entries(id, stored, indexes).collect();
        Ok(Self { id, rev, v, doc, crc, i })
    }
}

/// The entries of a document, by the slots of their indexes.
pub(super) fn entries<'a>(
    id: &str,
    stored: &Stored,
    indexes: impl Iterator<Item = (u8, &'a Projection)>,
) -> impl Iterator<Item = String> {
    indexes.flat_map(move |(slot, projection)| {
        let keys = projection.keys(id, &stored.document).into_iter();
        keys.map(move |entry| key_of([slot].into_iter().chain(entry)))
    })
}

/// No two records have the same bytes here: ids and revisions have no control characters.
fn seal(collection: &str, id: &str, rev: &str, v: u32, doc: &str) -> u32 {
    let mut crc = Crc32::default();
    for part in [collection, id, rev, &v.to_string(), doc] {
        crc.update(part.as_bytes());
        crc.update(&[0]);
    }
    crc.finish()
}
