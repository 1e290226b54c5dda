//! The lines of a snapshot, for writing and reading. `directory.rs` has their locations.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{Revision, hex, unhex};
use crate::store::tables::{EntryKey, deadline_key, decode_deadline, strip_id};
use crate::store::{StoreError, StoredDocument};
use crate::time::Timestamp;
use crate::value::Document;

#[derive(Serialize, Deserialize)]
struct DocumentLine<'a> {
    c: Cow<'a, str>,
    id: Cow<'a, str>,
    rev: Revision,
    v: u32,
    doc: Arc<Document>,
}

/// The id of a document; its other fields are skipped.
#[derive(Deserialize)]
struct IdLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct EntryLine<'a> {
    k: Cow<'a, str>,
    id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct DeadlineLine<'a> {
    at: Timestamp,
    id: Cow<'a, str>,
}

/// The kind of the lines in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    Documents,
    Entries,
    Deadlines,
}

/// A row of a snapshot, which is one line.
pub trait SnapshotRow: Clone {
    /// Parses the line of a row of `collection`; the error says what is wrong with it.
    fn parse(line: &[u8], kind: SectionKind, collection: &str) -> Result<Self, String>;

    /// Parses only the key of a line.
    fn parse_key(line: &[u8], kind: SectionKind) -> Result<Cow<'_, [u8]>, String>;

    /// Returns the sort key.
    fn key(&self) -> &[u8];
}

/// A document with its id.
pub type DocumentRow = (Arc<str>, StoredDocument);

/// An entry with the id of its document.
pub type EntryRow = (EntryKey, Arc<str>);

impl SnapshotRow for DocumentRow {
    fn parse(line: &[u8], _: SectionKind, collection: &str) -> Result<Self, String> {
        let line: DocumentLine<'_> =
            serde_json::from_slice(line).map_err(|e| format!("a document cannot be read ({e})"))?;
        if line.c != collection {
            return Err(format!("a document of {} is in the part of {collection}", line.c));
        }
        Ok((line.id.into(), StoredDocument { revision: line.rev, version: line.v, document: line.doc }))
    }

    fn parse_key(line: &[u8], _: SectionKind) -> Result<Cow<'_, [u8]>, String> {
        let IdLine { id } = serde_json::from_slice(line).map_err(|e| format!("a document cannot be read ({e})"))?;
        Ok(match id {
            Cow::Borrowed(id) => Cow::Borrowed(id.as_bytes()),
            Cow::Owned(id) => Cow::Owned(id.into_bytes()),
        })
    }

    fn key(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl SnapshotRow for EntryRow {
    fn parse(line: &[u8], kind: SectionKind, _: &str) -> Result<Self, String> {
        let wrong = |e: serde_json::Error| format!("an entry cannot be read ({e})");
        let (mut key, id) = if kind == SectionKind::Deadlines {
            let line: DeadlineLine<'_> = serde_json::from_slice(line).map_err(wrong)?;
            (deadline_key(line.at).to_vec(), line.id)
        } else {
            let line: EntryLine<'_> = serde_json::from_slice(line).map_err(wrong)?;
            (unhex(&line.k).ok_or("the key of an entry is not hexadecimal")?, line.id)
        };
        key.extend_from_slice(id.as_bytes());
        Ok((key.into(), id.into()))
    }

    fn parse_key(line: &[u8], kind: SectionKind) -> Result<Cow<'_, [u8]>, String> {
        let (key, _) = Self::parse(line, kind, "")?;
        Ok(Cow::Owned(key.to_vec()))
    }

    fn key(&self) -> &[u8] {
        &self.0
    }
}

/// Appends the line of a document.
pub fn write_document(
    out: &mut Vec<u8>,
    collection: &str,
    id: &str,
    stored: &StoredDocument,
) -> Result<(), StoreError> {
    let (c, id) = (Cow::Borrowed(collection), Cow::Borrowed(id));
    let (rev, v, doc) = (stored.revision.clone(), stored.version, stored.document.clone());
    write_line(out, &DocumentLine { c, id, rev, v, doc })
}

/// Appends the line of an entry.
pub fn write_entry(out: &mut Vec<u8>, kind: SectionKind, key: &[u8], id: &str) -> Result<(), StoreError> {
    let (entry, id) = (strip_id(key, id), Cow::Borrowed(id));
    match (kind, decode_deadline(entry)) {
        (SectionKind::Deadlines, Some(at)) => write_line(out, &DeadlineLine { at, id }),
        _ => write_line(out, &EntryLine { k: hex(entry).into(), id }),
    }
}

/// Appends a line.
pub fn write_line(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *out, value)
        .map_err(|e| StoreError::Unavailable { what: "writing a snapshot as JSON".to_owned(), why: e.to_string() })?;
    out.push(b'\n');
    Ok(())
}
