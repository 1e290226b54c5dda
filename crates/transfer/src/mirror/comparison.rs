//! The documents of two stores side by side, in the order of their ids.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use runstate_core::schema::{Collection, Query};
use runstate_engine::{Engine, Error, Phase, Progress, exported_collections};
use runstate_store::{COMMANDS, Freshness};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json};
use serde::Serialize;

use super::super::foreign::CollectionSummary;
use super::super::{ExportRecord, ExportTally};

/// Documents per page: few, because each may be large.
const PAGE: u32 = 64;

/// A comparison of two stores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MirrorComparison {
    /// The collections that have documents in one of the stores.
    pub collections: Vec<CollectionComparison>,
    /// The first documents that differ.
    pub differences: Vec<DocumentDifference>,
}

/// A collection in two stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectionComparison {
    /// Count and hash in the primary.
    pub primary: CollectionSummary,
    /// Count and hash in the secondary.
    pub secondary: CollectionSummary,
    /// The number of documents that differ.
    pub differing: u64,
}

/// A document that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentDifference {
    /// Its collection.
    pub collection: &'static str,
    /// Its id.
    pub id: String,
    /// The stores that have it.
    pub found_in: FoundIn,
    /// The fields that differ, if both have it.
    pub fields: Vec<String>,
}

/// The stores that have a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundIn {
    /// Only the primary.
    Primary,
    /// Only the secondary.
    Secondary,
    /// Both, with different fields.
    Both,
}

impl MirrorComparison {
    /// Whether the stores have the same documents.
    pub fn is_equal(&self) -> bool {
        self.collections.iter().all(|collection| collection.differing == 0)
    }
}

/// See [`Mirror::compare`](super::Mirror::compare). The stores need not be a mirror.
pub async fn compare(
    primary: &Engine,
    secondary: &Engine,
    listed: usize,
    mut progress: impl FnMut(Progress),
) -> Result<MirrorComparison, Error> {
    let (mut comparison, mut done) = (MirrorComparison::default(), 0);
    let in_both = [primary, secondary].map(|engine| exported_collections(&engine.catalog())).concat();
    let collections: BTreeMap<&str, &'static Collection> = in_both.into_iter().map(|one| (one.name, one)).collect();
    for collection in collections.into_values() {
        let (mut ours, mut theirs, mut differing) = (ExportTally::default(), ExportTally::default(), 0);
        let mut pairs = DocumentPairs::new(primary, secondary, collection);
        while let Some(pair) = pairs.next().await? {
            // A store may have removed it, or will.
            if pair.is_expired(primary.now()) {
                continue;
            }
            for (tally, record) in [(&mut ours, &pair.ours), (&mut theirs, &pair.theirs)] {
                record.iter().for_each(|record| tally.add(collection.name, &record.line()));
            }
            if !pair.is_same() {
                differing += 1;
                comparison
                    .differences
                    .extend((comparison.differences.len() < listed).then(|| pair.difference(collection)));
            }
            done += 1;
            if done % u64::from(PAGE) == 0 {
                progress(Progress { phase: Phase::Verify, done, of: None });
                primary.yield_now().await;
            }
        }
        let summary = |tally: ExportTally| {
            let summary = tally.summary();
            CollectionSummary {
                collection: collection.name.to_owned(),
                documents: summary.total(),
                sha256: summary.contents,
            }
        };
        let compared = CollectionComparison { primary: summary(ours), secondary: summary(theirs), differing };
        if compared.primary.documents + compared.secondary.documents > 0 {
            comparison.collections.push(compared);
        }
    }
    Ok(comparison)
}

/// A document in both stores.
pub(super) struct DocumentPair {
    pub(super) id: Arc<str>,
    ours: Option<ExportRecord>,
    theirs: Option<ExportRecord>,
}

impl DocumentPair {
    pub(super) fn is_same(&self) -> bool {
        match (&self.ours, &self.theirs) {
            (Some(ours), Some(theirs)) => ours.line() == theirs.line(),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        }
    }

    /// Whether one store has it, and it has expired.
    fn is_expired(&self, now: Timestamp) -> bool {
        match (&self.ours, &self.theirs) {
            (Some(one), None) | (None, Some(one)) => one.is_expired(now),
            _ => false,
        }
    }

    fn difference(&self, collection: &'static Collection) -> DocumentDifference {
        let (found_in, fields) = match (&self.ours, &self.theirs) {
            (Some(ours), Some(theirs)) => (FoundIn::Both, differing_fields(&ours.document, &theirs.document)),
            (Some(_), None) => (FoundIn::Primary, Vec::new()),
            (None, _) => (FoundIn::Secondary, Vec::new()),
        };
        DocumentDifference { collection: collection.name, id: self.id.to_string(), found_in, fields }
    }
}

/// The names of the fields that differ. Without one the schema versions differ.
fn differing_fields(ours: &Document, theirs: &Document) -> Vec<String> {
    let mut names: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let text = |value: Option<&Json>| value.map(runstate_value::canonical_json);
    names.retain(|name| text(ours.get(name.as_str())) != text(theirs.get(name.as_str())));
    names.into_iter().cloned().collect()
}

/// The documents of a collection in two stores, in the order of their ids. Rows of the ledger that belong to one store
/// are left out.
pub(super) struct DocumentPairs<'a> {
    theirs: DocumentStream<'a>,
    ours: DocumentStream<'a>,
}

impl<'a> DocumentPairs<'a> {
    pub(super) fn new(primary: &'a Engine, secondary: &'a Engine, collection: &'static Collection) -> Self {
        Self { theirs: DocumentStream::new(secondary, collection), ours: DocumentStream::new(primary, collection) }
    }

    pub(super) async fn next(&mut self) -> Result<Option<DocumentPair>, Error> {
        let theirs = self.theirs.peek_id().await?;
        let ours = self.ours.peek_id().await?;
        let Some(id) = [ours, theirs].into_iter().flatten().min() else { return Ok(None) };
        Ok(Some(DocumentPair { ours: self.ours.take(&id), theirs: self.theirs.take(&id), id }))
    }
}

/// The documents of a collection in the order of their ids.
struct DocumentStream<'a> {
    engine: &'a Engine,
    collection: &'static Collection,
    query: Option<Query>,
    page: VecDeque<ExportRecord>,
}

impl<'a> DocumentStream<'a> {
    fn new(engine: &'a Engine, collection: &'static Collection) -> Self {
        // A collection that was declared at run time may be unknown there, and has no documents then.
        let is_known = collection.name == COMMANDS.name || engine.catalog().get(collection.name).is_some();
        let query = is_known.then(|| Query::of(collection).limit(PAGE));
        Self { engine, collection, query, page: VecDeque::new() }
    }

    async fn peek_id(&mut self) -> Result<Option<Arc<str>>, Error> {
        while self.page.is_empty()
            && let Some(query) = self.query.take()
        {
            let page = self.engine.store().query(&query, Freshness::Linearizable).await?;
            let records = page.items.into_iter().map(|row| ExportRecord::from_row(self.collection, row));
            self.page.extend(records.filter(|record| !record.is_local()));
            self.query = page.next.map(|cursor| query.after(Some(cursor)));
        }
        Ok(self.page.front().map(|record| record.id.clone()))
    }

    fn take(&mut self, id: &str) -> Option<ExportRecord> {
        self.page.pop_front_if(|record| *record.id == *id)
    }
}
