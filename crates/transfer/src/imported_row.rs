//! What an import remembers of a document that it wrote, so that a later import of the same source knows on which side
//! the document has changed since. The row ([`IMPORTED`]) is part of the commit that writes the document.

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::{Revision, hex, natural_uuid, sha256};
use runstate_core::schema::{Collection, Filter, Key, Query};
use runstate_engine::{Engine, Error, IMPORTED, exported_collections};
use runstate_store::{COMMANDS, Expectation, Freshness, Write, WriteOp};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, collect_document};

use super::ExportRecord;
use super::aggregate::part_reference;
use super::apply::{BATCH_WRITES, import_batch};
use super::plan::for_each_row;

/// A document as an import wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImportedRow {
    /// Its revision then. While the document has it, only imports have written the document.
    pub(super) revision: Revision,
    /// [`digest`] of the document in the source.
    pub(super) digest: String,
    pub(super) origin: Origin,
}

/// The export from which a document comes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Origin {
    /// Its time; not in the future.
    pub(super) at: Timestamp,
    /// The id of the exported store, if it has one.
    pub(super) store: Option<String>,
}

impl Origin {
    /// Whether it is an export of the same store as `earlier`, as far as is known, and not older.
    pub(super) fn follows(&self, earlier: &Self) -> bool {
        let is_other = matches!((&self.store, &earlier.store), (Some(this), Some(other)) if this != other);
        !is_other && self.at >= earlier.at
    }
}

impl ImportedRow {
    /// The write of the row for the document under `key`.
    pub(super) fn write(&self, key: &Key) -> Write {
        let Self { revision, digest, origin: Origin { at, store } } = self;
        let fields: [(&str, Option<Json>); 5] = [
            ("key", Some(key.to_string().into())),
            ("revision", Some(revision.to_string().into())),
            ("digest", Some(digest.as_str().into())),
            ("at", Some(at.as_millis().into())),
            ("store", store.as_deref().map(Json::from)),
        ];
        let document = collect_document(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let op = WriteOp::Put { version: IMPORTED.version, document: Arc::new(document) };
        Write { key: row_key(key), expect: Expectation::Any, op }
    }

    /// The write that removes the row for the document under `key`, if there is one.
    pub(super) fn removal(key: &Key) -> Write {
        Write { key: row_key(key), expect: Expectation::Any, op: WriteOp::Delete }
    }

    fn read(key: &Key, document: &Document) -> Result<Self, Error> {
        let text = |field: &str| document.get(field).and_then(Json::as_str);
        let row = || {
            Some(Self {
                revision: Revision::parse(text("revision")?)?,
                digest: text("digest")?.to_owned(),
                origin: Origin {
                    at: Timestamp::from_millis(document.get("at")?.as_i64()?),
                    store: text("store").map(str::to_owned),
                },
            })
        };
        let damaged = || {
            let message = format!("the row of {} about {key} is damaged. Remove it", IMPORTED.name);
            Error::new(ErrorCode::CORRUPT, message)
        };
        row().filter(|_| text("key") == Some(key.to_string().as_str())).ok_or_else(damaged)
    }
}

fn row_key(key: &Key) -> Key {
    Key::new(&IMPORTED, &natural_uuid(&[&key.collection, &key.id]))
}

/// Whether imports keep a row for each document. Immutable parts of a document need none: they follow that document.
pub(super) fn has_row(collection: &Collection) -> bool {
    let is_part = collection.references().any(|reference| reference.part);
    collection.detached.is_none() && collection.name != COMMANDS.name && !(collection.insert_only && is_part)
}

/// The rows of these documents, in their order.
pub(super) async fn read_rows(engine: &Engine, keys: &[Key]) -> Result<Vec<Option<ImportedRow>>, Error> {
    let rows: Vec<Key> = keys.iter().map(row_key).collect();
    let found = if rows.is_empty() { Vec::new() } else { engine.store().get(&rows, Freshness::Linearizable).await? };
    let read = keys.iter().zip(found);
    read.map(|(key, found)| found.map(|found| ImportedRow::read(key, &found.document)).transpose()).collect()
}

/// Whether an importer of another form of data has written the document under `key` from `data`
/// ([`record_imported`]); `None`: no import has written it.
pub async fn is_imported_from(engine: &Engine, key: &Key, data: &str) -> Result<Option<bool>, Error> {
    let row = read_rows(engine, std::slice::from_ref(key)).await?.into_iter().flatten().next();
    Ok(row.map(|row| row.digest == digest_text(engine, data)))
}

/// Records that an importer of another form of data has written the document under `key` and its parts from `data`.
/// An [`import`](crate::import()) updates them then, as it does with documents that an import has inserted. It leaves
/// out those that have changed since they were inserted or recorded.
pub async fn record_imported(engine: &Engine, key: &Key, data: &str) -> Result<(), Error> {
    let mut keys = vec![key.clone()];
    for collection in exported_collections(&engine.catalog()).into_iter().filter(|one| has_row(one)) {
        let Some(reference) = part_reference(collection).filter(|whole| key.collection == whole.collection) else {
            continue;
        };
        let is_part = Filter::Eq(reference.field.to_owned(), (&*key.id).into());
        let query = Query::of(collection).filter(is_part);
        for_each_row(engine, query, |row| keys.push(Key::new(collection, &row.id))).await?;
    }
    let (digest, origin) = (digest_text(engine, data), Origin { at: engine.now(), store: None });
    for keys in keys.chunks(BATCH_WRITES) {
        let (stored, rows) = (engine.store().get(keys, Freshness::Linearizable).await?, read_rows(engine, keys).await?);
        let recorded = keys.iter().zip(stored).zip(rows).filter_map(|((key, stored), row)| {
            let revision = stored?.revision;
            let is_unchanged = revision.writes() == 1 || row.is_some_and(|row| row.revision == revision);
            let row = ImportedRow { revision, digest: digest.clone(), origin: origin.clone() };
            is_unchanged.then(|| row.write(key))
        });
        let batch = import_batch(engine, engine.new_command_id(), "recorded", recorded.collect());
        if !batch.writes.is_empty() {
            engine.store().commit(batch).await?;
        }
    }
    Ok(())
}

/// A hash of a document in its source. If the store encrypts, it needs the key of hashes, so it reveals no secret.
pub(super) fn digest(engine: &Engine, record: &ExportRecord) -> String {
    digest_text(engine, &record.line())
}

fn digest_text(engine: &Engine, text: &str) -> String {
    let digest = hex(&sha256(&[text.as_bytes()])[..16]);
    match engine.store().encryption() {
        Some(encryption) => encryption.fingerprint(digest),
        None => digest,
    }
}
