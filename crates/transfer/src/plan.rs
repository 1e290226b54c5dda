//! The plan of an import: its source is read once and checked, then compared with the store where that has documents
//! already.

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Catalog, Collection, Index, Key, Query};
use runstate_engine::{DOCUMENTS_PREFIX, Engine, Error, exported_collections, has_sealed};
use runstate_store::{COMMANDS, Freshness, StoredDocument};
use runstate_value::{self as value, Json, SortedMap, json_bytes};

use super::apply::insertion_batch;
use super::import::RecordChunks;
use super::{ExportRecord, ExportSummary, ExportTally, ImportSource, Phase, Progress, SourceItem};

/// Number of documents that are checked between two yields.
const CHECKED_DOCUMENTS: usize = 256;

/// Proof that a source was read to its end and is undamaged.
#[derive(Clone, Debug)]
pub struct CheckedSource {
    summary: ExportSummary,
    /// The largest document, without the ledger. A store that accepts it accepts the others.
    largest: Option<ExportRecord>,
    /// Whether it has encrypted secrets, which are imported as they are.
    pub(super) is_encrypted: bool,
}

impl CheckedSource {
    /// The counts and the hash of the source.
    pub fn summary(&self) -> &ExportSummary {
        &self.summary
    }
}

/// Reads all of `source`, and checks that it is complete, unchanged and not newer, and that every document conforms to
/// its collection.
pub fn check<S: ImportSource>(
    source: &mut S,
    catalog: &Catalog,
    mut progress: impl FnMut(Progress),
) -> Result<CheckedSource, Error> {
    let mut checker = SourceChecker::begin(source, catalog)?;
    loop {
        if let Some(checked) = checker.advance(CHECKED_DOCUMENTS, &mut progress)? {
            return Ok(checked);
        }
    }
}

/// A [`check`] in steps, for a caller that does other work between them.
pub struct SourceChecker<'a, S> {
    source: &'a mut S,
    /// Collections in the order of an export.
    order: Vec<&'static Collection>,
    tally: ExportTally,
    largest: Option<(usize, ExportRecord)>,
    last: Option<(Option<usize>, Arc<str>)>,
    done: u64,
    is_encrypted: bool,
}

impl<'a, S: ImportSource> SourceChecker<'a, S> {
    /// Begins with the header.
    pub fn begin(source: &'a mut S, catalog: &Catalog) -> Result<Self, Error> {
        let header = source.rewind()?;
        let catalog = header.extend_catalog(catalog, source.name())?;
        header.check_supported(&catalog, source.name())?;
        Ok(Self {
            source,
            order: exported_collections(&catalog),
            tally: ExportTally::default(),
            largest: None,
            last: None,
            done: 0,
            is_encrypted: false,
        })
    }

    /// Checks this number of documents; `None`: there are more.
    pub fn advance(
        &mut self,
        documents: usize,
        mut progress: impl FnMut(Progress),
    ) -> Result<Option<CheckedSource>, Error> {
        for _ in 0..documents {
            match self.source.next()? {
                SourceItem::Record(record) => {
                    self.add(&record)?;
                    progress(Progress { phase: Phase::Check, done: self.done, of: None });
                }
                SourceItem::End(expected) => return self.end(&expected).map(Some),
            }
        }
        Ok(None)
    }

    fn add(&mut self, record: &ExportRecord) -> Result<(), Error> {
        let collection = self.order.iter().position(|collection| collection.name == record.collection.name);
        let position = Some((collection, record.id.clone()));
        if position <= self.last {
            return Err(damaged(self.source, &format!("{} occurs twice, or in the wrong position", record.key())));
        }
        self.last = position;
        self.tally.add(record.collection.name, &record.line());
        self.done += 1;
        self.is_encrypted |= has_sealed(record.collection, &record.document);
        let bytes = json_bytes(&*record.document);
        if record.collection.name != COMMANDS.name && self.largest.as_ref().is_none_or(|(most, _)| bytes > *most) {
            self.largest = Some((bytes, record.clone()));
        }
        Ok(())
    }

    fn end(&mut self, expected: &ExportSummary) -> Result<CheckedSource, Error> {
        let summary = std::mem::take(&mut self.tally).summary();
        match expected.difference(&summary) {
            Some(difference) => Err(damaged(
                self.source,
                &format!("it was changed after it was exported: {difference}. Export it again"),
            )),
            None => Ok(CheckedSource {
                summary,
                largest: self.largest.take().map(|(_, record)| record),
                is_encrypted: self.is_encrypted,
            }),
        }
    }
}

fn damaged<S: ImportSource>(source: &S, why: &str) -> Error {
    Error::new(ErrorCode::CORRUPT, format!("{}: {why}", source.name()))
}

/// The documents that an import writes.
#[derive(Default)]
pub(super) struct ImportPlan {
    /// For each compared collection, whether the store lacks each of its documents, in the order of the source. The
    /// store lacks all documents of the other collections.
    is_absent: SortedMap<&'static str, Vec<bool>>,
    /// Number of documents and rows of the ledger that the store lacks.
    pub(super) absent: u64,
}

impl ImportPlan {
    /// Decides what is written. Fails if the store has another document under a key of the source, or would reject a
    /// document.
    pub(super) async fn make<S: ImportSource>(
        engine: &Engine,
        source: &mut S,
        checked: &CheckedSource,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, Error> {
        let header = source.rewind()?;
        header.check_supported(&engine.catalog(), source.name())?;
        checked.largest.iter().try_for_each(|largest| check_accepted(engine, largest))?;
        let (mut plan, mut done) = (Self::default(), 0);
        for collection in exported_collections(&engine.catalog()) {
            let Some(count) = checked.summary.counts.get(collection.name) else { continue };
            let is_occupied = engine.count(collection).await? != Some(0);
            // The store may have a newer declaration of the collection than the source.
            if !is_occupied && !collection.name.starts_with(DOCUMENTS_PREFIX) {
                (plan.absent, done) = (plan.absent + count, done + count);
                continue;
            }
            let mut is_absent = Vec::new();
            let mut chunks = RecordChunks::of_collection(source, collection, None)?;
            while let Some(chunk) = chunks.next()? {
                for (record, is_new) in chunk.iter().zip(find_absent(engine, &chunk).await?) {
                    if is_new && collection.name != COMMANDS.name {
                        check_accepted(engine, record)?;
                        if is_occupied {
                            check_unique_indexes(engine, record).await?;
                        }
                    }
                    plan.absent += u64::from(is_new);
                    is_absent.push(is_new);
                }
                progress(done + chunks.read);
                engine.yield_now().await;
            }
            done += chunks.read;
            plan.is_absent.insert(collection.name, is_absent);
        }
        progress(done);
        Ok(plan)
    }

    /// The documents of a collection that are written, in chunks.
    pub(super) fn chunks<'a, S: ImportSource>(
        &'a self,
        source: &'a mut S,
        collection: &'static Collection,
    ) -> Result<RecordChunks<'a, S>, Error> {
        RecordChunks::of_collection(source, collection, self.is_absent.get(collection.name).map(Vec::as_slice))
    }
}

/// Checks that the store accepts a document, as far as that is possible without the store.
fn check_accepted(engine: &Engine, record: &ExportRecord) -> Result<(), Error> {
    let batch = insertion_batch(&[record], "", 0, engine.now())?;
    Ok(batch.validate(&engine.catalog(), engine.store().capabilities().limits()).map(drop)?)
}

/// Whether the store lacks each record. Fails if it has a different document under the key of one.
pub(super) async fn find_absent(engine: &Engine, records: &[ExportRecord]) -> Result<Vec<bool>, Error> {
    let keys: Vec<Key> = records.iter().map(ExportRecord::key).collect();
    let stored = engine.store().get(&keys, Freshness::Linearizable).await?;
    records.iter().zip(stored).map(|(record, stored)| is_absent(record, stored)).collect()
}

/// Checks that no other document has the same entry in a unique index.
async fn check_unique_indexes(engine: &Engine, record: &ExportRecord) -> Result<(), Error> {
    for index in record.collection.indexes.iter().filter(|index| index.unique) {
        let Some(query) = same_entry_query(record, index) else { continue };
        let page = engine.store().query(&query, Freshness::Linearizable).await?;
        if let Some(other) = page.items.iter().find(|row| row.id != record.id) {
            let names: Vec<&str> = index.fields.iter().map(|(path, _)| *path).collect();
            let message = format!(
                "{} cannot be imported: {}/{} has the same {}; nothing was overwritten. Import into another store",
                record.key(),
                record.collection.name,
                other.id,
                names.join(", ")
            );
            return Err(already_exists(record, message));
        }
    }
    Ok(())
}

pub(super) fn as_stored(record: &ExportRecord, stored: StoredDocument) -> ExportRecord {
    ExportRecord { version: stored.version, document: stored.document, ..record.clone() }
}

/// Compares the exported forms, because stores may return `1.0` as `1`.
pub(super) fn is_same_document(record: &ExportRecord, stored: &StoredDocument) -> bool {
    Arc::ptr_eq(&stored.document, &record.document) || as_stored(record, stored.clone()).line() == record.line()
}

fn is_absent(record: &ExportRecord, stored: Option<StoredDocument>) -> Result<bool, Error> {
    let Some(stored) = stored else { return Ok(true) };
    if is_same_document(record, &stored) {
        return Ok(false);
    }
    let message = match record.collection.name == COMMANDS.name {
        true => format!(
            "command `{}` has another result in this store; nothing was overwritten. Import into another store",
            record.id
        ),
        false => format!(
            "{} exists in this store and differs; nothing was overwritten. Import into another store, or remove it first (a removed program stays for an hour)",
            record.key()
        ),
    };
    Err(already_exists(record, message))
}

/// The error for a document that exists already.
pub(super) fn already_exists(record: &ExportRecord, message: String) -> Error {
    let (collection, key) = (Some(record.collection.name.to_owned()), Some(record.id.to_string()));
    Error { collection, key, ..Error::new(ErrorCode::ALREADY_EXISTS, message) }
}

/// The query for documents with the same entry in `index`; `None`: only the store can check that, when the document is
/// written.
fn same_entry_query(record: &ExportRecord, index: &Index) -> Option<Query> {
    if index.partial.is_some() {
        return None;
    }
    let value = |path| value::get(&record.document, path).cloned().unwrap_or(Json::Null);
    let query = Query::of(record.collection).limit(2);
    Some(index.fields.iter().fold(query, |query, (path, _)| query.eq(path, value(path))))
}
