//! The plan of an import: the documents of its source are compared with those of the store, and with what earlier
//! imports have written ([`ImportedRow`]). So it is known on which side a document has changed.
//!
//! | in the source, since the last import | in the store, since then | action |
//! |---|---|---|
//! | new | absent | inserted |
//! | any | equal to the source | none |
//! | unchanged | changed or deleted | none: it is kept as it is here |
//! | changed | unchanged | updated |
//! | changed, or never imported | changed or deleted | a conflict |
//!
//! A document and its parts are compared as one ([`Aggregates`]). One of which the source has left parts out is kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::Revision;
use runstate_core::schema::{Collection, Filter, Key, Query, Reference};
use runstate_engine::{DOCUMENTS_PREFIX, Engine, Error, IMPORTED, exported_collections};
use runstate_store::{COMMANDS, Freshness, Row, StoredDocument};
use runstate_value::time::Timestamp;
use runstate_value::{Json, SortedMap, json_bytes};

use super::aggregate::{Aggregates, aggregate_key, part_reference};
use super::apply::insertion_batch;
use super::import::RecordChunks;
use super::imported_row::{ImportedRow, Origin, digest, has_row, read_rows};
use super::source_check::CheckedSource;
use super::taken_entry::TakenEntries;
use super::{ConflictPolicy, ExportHeader, ExportRecord, ImportOptions, ImportSource};

/// Maximum number of conflicts that are listed.
const LISTED_CONFLICTS: usize = 20;

/// Number of parts of a document that are read at once.
const PARTS_PAGE: u32 = 64;

/// What an import does with a document of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlannedAction {
    /// Nothing: the store has it.
    None,
    /// Nothing: the store has changed or deleted it, and keeps that.
    Keep,
    Insert,
    /// Replaces the one of the store.
    Update,
}

/// The planned documents that a pass over the source returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlannedPart {
    /// Documents that are inserted in batches of any documents.
    Insertions,
    /// Documents that are written together with their aggregate.
    Updates,
}

/// The documents that an import writes.
pub(super) struct ImportPlan {
    /// For each compared collection what is done with each of its documents, in the order of the source, unless the
    /// aggregate is kept. The documents of other collections are inserted.
    actions: SortedMap<&'static str, Vec<PlannedAction>>,
    pub(super) aggregates: Aggregates,
    pub(super) has_writes: bool,
    pub(super) origin: Origin,
    /// The collections of the source.
    exported: BTreeSet<String>,
}

impl ImportPlan {
    /// Decides what is written. Fails if there are conflicts and `options` keep none, or if the store would reject a
    /// document.
    pub(super) async fn make<S: ImportSource>(
        engine: &Engine,
        source: &mut S,
        checked: &CheckedSource,
        options: &ImportOptions,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, Error> {
        let header = source.rewind()?;
        header.check_supported(&engine.catalog(), source.name())?;
        checked.largest.iter().try_for_each(|largest| check_accepted(engine, largest))?;
        let has_rows = engine.count(&IMPORTED).await? != Some(0);
        let mut plan = Self::new(engine, header);
        let (mut done, mut taken) = (0, TakenEntries::default());
        // A part is compared when the state of its document is known.
        let (parts, whole): (Vec<_>, Vec<_>) =
            exported_collections(&engine.catalog()).into_iter().partition(|one| part_reference(one).is_some());
        for collection in whole.into_iter().chain(parts) {
            let Some(count) = checked.summary().counts.get(collection.name) else { continue };
            let is_occupied = engine.count(collection).await? != Some(0);
            let parts = plan.occupied_parts(engine, collection).await?;
            // The store may have a newer declaration of the collection than the source.
            if !is_occupied && !has_rows && parts.is_empty() && !collection.name.starts_with(DOCUMENTS_PREFIX) {
                (plan.has_writes, done) = (true, done + count);
                progress(done);
                continue;
            }
            let mut actions = Vec::new();
            let mut chunks = RecordChunks::of_collection(source, collection, None)?;
            while let Some(chunk) = chunks.next()? {
                let planned = plan.compare(engine, &chunk, has_rows, options).await?;
                for (record, action) in chunk.iter().zip(&planned) {
                    if !matches!(action, PlannedAction::Insert | PlannedAction::Update) {
                        continue;
                    }
                    if collection.name != COMMANDS.name {
                        check_accepted(engine, record)?;
                        if is_occupied {
                            taken.find(engine, record).await?;
                        }
                    }
                    let key = aggregate_key(collection, &record.id, &record.document);
                    if !chunks.source.is_complete(&key) && key != record.key() && exists(engine, &key).await? {
                        plan.aggregates.entry(key).there = true;
                    }
                    plan.has_writes = true;
                }
                let inserted = chunk.iter().zip(&planned).filter(|(_, action)| **action == PlannedAction::Insert);
                plan.count_stale_parts(engine, &parts, inserted.map(|(record, _)| record)).await?;
                actions.extend(planned);
                progress(done + chunks.read);
                engine.yield_now().await;
            }
            done += chunks.read;
            plan.actions.insert(collection.name, actions);
        }
        for (key, state) in plan.aggregates.iter_mut() {
            let is_complete = source.is_complete(key);
            state.incomplete = state.is_updated() && !is_complete;
            state.here |= state.incomplete;
            state.there |= state.absent && state.stale_parts > 0 && is_complete;
        }
        plan.compare_removed_parts(engine, source, &mut taken).await?;
        if options.conflicts == ConflictPolicy::Refuse {
            plan.check_conflicts(options)?;
        }
        taken.resolve(engine, source, &mut plan, options).await?;
        Ok(plan)
    }

    fn new(engine: &Engine, header: ExportHeader) -> Self {
        let (now, at) = (engine.now(), Timestamp::from_rfc3339(&header.at));
        Self {
            actions: SortedMap::default(),
            aggregates: Aggregates::default(),
            has_writes: false,
            origin: Origin { at: at.map_or(now, |at| at.min(now)), store: header.store },
            exported: header.collections.into_keys().collect(),
        }
    }

    /// Compares documents of one collection.
    async fn compare(
        &mut self,
        engine: &Engine,
        records: &[ExportRecord],
        has_rows: bool,
        options: &ImportOptions,
    ) -> Result<Vec<PlannedAction>, Error> {
        let keys: Vec<Key> = records.iter().map(ExportRecord::key).collect();
        let stored = engine.store().get(&keys, Freshness::Linearizable).await?;
        let is_equal = |record: &ExportRecord, stored: &Option<StoredDocument>| {
            stored.as_ref().is_some_and(|stored| is_same_document(record, stored))
        };
        let differing = records.iter().zip(&stored).filter(|(record, stored)| !is_equal(record, stored));
        let differing: Vec<Key> = differing.map(|(record, _)| record.key()).collect();
        let keeps_rows = has_rows && !options.exact && records.first().is_some_and(|record| has_row(record.collection));
        let mut rows = if keeps_rows { read_rows(engine, &differing).await? } else { Vec::new() }.into_iter();
        let mut actions = Vec::with_capacity(records.len());
        for (record, stored) in records.iter().zip(&stored) {
            let action = match is_equal(record, stored) {
                true => PlannedAction::None,
                false => {
                    let row = rows.next().flatten();
                    self.compare_one(engine, record, stored.as_ref(), row.as_ref(), options).await?
                }
            };
            if !self.aggregates.is_empty() {
                self.count_part(record, stored.is_some(), action);
            }
            actions.push(action);
        }
        Ok(actions)
    }

    /// Compares a document that the store lacks, or that differs there.
    async fn compare_one(
        &mut self,
        engine: &Engine,
        record: &ExportRecord,
        stored: Option<&StoredDocument>,
        row: Option<&ImportedRow>,
        options: &ImportOptions,
    ) -> Result<PlannedAction, Error> {
        let key = aggregate_key(record.collection, &record.id, &record.document);
        let (Some(row), Some(stored)) = (row, stored) else {
            return match (stored, row) {
                // It is an insertion only if its aggregate is not kept.
                (None, None) => Ok(PlannedAction::Insert),
                (None, Some(row)) => self.compare_deleted(engine, record, key, row, options).await,
                // No import has written it.
                (Some(_), _) => {
                    self.aggregates.mark_conflicts([key]);
                    Ok(PlannedAction::Keep)
                }
            };
        };
        let is_changed_here = row.revision != stored.revision;
        let is_changed_there = row.digest != digest(engine, record);
        // An older export does not bring an older state back, and another store has other documents.
        let is_replaceable = !record.collection.insert_only && self.origin.follows(&row.origin);
        let state = self.aggregates.entry(key);
        state.here |= is_changed_here || (is_changed_there && !is_replaceable);
        state.there |= is_changed_there;
        Ok(if state.here || !is_changed_there { PlannedAction::Keep } else { PlannedAction::Update })
    }

    /// Compares a document that an import wrote and that was deleted here since.
    async fn compare_deleted(
        &mut self,
        engine: &Engine,
        record: &ExportRecord,
        key: Key,
        row: &ImportedRow,
        options: &ImportOptions,
    ) -> Result<PlannedAction, Error> {
        let is_part = key != record.key();
        // An import that was interrupted has not inserted the document of this part yet.
        let is_inserted = is_part
            && match self.aggregates.get(&key) {
                Some(state) => state.absent,
                None => !exists(engine, &key).await?,
            };
        if is_inserted {
            return Ok(PlannedAction::Insert);
        }
        if !is_part && options.restore_deleted {
            self.aggregates.entry(key).absent = true;
            return Ok(PlannedAction::Insert);
        }
        // Any store removes an expired document, which is not a change.
        let is_expired = record.is_expired(engine.now());
        if !is_part || !is_expired {
            let state = self.aggregates.entry(key);
            state.here = true;
            state.there |= !is_expired && row.digest != digest(engine, record);
        }
        Ok(PlannedAction::Keep)
    }

    /// Counts what is read to update an aggregate, and a part that is not stale.
    fn count_part(&mut self, record: &ExportRecord, is_stored: bool, action: PlannedAction) {
        let key = aggregate_key(record.collection, &record.id, &record.document);
        if let Some(state) = self.aggregates.get_mut(&key) {
            let is_written = matches!(action, PlannedAction::Insert | PlannedAction::Update);
            state.bytes += record.id.len() + if is_written { json_bytes(&*record.document) } else { 0 };
            state.stale_parts -= i64::from(is_stored);
        }
    }

    /// The collections with parts of documents of `collection`, with their reference to it, where the store has any.
    async fn occupied_parts(
        &self,
        engine: &Engine,
        collection: &Collection,
    ) -> Result<Vec<(&'static Collection, Reference)>, Error> {
        let mut occupied = Vec::new();
        for part in exported_collections(&engine.catalog()) {
            let Some(reference) = part_reference(part).filter(|whole| whole.collection == collection.name) else {
                continue;
            };
            if self.exported.contains(part.name) && engine.count(part).await? != Some(0) {
                occupied.push((part, reference));
            }
        }
        Ok(occupied)
    }

    /// Counts the parts that the store has of documents that it lacks. The import of an earlier export has written them
    /// and was interrupted.
    async fn count_stale_parts(
        &mut self,
        engine: &Engine,
        parts: &[(&'static Collection, Reference)],
        inserted: impl Iterator<Item = &ExportRecord>,
    ) -> Result<(), Error> {
        let ids: Vec<Json> = inserted.map(|record| (&*record.id).into()).collect();
        for (collection, reference) in parts.iter().filter(|_| !ids.is_empty()) {
            let is_part = Filter::In(reference.field.to_owned(), ids.clone());
            for_each_row(engine, Query::of(collection).filter(is_part), |row| {
                let state = self.aggregates.entry(aggregate_key(collection, &row.id, &row.stored.document));
                state.absent = true;
                state.stale_parts += 1;
            })
            .await?;
        }
        Ok(())
    }

    /// A part that an updated document has here only was deleted in the source, if an import wrote it and it is
    /// unchanged. Another one is a change in this store.
    async fn compare_removed_parts<S: ImportSource>(
        &mut self,
        engine: &Engine,
        source: &mut S,
        taken: &mut TakenEntries,
    ) -> Result<(), Error> {
        for group in self.aggregates.groups() {
            let mut changed = Vec::new();
            for part in self.removed_parts(engine, source, &group.concat()).await? {
                taken.release(&part.key, None);
                let is_unchanged = match has_row(part.collection) {
                    true => {
                        let rows = read_rows(engine, std::slice::from_ref(&part.key)).await?;
                        rows.into_iter().flatten().any(|row| row.revision == part.revision)
                    }
                    false => true,
                };
                if !is_unchanged {
                    changed.push(part.aggregate);
                }
            }
            self.aggregates.mark_conflicts(changed);
        }
        Ok(())
    }

    /// The parts of these documents that the store has and the source has not.
    pub(super) async fn removed_parts<S: ImportSource>(
        &self,
        engine: &Engine,
        source: &mut S,
        group: &[Key],
    ) -> Result<Vec<RemovedPart>, Error> {
        let mut removed = Vec::new();
        for collection in exported_collections(&engine.catalog()) {
            let Some(reference) = part_reference(collection) else { continue };
            let owners: BTreeSet<&Key> = group.iter().filter(|key| key.collection == reference.collection).collect();
            if owners.is_empty() || !self.exported.contains(collection.name) {
                continue;
            }
            let mut present: BTreeSet<Arc<str>> = BTreeSet::new();
            let mut chunks = RecordChunks::of_collection(source, collection, None)?;
            while let Some(chunk) = chunks.next()? {
                let of_group = chunk
                    .iter()
                    .filter(|record| owners.contains(&aggregate_key(collection, &record.id, &record.document)));
                present.extend(of_group.map(|record| record.id.clone()));
                engine.yield_now().await;
            }
            for owner in owners {
                let is_part = Filter::Eq(reference.field.to_owned(), (&*owner.id).into());
                for_each_row(engine, Query::of(collection).filter(is_part), |Row { id, stored, .. }| {
                    if !present.contains(&id) {
                        removed.push(RemovedPart {
                            aggregate: owner.clone(),
                            collection,
                            key: Key::new(collection, &id),
                            revision: stored.revision,
                        });
                    }
                })
                .await?;
            }
        }
        Ok(removed)
    }

    /// Fails if there are conflicts.
    fn check_conflicts(&self, options: &ImportOptions) -> Result<(), Error> {
        // One of which the source has left parts out was named where they were left out.
        let conflicts = || self.aggregates.conflicts().filter(|(_, state)| !state.incomplete).map(|(key, _)| key);
        let Some(first) = conflicts().next() else { return Ok(()) };
        let (count, listed) = list(conflicts());
        let message = match first.collection == COMMANDS.name {
            true => format!(
                "command `{}` has another result in this store; nothing was overwritten. Import into another store",
                first.id
            ),
            false if options.exact => format!(
                "{count} of the documents exist in this store and differ: {}; nothing was overwritten. Restore into an empty store",
                listed.join(", ")
            ),
            false => format!(
                "{count} of the documents exist in this store and differ, and were not imported from that store or have changed or been deleted here since: {}{}; nothing was overwritten. Import into another store, keep them as they are (`conflicts`: `keep`), or remove them first (a removed program stays for an hour)",
                listed.join(", "),
                if count > listed.len() as u64 { ", and others" } else { "" },
            ),
        };
        let (collection, key) = (Some(first.collection.to_string()), Some(first.id.to_string()));
        Err(Error { collection, key, ..Error::new(ErrorCode::ALREADY_EXISTS, message) })
    }

    /// The number of conflicts, and the first ones.
    pub(super) fn conflicts(&self) -> (u64, Vec<String>) {
        list(self.aggregates.conflicts().map(|(key, _)| key))
    }

    /// The groups of documents that are updated together with their parts.
    pub(super) fn update_groups(&self) -> Vec<Vec<Vec<Key>>> {
        self.aggregates.groups()
    }

    /// What is planned for each document of a collection, in the order of the source.
    pub(super) fn actions(&self, collection: &str) -> PlannedActions<'_> {
        PlannedActions { plan: self, planned: self.actions.get(collection).map(|actions| actions.iter()) }
    }

    /// The documents of a collection that are written, in chunks.
    pub(super) fn chunks<'a, S: ImportSource>(
        &'a self,
        source: &'a mut S,
        collection: &'static Collection,
        part: PlannedPart,
    ) -> Result<RecordChunks<'a, S>, Error> {
        RecordChunks::of_collection(source, collection, Some((self.actions(collection.name), part)))
    }
}

/// The planned actions for the documents of a collection.
pub(super) struct PlannedActions<'a> {
    plan: &'a ImportPlan,
    /// `None`: all documents are inserted.
    planned: Option<std::slice::Iter<'a, PlannedAction>>,
}

impl PlannedActions<'_> {
    /// The action for the next document of the source, and the pass that writes it.
    pub(super) fn next(&mut self, record: &ExportRecord) -> (PlannedAction, Option<PlannedPart>) {
        let planned = match &mut self.planned {
            None => PlannedAction::Insert,
            Some(planned) => planned.next().copied().unwrap_or(PlannedAction::None),
        };
        let aggregates = &self.plan.aggregates;
        if matches!(planned, PlannedAction::None | PlannedAction::Keep) {
            return (planned, None);
        }
        let state = match aggregates.is_empty() {
            true => None,
            false => aggregates.get(&aggregate_key(record.collection, &record.id, &record.document)),
        };
        match state {
            Some(state) if state.here => (PlannedAction::Keep, None),
            Some(state) if state.is_updated() => (planned, Some(PlannedPart::Updates)),
            _ => (planned, Some(PlannedPart::Insertions)),
        }
    }
}

/// A part of a document that the source has no longer.
pub(super) struct RemovedPart {
    pub(super) aggregate: Key,
    pub(super) collection: &'static Collection,
    pub(super) key: Key,
    pub(super) revision: Revision,
}

/// The number of keys, and the first ones.
fn list<'a>(keys: impl Iterator<Item = &'a Key>) -> (u64, Vec<String>) {
    let (mut count, mut listed) = (0, Vec::new());
    for key in keys {
        count += 1;
        if listed.len() < LISTED_CONFLICTS {
            listed.push(key.to_string());
        }
    }
    (count, listed)
}

pub(super) async fn for_each_row(engine: &Engine, query: Query, mut each: impl FnMut(Row)) -> Result<(), Error> {
    let mut query = query.limit(PARTS_PAGE);
    loop {
        let page = engine.store().query(&query, Freshness::Linearizable).await?;
        page.items.into_iter().for_each(&mut each);
        match page.next {
            Some(cursor) => query = query.after(Some(cursor)),
            None => return Ok(()),
        }
    }
}

async fn exists(engine: &Engine, key: &Key) -> Result<bool, Error> {
    let found = engine.store().get(std::slice::from_ref(key), Freshness::Linearizable).await?;
    Ok(found.iter().any(Option::is_some))
}

/// Checks that the store accepts a document, as far as that is possible without the store.
fn check_accepted(engine: &Engine, record: &ExportRecord) -> Result<(), Error> {
    let batch = insertion_batch(engine, &[record], "", 0, &Origin { at: engine.now(), store: None })?;
    Ok(batch.validate(&engine.catalog(), engine.store().capabilities().limits()).map(drop)?)
}

/// Whether the store lacks each record. Fails if it has a different document under the key of one.
pub(super) async fn find_absent(engine: &Engine, records: &[ExportRecord]) -> Result<Vec<bool>, Error> {
    let keys: Vec<Key> = records.iter().map(ExportRecord::key).collect();
    let stored = engine.store().get(&keys, Freshness::Linearizable).await?;
    let is_absent = |(record, stored): (&ExportRecord, Option<StoredDocument>)| match stored {
        None => Ok(true),
        Some(stored) if is_same_document(record, &stored) => Ok(false),
        Some(_) => {
            let message = format!(
                "{} was written to this store during the import and differs; it was not overwritten. Repeat the import",
                record.key()
            );
            Err(already_exists(&record.key(), message))
        }
    };
    records.iter().zip(stored).map(is_absent).collect()
}

pub(super) fn as_stored(record: &ExportRecord, stored: StoredDocument) -> ExportRecord {
    ExportRecord { version: stored.version, document: stored.document, ..record.clone() }
}

/// Compares the exported forms, because stores may return `1.0` as `1`.
pub(super) fn is_same_document(record: &ExportRecord, stored: &StoredDocument) -> bool {
    Arc::ptr_eq(&stored.document, &record.document) || as_stored(record, stored.clone()).line() == record.line()
}

pub(super) fn already_exists(key: &Key, message: String) -> Error {
    let (collection, key) = (Some(key.collection.to_string()), Some(key.id.to_string()));
    Error { collection, key, ..Error::new(ErrorCode::ALREADY_EXISTS, message) }
}
