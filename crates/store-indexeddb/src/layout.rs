//! The layout of the database, in the object store `runstate`. The key `store` has its format and id. The key of each
//! collection has the declared version and the declaration that made each index. The layout and a catalog determine an
//! upgrade.
//!
//! A document has a record `{ id, rev, v, doc, crc, i }`. `doc` is its JSON. `crc` is a CRC-32 over the collection and
//! the members before it, so edits by hand are detected. `i` has its entries in all indexes, which the browser
//! indexes.

use std::sync::Arc;

use js_sys::Reflect;
use runstate_core::id::Revision;
use runstate_core::schema::{Catalog, Collection};
use runstate_store::tables::{EntryExtractor, EntryKind};
use runstate_store::{COMMANDS, StoreError, StoredDocument};
use runstate_value::{CRC_32, Json, SortedMap, parse, to_json_string};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use super::binding::IdbKeyRange;

/// The object store of the layout. No collection has this name.
pub(super) const META: &str = "runstate";

/// The object store of the change feed. No collection has this name.
pub(super) const FEED: &str = "changes";

/// The key of [`DatabaseIdentity`] in [`META`].
pub(super) const IDENTITY: &str = "store";

/// The browser index of each object store of documents, over all their entries. Each entry begins with the slot of its
/// declared index. One browser index costs a third of one browser index per declared index.
pub(super) const ENTRIES: &str = "i";

/// The object store that format 2 had for the end of the feed. No collection has this name.
pub(super) const FEED_END: &str = "end";

/// The format that this version writes, and the newest that it reads. In format 1 each declared index was a browser
/// index. Programs of format 2 commit without reading, and detect each other by a row of [`FEED_END`] that format 3
/// lacks. So they must not write to it.
pub(super) const FORMAT: u64 = 3;

/// The identity of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DatabaseIdentity {
    pub(super) format: u64,
    /// The id, which is unique to the store.
    pub(super) store: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CollectionLayout {
    /// The newest version of the collection that was ever declared in this store.
    pub(super) version: u32,
    pub(super) indexes: Vec<IndexSlot>,
}

/// An index that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexSlot {
    /// The character with which its entries begin; in format 1 the name of its browser index.
    pub(super) slot: String,
    /// The name of the index, for display.
    pub(super) name: String,
    /// The declaration that made its entries. A different declaration cannot use the index.
    pub(super) made_by: String,
}

/// The layout of the whole database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DatabaseLayout {
    pub(super) identity: DatabaseIdentity,
    pub(super) collections: SortedMap<String, CollectionLayout>,
}

pub(super) struct CollectionUpgrade {
    pub(super) collection: &'static Collection,
    /// The collection has no object store yet.
    pub(super) new: bool,
    /// Slots of indexes that are no longer declared.
    pub(super) dropped: Vec<String>,
    /// Slots of indexes to create.
    pub(super) added: Vec<u8>,
    /// The layout after the upgrade.
    pub(super) layout: CollectionLayout,
}

/// Returns the collections that a catalog needs: its own and the ledger.
pub(super) fn declared_collections(catalog: &Catalog) -> impl Iterator<Item = &'static Collection> {
    catalog.iter().chain([&COMMANDS])
}

impl DatabaseLayout {
    /// Creates the layout of a new store without collections.
    pub(super) fn new(store: String) -> Self {
        Self { identity: DatabaseIdentity { format: FORMAT, store }, collections: SortedMap::default() }
    }

    /// Returns the reason why a program with this catalog can only read, if the store is newer.
    pub(super) fn newer_version_error(&self, database: &str, catalog: &Catalog) -> Option<StoreError> {
        if self.identity.format > FORMAT {
            let (what, found) = (super::error_mapping::describe_database(database), self.identity.format);
            return Some(StoreError::NewerVersion { what, found, supported: FORMAT });
        }
        declared_collections(catalog).find_map(|collection| {
            let found = self.collections.get(collection.name)?.version;
            let Collection { name, version, .. } = *collection;
            (found > version).then(|| StoreError::newer_version_of(name, found.into(), version))
        })
    }

    /// Returns whether the catalog can be used without an upgrade.
    pub(super) fn satisfies(&self, catalog: &Catalog) -> bool {
        self.identity.format == FORMAT && self.plan_upgrades(catalog).is_empty()
    }

    /// Returns the upgrades that the catalog needs.
    pub(super) fn plan_upgrades(&self, catalog: &Catalog) -> Vec<CollectionUpgrade> {
        declared_collections(catalog).filter_map(|collection| self.plan_upgrade(collection)).collect()
    }

    fn plan_upgrade(&self, collection: &'static Collection) -> Option<CollectionUpgrade> {
        let extractors = EntryExtractor::for_collection(collection);
        let found = self.collections.get(collection.name);
        let before = found.map_or(&[][..], |layout| &layout.indexes);
        let is_declared = |slot: &IndexSlot| {
            slot.prefix().is_some() && extractors.iter().any(|extractor| *extractor.made_by == *slot.made_by)
        };
        let (mut indexes, obsolete): (Vec<IndexSlot>, Vec<IndexSlot>) = before.iter().cloned().partition(is_declared);
        let mut taken: Vec<u8> = before.iter().filter_map(IndexSlot::prefix).collect();
        let mut added = Vec::new();
        for extractor in &extractors {
            if indexes.iter().any(|slot| *slot.made_by == *extractor.made_by) {
                continue;
            }
            let prefix = free_slot(&taken);
            taken.push(prefix);
            added.push(prefix);
            let slot = char::from(prefix).to_string();
            indexes.push(IndexSlot {
                slot,
                name: index_name(&extractor.entry_kind()),
                made_by: extractor.made_by.to_string(),
            });
        }
        let dropped: Vec<String> = obsolete.into_iter().map(|slot| slot.slot).collect();
        let is_current =
            found.is_some_and(|layout| layout.version == collection.version) && added.is_empty() && dropped.is_empty();
        let layout = CollectionLayout { version: collection.version, indexes };
        (!is_current).then_some(CollectionUpgrade { collection, new: found.is_none(), dropped, added, layout })
    }

    /// Returns the indexes of a collection that exist and that its declaration needs.
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(u8, EntryExtractor)> {
        let Some(layout) = self.collections.get(collection.name) else { return Vec::new() };
        layout.indexes(collection)
    }
}

impl CollectionLayout {
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(u8, EntryExtractor)> {
        let prefix = |extractor: &EntryExtractor| {
            let mut slots = self.indexes.iter().filter(|slot| *slot.made_by == *extractor.made_by);
            slots.find_map(IndexSlot::prefix)
        };
        let all = EntryExtractor::for_collection(collection).into_iter();
        all.filter_map(|extractor| Some((prefix(&extractor)?, extractor))).collect()
    }
}

impl IndexSlot {
    /// Returns the first byte of its entries. None in format 1, where a browser index has the entries.
    fn prefix(&self) -> Option<u8> {
        let mut characters = self.slot.chars();
        let first = characters.next().filter(|_| characters.next().is_none())?;
        u8::try_from(u32::from(first)).ok()
    }
}

/// Returns the first free slot. An upgrade does not reuse slots of dropped indexes: entries with such a slot remain in
/// a record until the upgrade writes all documents of the collection again.
fn free_slot(taken: &[u8]) -> u8 {
    // No collection has two hundred indexes. The last slot needs a successor, at which its entries end.
    (b'0'..u8::MAX).find(|slot| !taken.contains(slot)).unwrap_or(b'0')
}

fn index_name(kind: &EntryKind) -> String {
    match kind {
        EntryKind::Declared { name, .. } => name.clone(),
        EntryKind::Deadlines => "expiry".to_owned(),
    }
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

/// A document, or what is wrong with its record.
pub(super) type DecodedRecord = Result<(Arc<str>, StoredDocument), String>;

/// Decodes a record of a collection. Its members are read one by one: a foreign value, for example a cyclic one, is
/// never shown.
pub(super) fn decode_record(record: JsValue, collection: &str) -> DecodedRecord {
    let member = |name: &str| Reflect::get(&record, &name.into()).unwrap_or_default();
    let invalid = |name: &str, kind: &str| format!("it is not a valid document record: `{name}` is not {kind}");
    let text = |name| member(name).as_string().ok_or_else(|| invalid(name, "a text"));
    let number = |name| {
        let found = member(name).as_f64().map(|n| (n, n as u32)).filter(|(n, whole)| f64::from(*whole) == *n);
        found.map(|(_, whole)| whole).ok_or_else(|| invalid(name, "an integer"))
    };
    let (id, rev, v, doc, crc) = (text("id")?, text("rev")?, number("v")?, text("doc")?, number("crc")?);
    if checksum(collection, &id, &rev, v, &doc) != crc {
        return Err("its checksum does not match its contents".to_owned());
    }
    let revision = Revision::parse(&rev).ok_or_else(|| "its revision is not valid".to_owned())?;
    let document = parse(&doc).map_err(|e| format!("its JSON cannot be read: {e}"))?;
    let Json::Object(document) = document else { return Err("its JSON is not an object".to_owned()) };
    Ok((id.into(), StoredDocument { revision, version: v, document: Arc::new(document) }))
}

impl<'a> EncodedRecord<'a> {
    /// Creates the record of a document, with its entries by the slots of their indexes. The error: the document cannot
    /// be written as JSON.
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
    indexes.flat_map(move |(slot, extractor)| {
        let keys = extractor.keys(id, &stored.document).into_iter();
        keys.map(move |entry| encode_key_bytes([slot].into_iter().chain(entry)))
    })
}

/// Returns the CRC-32 of a record. Ids and revisions have no control characters, so no two records have the same
/// checked bytes.
fn checksum(collection: &str, id: &str, rev: &str, v: u32, doc: &str) -> u32 {
    let mut crc = CRC_32.digest();
    for part in [collection, id, rev, &v.to_string(), doc] {
        crc.update(part.as_bytes());
        crc.update(&[0]);
    }
    crc.finalize()
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
