//! A snapshot: all documents as of one commit, the ledger included, as lines of JSON. An index and its offset at the end let a
//! reader find a collection without reading the rest.
//!
//! ```text
//! {"snapshot":42,"format":1,"store":"<id>","prev":"<SHA-256 of commit 42's bytes>"}
//! {"c":"demo.notes","id":"a","rev":"1-5f0c…","v":1,"doc":{…}}          sorted by collection and id
//! {"index":"demo.notes","offset":137,"documents":1}                    offset of the first byte of its first document
//! {"index_at":201,"documents":1,"crc":"89abcdef"}
//! ```
//!
//! Snapshot 0 holds nothing; its `prev` is the hash of runstate.json, so that the chain begins at the store's identity.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::format::{FORMAT, Identity, check_seal, seal};
use super::load::Head;
use crate::id::Revision;
use crate::schema::Key;
use crate::store::Stored;
use crate::value::Document;

/// The first line of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The commit as of which it was taken; also its name.
    pub snapshot: u64,
    /// Format of its lines.
    pub format: u64,
    /// The store it belongs to.
    pub store: String,
    /// Hash of its last commit.
    pub prev: String,
}

impl Header {
    /// Of the snapshot as of the last commit of a state.
    pub fn of(identity: &Identity, head: &Head) -> Self {
        Self { snapshot: head.seq, format: FORMAT, store: identity.store.clone(), prev: head.hash.clone() }
    }

    /// Of snapshot 0.
    pub fn first(identity: &Identity) -> Self {
        Self { snapshot: 0, format: FORMAT, store: identity.store.clone(), prev: identity.hash.clone() }
    }
}

#[derive(Serialize, Deserialize)]
struct DocumentLine<'a> {
    c: Cow<'a, str>,
    id: Cow<'a, str>,
    rev: Revision,
    v: u32,
    doc: Arc<Document>,
}

#[derive(Serialize, Deserialize)]
struct IndexLine<'a> {
    index: Cow<'a, str>,
    offset: u64,
    documents: u64,
}

#[derive(Serialize, Deserialize)]
struct LastLine {
    index_at: u64,
    documents: u64,
}

/// The bytes of a snapshot of `documents`, which come sorted by collection.
pub fn write<'a>(
    header: &Header,
    documents: impl Iterator<Item = (&'a str, &'a Arc<str>, &'a Stored)>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    line(&mut out, header)?;
    let mut index: Vec<IndexLine<'_>> = Vec::new();
    for (collection, id, stored) in documents {
        match index.last_mut().filter(|last| last.index == collection) {
            Some(last) => last.documents += 1,
            None => {
                index.push(IndexLine { index: Cow::Borrowed(collection), offset: out.len() as u64, documents: 1 });
            }
        }
        let (c, id) = (Cow::Borrowed(collection), Cow::Borrowed(&**id));
        let (rev, v, doc) = (stored.revision.clone(), stored.version, stored.document.clone());
        line(&mut out, &DocumentLine { c, id, rev, v, doc })?;
    }
    let last = LastLine { index_at: out.len() as u64, documents: index.iter().map(|l| l.documents).sum() };
    for entry in &index {
        line(&mut out, entry)?;
    }
    serde_json::to_writer(&mut out, &last)?;
    out.pop();
    Ok(seal(out))
}

fn line(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *out, value)?;
    out.push(b'\n');
    Ok(())
}

/// Reads snapshot `seq` of `store` and hands each document to `load`; the error says what is wrong with it. Nothing of a damaged
/// snapshot is handed out.
pub fn read(bytes: &[u8], seq: u64, store: &str, mut load: impl FnMut(Key, Stored)) -> Result<Header, String> {
    let wrong = |what: &'static str| move |e: serde_json::Error| format!("{what} cannot be read ({e})");
    // The header comes before the seal: of a newer format it may be all that is understood.
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let header: Header = serde_json::from_slice(first).map_err(wrong("its first line"))?;
    check_seal(bytes)?;
    if header.format > FORMAT {
        return Err(format!("it has format {}, which this program does not know", header.format));
    }
    if header.snapshot != seq {
        return Err(format!("it says it is snapshot {}: it was renamed or copied", header.snapshot));
    }
    if header.store != store {
        return Err(format!("it belongs to another store ({})", header.store));
    }
    let end = bytes.len().saturating_sub(1);
    let tail = bytes[..end].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let last: LastLine = serde_json::from_slice(&bytes[tail..]).map_err(wrong("its last line"))?;
    let documents = usize::try_from(last.index_at).ok().and_then(|at| bytes.get(first.len() + 1..at));
    let documents = documents.ok_or("its last line points outside of it")?;
    let mut count = 0;
    for text in documents.split(|b| *b == b'\n').filter(|text| !text.is_empty()) {
        let line: DocumentLine<'static> = serde_json::from_slice(text).map_err(wrong("a document"))?;
        let key = Key { collection: Cow::Owned(line.c.into_owned()), id: line.id.into() };
        load(key, Stored { revision: line.rev, version: line.v, document: line.doc });
        count += 1;
    }
    if count != last.documents {
        return Err(format!("it has {count} documents and says {}", last.documents));
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn header(seq: u64) -> Header {
        Header { snapshot: seq, format: FORMAT, store: "s".into(), prev: "p".into() }
    }

    fn documents() -> Vec<(&'static str, Arc<str>, Stored)> {
        let stored = |text: &str| Stored {
            revision: Revision::parse("3-0123456789ab").unwrap(),
            version: 2,
            document: Arc::new(json!({"text": text, "float": 5e-324}).as_object().unwrap().clone()),
        };
        vec![("a.a", "1".into(), stored("x\n")), ("a.a", "2".into(), stored("{")), ("b.b", "1".into(), stored(""))]
    }

    fn bytes() -> Vec<u8> {
        write(&header(9), documents().iter().map(|(c, id, stored)| (*c, id, stored))).unwrap()
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<(String, Arc<str>, Stored)>, String> {
        let mut found = Vec::new();
        read(bytes, 9, "s", |key, stored| found.push((key.collection.into_owned(), key.id, stored)))?;
        Ok(found)
    }

    #[test]
    fn a_snapshot_reads_back_exactly() {
        let expected: Vec<_> = documents().into_iter().map(|(c, id, stored)| (c.to_owned(), id, stored)).collect();
        assert_eq!(read_all(&bytes()), Ok(expected));
        let empty = write(&header(9), std::iter::empty()).unwrap();
        assert_eq!(read_all(&empty), Ok(Vec::new()));
    }

    #[test]
    fn the_index_finds_each_collection() {
        let bytes = bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        let index = text.lines().find(|line| line.contains(r#""index":"b.b""#)).unwrap();
        let index: IndexLine<'_> = serde_json::from_str(index).unwrap();
        assert!(text[index.offset as usize..].starts_with(r#"{"c":"b.b","id":"1""#));
        assert_eq!(index.documents, 1);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_snapshot_is_seen() {
        let bytes = bytes();
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(read_all(&flipped).is_err(), "bit {at}");
        }
        for length in 0..bytes.len() {
            assert!(read_all(&bytes[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn a_snapshot_of_another_place_or_store_is_seen() {
        assert!(read(&bytes(), 8, "s", |_, _| ()).unwrap_err().contains("renamed"));
        assert!(read(&bytes(), 9, "t", |_, _| ()).unwrap_err().contains("another store"));
    }
}
