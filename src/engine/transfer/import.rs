//! Imports into a store: checks everything first, then compares, then writes, then reads again. `import_writer.rs`
//! writes, and rolls back an import that is rejected halfway.

use std::sync::Arc;

use super::import_writer::check_batch_limits;
use super::{
    ExportRecord, ExportSummary, ExportTally, ImportSource, Phase, Progress, SourceItem, export, import_writer, record,
};
use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::schema::{Catalog, Collection, Index, Key, Query};
use crate::store::{COMMANDS, Freshness, StoredDocument};
use crate::value::{self, Json, json_bytes};

/// Maximum number of documents that are compared at once.
const CHUNK: usize = 256;

/// Maximum number of their bytes, unless one document has more.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Proof that a source was read to its end and is undamaged.
#[derive(Clone, Debug)]
pub struct CheckedSource {
    summary: ExportSummary,
}

impl CheckedSource {
    /// The counts and the hash of the source.
    pub fn summary(&self) -> &ExportSummary {
        &self.summary
    }
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// The counts and the hash of the source, whose documents are all in the store now.
    pub summary: ExportSummary,
    /// Number of documents and rows of the ledger that were written now.
    pub written: u64,
    /// Number of those that were present before.
    pub already_present: u64,
}

/// Reads all of `source`, and checks that it is complete, unchanged and not newer, and that every document conforms to its collection.
pub fn check<S: ImportSource>(
    source: &mut S,
    catalog: &Catalog,
    mut progress: impl FnMut(Progress),
) -> Result<CheckedSource, Error> {
    let mut checker = SourceChecker::begin(source, catalog)?;
    loop {
        if let Some(checked) = checker.advance(CHUNK, &mut progress)? {
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
    last: Option<(Option<usize>, Arc<str>)>,
    done: u64,
}

impl<'a, S: ImportSource> SourceChecker<'a, S> {
    /// Begins with the header.
    pub fn begin(source: &'a mut S, catalog: &Catalog) -> Result<Self, Error> {
        let header = source.rewind()?;
        let catalog = header.extend_catalog(catalog, source.name())?;
        header.check_supported(&catalog, source.name())?;
        Ok(Self { source, order: record::collections(&catalog), tally: ExportTally::default(), last: None, done: 0 })
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
        self.tally.add(record, &record.line());
        self.done += 1;
        Ok(())
    }

    fn end(&mut self, expected: &ExportSummary) -> Result<CheckedSource, Error> {
        let summary = std::mem::take(&mut self.tally).summary();
        match expected.difference(&summary) {
            Some(difference) => Err(damaged(
                self.source,
                &format!("it was changed after it was exported: {difference}. Export it again"),
            )),
            None => Ok(CheckedSource { summary }),
        }
    }
}

fn damaged<S: ImportSource>(source: &S, why: &str) -> Error {
    Error::new(ErrorCode::CORRUPT, format!("{}: {why}", source.name()))
}

/// The document that the store has under the key of a record.
pub(super) enum StoreMatch {
    /// None.
    Absent,
    /// An equal one.
    Same,
}

pub(in crate::engine) async fn import<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    checked: &CheckedSource,
    mut progress: impl FnMut(Progress),
) -> Result<ImportReport, Error> {
    if let Some(reason) = engine.store().read_only_reason() {
        return Err(reason.into());
    }
    let header = source.rewind()?;
    engine.declare_imported(&header.declarations(source.name())?).await?;
    let total = checked.summary.total();
    let of = Some(total);
    let absent = compare(engine, source, |done| progress(Progress { phase: Phase::Compare, done, of })).await?;
    let mut written = 0;
    if absent > 0 {
        written = import_writer::write_all(engine, source, checked, |done| {
            progress(Progress { phase: Phase::Write, done, of })
        })
        .await?;
    }
    let found = read_back(engine, source, |done| progress(Progress { phase: Phase::Verify, done, of })).await?;
    if let Some(difference) = checked.summary.difference(&found) {
        let message = format!(
            "the store differs from {} ({difference}): it was written to during the import. Repeat the import while nothing else writes to the store",
            source.name()
        );
        return Err(Error::new(ErrorCode::CONFLICT, message));
    }
    Ok(ImportReport { summary: found, written, already_present: total - written.min(total) })
}

/// Number of documents that are not in the store. Fails if the store has a different one under the same key.
async fn compare<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    mut progress: impl FnMut(u64),
) -> Result<u64, Error> {
    let mut chunks = RecordChunks::all(source)?;
    let (mut absent, mut done) = (0, 0);
    let mut occupied = OccupiedCollections::default();
    while let Some(chunk) = chunks.next()? {
        done += chunk.len() as u64;
        let mut new = Vec::new();
        let found = match_stored(engine, &chunk).await?;
        for (record, found) in chunk.into_iter().zip(found) {
            if let StoreMatch::Absent = found {
                if occupied.may_contain(engine, record.collection).await? {
                    check_unique_indexes(engine, &record).await?;
                }
                new.push(record);
            }
        }
        absent += new.len() as u64;
        for batch in import_writer::batches(engine, new) {
            check_batch_limits(&batch, &engine.catalog(), engine.store().capabilities().limits(), engine.now())?;
        }
        progress(done);
        engine.yield_now().await;
    }
    Ok(absent)
}

/// Compares records with the documents in the store. Fails if one differs.
pub(super) async fn match_stored(engine: &Engine, records: &[ExportRecord]) -> Result<Vec<StoreMatch>, Error> {
    let keys: Vec<Key> = records.iter().map(ExportRecord::key).collect();
    let stored = engine.store().get(&keys, Freshness::Linearizable).await?;
    records.iter().zip(stored).map(|(record, stored)| compare_with_stored(record, stored)).collect()
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

/// The documents of the store under the keys of `source`. Expired documents may have been removed meanwhile.
async fn read_back<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    mut progress: impl FnMut(u64),
) -> Result<ExportSummary, Error> {
    let mut chunks = RecordChunks::all(source)?;
    let mut tally = ExportTally::default();
    let mut done = 0;
    while let Some(chunk) = chunks.next()? {
        done += chunk.len() as u64;
        let keys: Vec<Key> = chunk.iter().map(ExportRecord::key).collect();
        for (record, stored) in chunk.iter().zip(engine.store().get(&keys, Freshness::Linearizable).await?) {
            let found = match stored {
                Some(stored) => as_stored(record, stored),
                None if record.is_expired(engine.now()) => record.clone(),
                None => continue,
            };
            tally.add(&found, &found.line());
        }
        progress(done);
        engine.yield_now().await;
    }
    Ok(tally.summary())
}

/// The documents of a source, in chunks.
pub(super) struct RecordChunks<'a, S> {
    source: &'a mut S,
    /// Only documents of this collection.
    collection: Option<&'static Collection>,
    ended: bool,
}

impl<'a, S: ImportSource> RecordChunks<'a, S> {
    /// All documents.
    pub(super) fn all(source: &'a mut S) -> Result<Self, Error> {
        source.rewind()?;
        Ok(Self { source, collection: None, ended: false })
    }

    /// The documents of a collection.
    pub(super) fn of_collection(source: &'a mut S, collection: &'static Collection) -> Result<Self, Error> {
        let ended = !source.seek(collection.name)?;
        Ok(Self { source, collection: Some(collection), ended })
    }

    /// The next chunk; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<ExportRecord>>, Error> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while !self.ended && chunk.len() < CHUNK && bytes < CHUNK_BYTES {
            match self.source.next()? {
                SourceItem::Record(record)
                    if self.collection.is_none_or(|collection| collection.name == record.collection.name) =>
                {
                    bytes += json_bytes(&*record.document);
                    chunk.push(record);
                }
                SourceItem::Record(_) | SourceItem::End(_) => self.ended = true,
            }
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

fn as_stored(record: &ExportRecord, stored: StoredDocument) -> ExportRecord {
    ExportRecord { version: stored.version, document: stored.document, ..record.clone() }
}

/// Compares the exported forms, because stores may return `1.0` as `1`.
pub(super) fn is_same_document(record: &ExportRecord, stored: &StoredDocument) -> bool {
    Arc::ptr_eq(&stored.document, &record.document) || as_stored(record, stored.clone()).line() == record.line()
}

fn compare_with_stored(record: &ExportRecord, stored: Option<StoredDocument>) -> Result<StoreMatch, Error> {
    let Some(stored) = stored else { return Ok(StoreMatch::Absent) };
    if is_same_document(record, &stored) {
        return Ok(StoreMatch::Same);
    }
    let message = match record.collection.name == COMMANDS.name {
        true => format!(
            "command `{}` has another result in this store; nothing was overwritten. Import into another store",
            record.id
        ),
        false => format!(
            "{} exists in this store and differs; nothing was overwritten. Import into another store, or remove it first",
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

/// The query for documents with the same entry in `index`; `None`: only the store can check that, when the document is written.
fn same_entry_query(record: &ExportRecord, index: &Index) -> Option<Query> {
    if index.partial.is_some() {
        return None;
    }
    let value = |path| value::get(&record.document, path).cloned().unwrap_or(Json::Null);
    let query = Query::of(record.collection).limit(2);
    Some(index.fields.iter().fold(query, |query, (path, _)| query.eq(path, value(path))))
}

/// Whether a collection had documents before. Most imports go into an empty store, where no conflict is possible.
#[derive(Default)]
struct OccupiedCollections {
    last: Option<(&'static str, bool)>,
}

impl OccupiedCollections {
    async fn may_contain(&mut self, engine: &Engine, collection: &'static Collection) -> Result<bool, Error> {
        if let Some((name, any)) = self.last
            && name == collection.name
        {
            return Ok(any);
        }
        let any = export::count(engine, collection).await?.is_none_or(|count| count > 0);
        self.last = Some((collection.name, any));
        Ok(any)
    }
}
