//! The phases of an import: `plan.rs` checks the source and compares it with the store, `apply.rs` writes, and the
//! verification reads everything again.

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Collection, Key};
use runstate_engine::{Engine, Error};
use runstate_store::Freshness;
use runstate_value::json_bytes;

use super::plan::{ImportPlan, as_stored};
use super::{
    CheckedSource, ExportRecord, ExportSummary, ExportTally, ImportSource, Phase, Progress, SourceItem, apply,
};

/// Maximum number of documents that are read at once.
const CHUNK: u64 = 256;

/// Maximum number of their bytes, unless one document has more.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

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

pub(super) async fn import<S: ImportSource>(
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
    // Encrypted secrets are imported as they are. Others are encrypted, if the store has keys.
    let engine = &if checked.is_encrypted { engine.at_rest() } else { engine.clone() };
    let total = checked.summary().total();
    let mut report = |phase, done| progress(Progress { phase, done, of: Some(total) });
    let plan = ImportPlan::make(engine, source, checked, |done| report(Phase::Compare, done)).await?;
    let mut written = 0;
    if plan.absent > 0 {
        let contents = &checked.summary().contents;
        written = apply::apply(engine, source, contents, &plan, |done| report(Phase::Write, done)).await?;
    }
    let found = verify(engine, source, |done| report(Phase::Verify, done)).await?;
    if let Some(difference) = checked.summary().difference(&found) {
        let message = format!(
            "the store differs from {} ({difference}): it was written to during the import. Repeat the import while nothing else writes to the store",
            source.name()
        );
        return Err(Error::new(ErrorCode::CONFLICT, message));
    }
    Ok(ImportReport { summary: found, written, already_present: total - written.min(total) })
}

/// The documents of the store under the keys of `source`. Expired documents may have been removed meanwhile.
async fn verify<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    mut progress: impl FnMut(u64),
) -> Result<ExportSummary, Error> {
    let mut chunks = RecordChunks::all(source)?;
    let mut tally = ExportTally::default();
    while let Some(chunk) = chunks.next()? {
        let keys: Vec<Key> = chunk.iter().map(ExportRecord::key).collect();
        for (record, stored) in chunk.iter().zip(engine.store().get(&keys, Freshness::Linearizable).await?) {
            let found = match stored {
                Some(stored) => as_stored(record, stored),
                None if record.is_expired(engine.now()) => record.clone(),
                None => continue,
            };
            tally.add(found.collection.name, &found.line());
        }
        progress(chunks.read);
        engine.yield_now().await;
    }
    Ok(tally.summary())
}

/// The documents of a source, in chunks.
pub(super) struct RecordChunks<'a, S> {
    source: &'a mut S,
    /// Only documents of this collection.
    collection: Option<&'static Collection>,
    /// Whether each document is included; `None`: all are.
    included: Option<std::slice::Iter<'a, bool>>,
    ended: bool,
    /// Number of documents read, included or not.
    pub(super) read: u64,
}

impl<'a, S: ImportSource> RecordChunks<'a, S> {
    /// All documents.
    fn all(source: &'a mut S) -> Result<Self, Error> {
        source.rewind()?;
        Ok(Self { source, collection: None, included: None, ended: false, read: 0 })
    }

    /// The documents of a collection: all, or those that `included` marks.
    pub(super) fn of_collection(
        source: &'a mut S,
        collection: &'static Collection,
        included: Option<&'a [bool]>,
    ) -> Result<Self, Error> {
        let ended = !source.seek(collection.name)?;
        Ok(Self { source, collection: Some(collection), included: included.map(<[bool]>::iter), ended, read: 0 })
    }

    /// The included documents among the next ones; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<ExportRecord>>, Error> {
        let mut chunk = Vec::new();
        let (before, mut bytes) = (self.read, 0);
        while !self.ended && self.read - before < CHUNK && bytes < CHUNK_BYTES {
            match self.source.next()? {
                SourceItem::Record(record)
                    if self.collection.is_none_or(|collection| collection.name == record.collection.name) =>
                {
                    self.read += 1;
                    if self.included.as_mut().is_none_or(|included| included.next() == Some(&true)) {
                        bytes += json_bytes(&*record.document);
                        chunk.push(record);
                    }
                }
                SourceItem::Record(_) | SourceItem::End(_) => self.ended = true,
            }
        }
        Ok((self.read > before).then_some(chunk))
    }
}
