//! The phases of an import: `plan.rs` compares the source with the store, `apply.rs` and `update.rs` write, and the
//! verification reads everything again.

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Collection, Key};
use runstate_engine::{Engine, Error};
use runstate_store::Freshness;
use runstate_value::json_bytes;
use schemars::JsonSchema;
use serde::Serialize;

use super::plan::{ImportPlan, PlannedAction, PlannedActions, PlannedPart, as_stored};
use super::{
    CheckedSource, ExportRecord, ExportSummary, ExportTally, ImportOptions, ImportSource, Phase, Progress, SourceItem,
    apply,
};

/// Maximum number of documents that are read at once.
const CHUNK: u64 = 256;

/// Maximum number of their bytes, unless one document has more.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ImportResult")]
pub struct ImportReport {
    /// Counts and hash of the imported data. All of it is in the store now, except what was kept.
    pub summary: ExportSummary,
    /// Number of documents and command results that this import wrote.
    pub written: u64,
    /// Number of the written ones that replaced a document, which an import wrote and nothing else has changed since.
    pub updated: u64,
    /// Number of parts of updated documents that were removed, because the source has removed them.
    pub removed: u64,
    /// Number of those that were already present.
    pub already_present: u64,
    /// Number of those that are kept as they are here, where they have changed or were deleted since the import.
    pub kept: u64,
    /// Number of the kept documents that have changed in the source too, each with its parts.
    pub conflicts: u64,
    /// The first of these, as `collection/id`.
    pub conflicting: Vec<String>,
}

pub(super) async fn import<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    checked: &CheckedSource,
    options: &ImportOptions,
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
    let plan = ImportPlan::make(engine, source, checked, options, |done| report(Phase::Compare, done)).await?;
    let mut counts = WriteCounts::default();
    if plan.has_writes {
        let contents = &checked.summary().contents;
        counts = apply::apply(engine, source, contents, &plan, |done| report(Phase::Write, done)).await?;
    }
    let (found, kept) = verify(engine, source, &plan, |done| report(Phase::Verify, done)).await?;
    if let Some(difference) = checked.summary().difference(&found) {
        let message = format!(
            "the store differs from {} ({difference}): it was written to during the import. Repeat the import while nothing else writes to the store",
            source.name()
        );
        return Err(Error::new(ErrorCode::CONFLICT, message));
    }
    let WriteCounts { written, updated, removed } = counts;
    let (conflicts, conflicting) = plan.conflicts();
    let already_present = total.saturating_sub(written + kept);
    Ok(ImportReport { summary: found, written, updated, removed, already_present, kept, conflicts, conflicting })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WriteCounts {
    /// Number of documents and rows of the ledger, without removals.
    pub(super) written: u64,
    /// Number of documents that replaced others.
    pub(super) updated: u64,
    /// Number of documents that were removed.
    pub(super) removed: u64,
}

/// The documents of the store under the keys of `source`, without those that were kept, which count as they are in the
/// source; and the number of the kept ones. Expired documents may have been removed meanwhile.
async fn verify<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    plan: &ImportPlan,
    mut progress: impl FnMut(u64),
) -> Result<(ExportSummary, u64), Error> {
    let mut chunks = RecordChunks::all(source)?;
    let (mut tally, mut kept) = (ExportTally::default(), 0);
    let mut actions: Option<(&str, PlannedActions<'_>)> = None;
    while let Some(chunk) = chunks.next()? {
        let keys: Vec<Key> = chunk.iter().map(ExportRecord::key).collect();
        for (record, stored) in chunk.iter().zip(engine.store().get(&keys, Freshness::Linearizable).await?) {
            let name = record.collection.name;
            let mut of_collection = match actions.take() {
                Some((of, actions)) if of == name => actions,
                _ => plan.actions(name),
            };
            let is_kept = of_collection.next(record).0 == PlannedAction::Keep;
            actions = Some((name, of_collection));
            kept += u64::from(is_kept);
            let found = match stored {
                _ if is_kept => record.clone(),
                Some(stored) => as_stored(record, stored),
                None if record.is_expired(engine.now()) => record.clone(),
                None => continue,
            };
            tally.add(found.collection.name, &found.line());
        }
        progress(chunks.read);
        engine.yield_now().await;
    }
    Ok((tally.summary(), kept))
}

/// The documents of a source, in chunks.
pub(super) struct RecordChunks<'a, S> {
    pub(super) source: &'a mut S,
    /// Only documents of this collection.
    collection: Option<&'static Collection>,
    /// Only documents with this part in the plan.
    planned: Option<(PlannedActions<'a>, PlannedPart)>,
    ended: bool,
    /// Number of documents read, included or not.
    pub(super) read: u64,
}

impl<'a, S: ImportSource> RecordChunks<'a, S> {
    /// All documents.
    fn all(source: &'a mut S) -> Result<Self, Error> {
        source.rewind()?;
        Ok(Self { source, collection: None, planned: None, ended: false, read: 0 })
    }

    /// The documents of a collection: all, or those with a part in the plan.
    pub(super) fn of_collection(
        source: &'a mut S,
        collection: &'static Collection,
        planned: Option<(PlannedActions<'a>, PlannedPart)>,
    ) -> Result<Self, Error> {
        let ended = !source.seek(collection.name)?;
        Ok(Self { source, collection: Some(collection), planned, ended, read: 0 })
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
                    let is_included = match &mut self.planned {
                        None => true,
                        Some((actions, part)) => actions.next(&record).1 == Some(*part),
                    };
                    if is_included {
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
