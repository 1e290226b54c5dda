//! Updates documents that have changed in the source and not in the store since they were imported. A document and its
//! parts are written in one batch, unless they exceed the limits of the store; so are documents that exchange unique
//! values. Each write expects the revision that an import wrote.

use std::collections::BTreeMap;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::{Collection, Key};
use runstate_engine::{Engine, Error};
use runstate_store as store;
use runstate_store::{Batch, Expectation, Write, WriteOp};

use super::aggregate::{aggregate_key, part_reference};
use super::apply::{
    ATTEMPTS, BATCH_BYTES, BATCH_WRITES, ROW_BYTES, children_first, import_batch, import_command, unique_violation,
};
use super::import::WriteCounts;
use super::imported_row::{ImportedRow, digest, has_row, read_rows};
use super::plan::{ImportPlan, PlannedPart};
use super::{ExportRecord, ImportSource};

/// One document that is written or removed.
struct DocumentUpdate {
    key: Key,
    /// Its revision before; `None`: the store does not have it.
    revision: Option<Revision>,
    /// The document after, with its digest in the source; `None`: it is removed.
    after: Option<(ExportRecord, String)>,
    has_row: bool,
}

impl DocumentUpdate {
    fn bytes(&self) -> usize {
        let document = self.after.as_ref().map_or(0, |(record, _)| runstate_value::json_bytes(&*record.document));
        document + 2 * self.key.bytes() + ROW_BYTES
    }

    /// The writes of the document and of the row about it.
    fn writes(&self, command: &CommandId, plan: &ImportPlan) -> Vec<Write> {
        let Self { key, revision, after, .. } = self;
        let expect = revision.clone().map_or(Expectation::Absent, Expectation::Revision);
        let (op, row) = match after {
            None => (WriteOp::Delete, ImportedRow::removal(key)),
            Some((record, digest)) => {
                let first = || Revision::first(command, &key.collection, &key.id);
                let revision = revision.as_ref().map_or_else(first, Revision::next);
                let row = ImportedRow { revision, digest: digest.clone(), origin: plan.origin.clone() }.write(key);
                (WriteOp::Put { version: record.version, document: record.document.clone() }, row)
            }
        };
        let mut writes = vec![Write { key: key.clone(), expect, op }];
        if self.has_row {
            writes.push(row);
        }
        writes
    }
}

/// Applies the updates of the plan. A rejected batch leaves those before it, and a repeat continues.
pub(super) async fn apply_updates<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    contents: &str,
    plan: &ImportPlan,
) -> Result<WriteCounts, Error> {
    let mut counts = WriteCounts::default();
    for units in plan.update_groups() {
        let group = units.concat();
        // Removals come first: of an aggregate that exceeds a batch, its document is written last, and a repeat finds
        // the aggregate by it.
        let mut aggregates: BTreeMap<Key, Vec<DocumentUpdate>> = BTreeMap::new();
        let parts = plan.removed_parts(engine, source, &group).await?;
        let keys: Vec<Key> = parts.iter().map(|part| part.key.clone()).collect();
        for (part, row) in parts.into_iter().zip(read_rows(engine, &keys).await?) {
            let has_row = has_row(part.collection);
            if has_row && row.is_none_or(|row| row.revision != part.revision) {
                return Err(changed_meanwhile(&part.key));
            }
            let update = DocumentUpdate { key: part.key, revision: Some(part.revision), after: None, has_row };
            aggregates.entry(part.aggregate).or_default().push(update);
        }
        for (key, updates) in collect(engine, source, plan, &group).await? {
            aggregates.entry(key).or_default().extend(updates);
        }
        let mut batch: Vec<DocumentUpdate> = Vec::new();
        for unit in units {
            let updates: Vec<_> = unit.iter().filter_map(|key| aggregates.remove(key)).flatten().collect();
            if !batch.is_empty() && !fits(batch.iter().chain(&updates), BATCH_WRITES, BATCH_BYTES) {
                commit(engine, std::mem::take(&mut batch), contents, plan, &mut counts).await?;
            }
            batch.extend(updates);
        }
        commit(engine, batch, contents, plan, &mut counts).await?;
        engine.yield_now().await;
    }
    Ok(counts)
}

/// The written documents of a group, by aggregate: parts first.
async fn collect<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    plan: &ImportPlan,
    group: &[Key],
) -> Result<BTreeMap<Key, Vec<DocumentUpdate>>, Error> {
    let mut aggregates: BTreeMap<Key, Vec<DocumentUpdate>> =
        runstate_value::collect_btree_map(group.iter().map(|key| (key.clone(), Vec::new())));
    let is_aggregated = |one: &&Collection| has_row(one) || part_reference(one).is_some();
    for collection in children_first(&engine.catalog()).into_iter().filter(is_aggregated) {
        let has_row = has_row(collection);
        let mut chunks = plan.chunks(source, collection, PlannedPart::Updates)?;
        while let Some(mut chunk) = chunks.next()? {
            let key = |record: &ExportRecord| aggregate_key(collection, &record.id, &record.document);
            chunk.retain(|record| aggregates.contains_key(&key(record)));
            let keys: Vec<Key> = chunk.iter().map(ExportRecord::key).collect();
            // A row about a document that is not in the store remains from an earlier one.
            let stored = match keys.as_slice() {
                [] => Vec::new(),
                keys => engine.store().get(keys, store::Freshness::Linearizable).await?,
            };
            let rows = read_rows(engine, &keys).await?;
            for ((record, stored), row) in chunk.into_iter().zip(stored).zip(rows) {
                let revision = if has_row { stored.and(row).map(|row| row.revision) } else { None };
                let (aggregate, key, digest) = (key(&record), record.key(), digest(engine, &record));
                let update = DocumentUpdate { key, revision, after: Some((record, digest)), has_row };
                if let Some(updates) = aggregates.get_mut(&aggregate) {
                    updates.push(update);
                }
            }
            engine.yield_now().await;
        }
    }
    Ok(aggregates)
}

fn fits<'a>(updates: impl Iterator<Item = &'a DocumentUpdate>, max_writes: usize, max_bytes: usize) -> bool {
    let (mut writes, mut bytes) = (0, 0);
    for update in updates {
        (writes, bytes) = (writes + 2, bytes + update.bytes());
    }
    writes <= max_writes && bytes <= max_bytes
}

/// Writes updates in one batch, or in several if the store does not accept one.
async fn commit(
    engine: &Engine,
    updates: Vec<DocumentUpdate>,
    contents: &str,
    plan: &ImportPlan,
    counts: &mut WriteCounts,
) -> Result<(), Error> {
    let limits = engine.store().capabilities().limits();
    let mut part: Vec<DocumentUpdate> = Vec::new();
    for update in updates {
        if !part.is_empty() && !fits(part.iter().chain([&update]), limits.batch_writes, limits.batch_bytes) {
            commit_batch(engine, &std::mem::take(&mut part), contents, plan, counts).await?;
        }
        part.push(update);
    }
    if part.is_empty() { Ok(()) } else { commit_batch(engine, &part, contents, plan, counts).await }
}

async fn commit_batch(
    engine: &Engine,
    updates: &[DocumentUpdate],
    contents: &str,
    plan: &ImportPlan,
    counts: &mut WriteCounts,
) -> Result<(), Error> {
    let batch = update_batch(engine, updates, contents, plan)?;
    for _ in 0..ATTEMPTS {
        match engine.store().commit(batch.clone()).await {
            Ok(_) => {
                for update in updates {
                    counts.written += u64::from(update.after.is_some());
                    counts.updated += u64::from(update.after.is_some() && update.revision.is_some());
                    counts.removed += u64::from(update.after.is_none());
                }
                return Ok(());
            }
            // The same command is not applied twice.
            Err(store::StoreError::UnknownOutcome { .. }) => {}
            Err(store::StoreError::Conflict { key }) => return Err(changed_meanwhile(&key)),
            Err(store::StoreError::UniqueViolation { key, index }) => return Err(unique_violation(&key, &index)),
            Err(error) => return Err(error.into()),
        }
    }
    let message = "it is unknown whether documents were updated. Repeat the import; it continues there";
    Err(Error { retryable: true, ..Error::new(ErrorCode::UNKNOWN_OUTCOME, message) })
}

fn changed_meanwhile(key: &Key) -> Error {
    let message =
        format!("{key} was written to this store during the import. Repeat the import; it continues where it stopped");
    Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) }
}

fn update_batch(
    engine: &Engine,
    updates: &[DocumentUpdate],
    contents: &str,
    plan: &ImportPlan,
) -> Result<Batch, Error> {
    let names: Vec<String> = updates
        .iter()
        .map(|DocumentUpdate { key, revision, .. }| match revision {
            Some(revision) => format!("{key} {revision}"),
            None => key.to_string(),
        })
        .collect();
    let mut parts: Vec<&[u8]> = vec![b"update", contents.as_bytes()];
    parts.extend(names.iter().map(String::as_bytes));
    let command = import_command(&parts)?;
    let writes = updates.iter().flat_map(|update| update.writes(&command, plan)).collect();
    Ok(import_batch(engine, command, contents, writes))
}
