//! Unique values that pass from one document to another. A written document takes a value that another document of the
//! store has. That is not a conflict if the import also writes the other without the value, or removes it as a part:
//! then the other one is written first, or both are written in one commit.

use std::collections::{BTreeMap, BTreeSet};

use runstate_core::schema::{Collection, Index, Key, Query};
use runstate_engine::{Engine, Error};
use runstate_store::Freshness;
use runstate_value::{self as value, Document, Json};

use super::aggregate::aggregate_key;
use super::plan::{ImportPlan, PlannedPart, already_exists};
use super::{ConflictPolicy, ExportRecord, ImportOptions, ImportSource};

/// An entry of a unique index that a written document takes from another document of the store.
struct TakenEntry {
    taker: Key,
    /// The aggregate of the taker.
    taking: Key,
    giver: Key,
    /// The aggregate of the giver.
    giving: Key,
    index: &'static Index,
    entry: Vec<Json>,
    /// Whether the import takes it from the giver.
    is_released: bool,
}

impl TakenEntry {
    fn error(&self) -> Error {
        let names: Vec<&str> = self.index.fields.iter().map(|(path, _)| *path).collect();
        let message = format!(
            "{} cannot be imported: {} has the same {}; nothing was overwritten. Remove that one here, or import into another store",
            self.taker,
            self.giver,
            names.join(", ")
        );
        already_exists(&self.taker, message)
    }
}

/// The taken entries of an import, by the documents that have them.
#[derive(Default)]
pub(super) struct TakenEntries {
    by_giver: BTreeMap<Key, Vec<TakenEntry>>,
}

impl TakenEntries {
    /// Finds the entries that `record` takes.
    pub(super) async fn find(&mut self, engine: &Engine, record: &ExportRecord) -> Result<(), Error> {
        for index in record.collection.indexes.iter().filter(|index| index.unique) {
            let Some(entry) = entry(index, &record.document) else { continue };
            let fields = index.fields.iter().zip(&entry);
            let query = Query::of(record.collection).limit(2);
            let mut query = fields.fold(query, |query, ((path, _), value)| query.eq(path, value.clone()));
            if let Some(partial) = &index.partial {
                query.filter = query.filter.and(partial.filter());
            }
            let page = engine.store().query(&query, Freshness::Linearizable).await?;
            if let Some(other) = page.items.into_iter().find(|row| row.id != record.id) {
                let giver = Key::new(record.collection, &other.id);
                self.by_giver.entry(giver.clone()).or_default().push(TakenEntry {
                    taker: record.key(),
                    taking: aggregate_key(record.collection, &record.id, &record.document),
                    giver,
                    giving: aggregate_key(record.collection, &other.id, &other.stored.document),
                    index,
                    entry,
                    is_released: false,
                });
            }
        }
        Ok(())
    }

    /// Releases the entries of a document that is removed, or is written as `after` and lacks them then.
    pub(super) fn release(&mut self, key: &Key, after: Option<&Document>) {
        for taken in self.by_giver.get_mut(key).into_iter().flatten() {
            taken.is_released |=
                after.is_none_or(|after| entry(taken.index, after).is_none_or(|after| after != taken.entry));
        }
    }

    /// Orders the documents that take entries after those that release them. Those whose entries stay with another
    /// document are conflicts.
    pub(super) async fn resolve<S: ImportSource>(
        mut self,
        engine: &Engine,
        source: &mut S,
        plan: &mut ImportPlan,
        options: &ImportOptions,
    ) -> Result<(), Error> {
        let names: BTreeSet<&str> = self.by_giver.keys().map(|key| &*key.collection).collect();
        let collections: Vec<&'static Collection> =
            names.iter().filter_map(|name| engine.catalog().get(name)).collect();
        for collection in collections {
            let mut chunks = plan.chunks(source, collection, PlannedPart::Updates)?;
            while let Some(chunk) = chunks.next()? {
                chunk.iter().for_each(|record| self.release(&record.key(), Some(&record.document)));
                engine.yield_now().await;
            }
        }
        let mut taken: Vec<TakenEntry> = self.by_giver.into_values().flatten().collect();
        loop {
            let is_kept = |key: &Key| plan.aggregates.get(key).is_some_and(|state| state.here);
            taken.retain(|taken| !is_kept(&taken.taking));
            let refused: Vec<&TakenEntry> =
                taken.iter().filter(|taken| !taken.is_released || is_kept(&taken.giving)).collect();
            match refused.first() {
                None => break,
                Some(first) if options.conflicts == ConflictPolicy::Refuse => return Err(first.error()),
                Some(_) => plan.aggregates.mark_conflicts(refused.into_iter().map(|taken| taken.taking.clone())),
            }
        }
        for TakenEntry { taking, giving, .. } in taken {
            plan.aggregates.order(giving, taking);
        }
        Ok(())
    }
}

/// The entry of a document in a unique index; `None`: it has none.
fn entry(index: &Index, document: &Document) -> Option<Vec<Json>> {
    let is_in_index = index.partial.as_ref().is_none_or(|partial| partial.holds(document));
    let value = |path| value::get(document, path).cloned().unwrap_or(Json::Null);
    is_in_index.then(|| index.fields.iter().map(|(path, _)| value(path)).collect())
}
