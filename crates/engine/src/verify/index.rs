//! Checks the entries of each index against the documents. An ordered index is read completely: its order and
//! uniqueness are checked, and whether its entries are exactly those of the documents. In an index of elements, the
//! elements of each document are looked up; in a text index, a word of each of the first documents.

use std::sync::Arc;

use runstate_core::id::sha256;
use runstate_core::schema::{Collection, Filter, Index, IndexKind, Key, Query, keys};
use runstate_store::{Finding, Freshness, Row, StoredDocument};
use runstate_value::{Json, SortedMap, get, sort_by, words};

use super::{CollectionScan, Error, PAGE, QueryPages, TRIES, Verification, get_documents};

/// Maximum number of documents of differing buckets that are in memory at once.
const MAX_COMPARED_DOCUMENTS: u64 = 100_000;

/// Maximum number of differing documents that one comparison finds.
const MAX_DIFFERENCES: usize = 1_000;

/// Maximum number of elements of one document that are looked up.
const MAX_ELEMENTS: usize = 4;

/// Maximum number of documents whose words are looked up. Each lookup may read all documents with a common word.
const MAX_TEXT_DOCUMENTS: usize = 100;

/// The difference between an index and a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IndexMismatch {
    /// The index has no entry of the document.
    Missing,
    /// The index has an entry that the document does not have, or has one twice.
    Wrong,
}

/// Documents that differ from an index, as of one comparison, with their revisions. `None`: the document does not
/// exist, or cannot be read.
type Differences = SortedMap<Arc<str>, (IndexMismatch, Option<String>)>;

impl Verification<'_> {
    /// Compares an ordered index with the documents, whose entries are `expected`.
    pub(super) async fn check_index(
        &mut self,
        collection: &'static Collection,
        index: &'static Index,
        expected: &Buckets,
    ) -> Result<(), Error> {
        let mut found = Buckets::default();
        let mut last: Option<(Vec<u8>, Arc<str>)> = None;
        let mut pages = index_pages(collection, index);
        while let Some(rows) = self.next_rows(&mut pages).await? {
            for row in &rows {
                found.add(collection, index, row);
                let entry = keys::entries(collection, index, &row.stored.document).pop().unwrap_or_default();
                if let Some((before, id)) = &last {
                    if (before, id) >= (&entry, &row.id) {
                        let why =
                            format!("index `{}` is out of order: it returns the document after `{id}`", index.name());
                        self.report.add(Finding::damage(Key::new(collection, &row.id).to_string(), why));
                    } else if index.unique && *before == entry {
                        self.check_unique(collection, index, id, &row.id).await?;
                    }
                }
                last = Some((entry, row.id.clone()));
            }
            self.engine.yield_now().await;
        }
        self.report.entries += found.entries();
        if pages.unreadable.is_some() {
            return Ok(());
        }
        let differing = expected.differing(&found);
        if differing.is_empty() {
            return Ok(());
        }
        let per_bucket = expected.entries().max(found.entries()) / BUCKETS as u64;
        let max_buckets = usize::try_from(MAX_COMPARED_DOCUMENTS / per_bucket.max(1)).unwrap_or(BUCKETS).max(1);
        let chosen: Vec<usize> = differing.into_iter().take(max_buckets).collect();
        self.find_mismatches(collection, index, &chosen).await
    }

    /// Reports two documents that share an entry of a unique index, unless one of them was written meanwhile.
    async fn check_unique(
        &mut self,
        collection: &Collection,
        index: &Index,
        one: &str,
        other: &str,
    ) -> Result<(), Error> {
        let pair = [Key::new(collection, one), Key::new(collection, other)];
        let Some(found) = get_documents(&self.engine, &pair).await? else { return Ok(()) };
        if let [Some(first), Some(second)] = found.as_slice() {
            let entries = |stored: &StoredDocument| keys::entries(collection, index, &stored.document);
            if entries(first) == entries(second) {
                let why = format!("unique index `{}` has the same entry for it and for `{one}`", index.name());
                self.report.add(Finding::damage(pair[1].to_string(), why));
            }
        }
        Ok(())
    }

    /// Finds the documents of these buckets that differ from the index. A document that is written meanwhile differs
    /// for a moment, so a mismatch is a finding only if it is found twice at one revision.
    async fn find_mismatches(
        &mut self,
        collection: &'static Collection,
        index: &'static Index,
        chosen: &[usize],
    ) -> Result<(), Error> {
        let mut before = self.compare(collection, index, chosen).await?;
        for attempt in 2..=TRIES {
            let now = self.compare(collection, index, chosen).await?;
            let is_certain = |id: &Arc<str>| before.get(id).is_some_and(|previous| now.get(id) == Some(previous));
            if attempt == TRIES || now.keys().all(is_certain) {
                for (id, (mismatch, _)) in now.iter().filter(|(id, _)| is_certain(id)) {
                    let why = match mismatch {
                        IndexMismatch::Missing => format!("index `{}` has no entry of it", index.name()),
                        IndexMismatch::Wrong => {
                            format!("index `{}` has an entry of it that does not match the document", index.name())
                        }
                    };
                    self.report.add(Finding::damage(Key::new(collection, id).to_string(), why));
                }
                return Ok(());
            }
            before = now;
        }
        Ok(())
    }

    /// Up to [`MAX_DIFFERENCES`] documents of these buckets that differ from the index.
    async fn compare(
        &mut self,
        collection: &'static Collection,
        index: &'static Index,
        chosen: &[usize],
    ) -> Result<Differences, Error> {
        let is_chosen = |row: &&Row| chosen.contains(&bucket(&row.id));
        let hash_of = |row: &Row| {
            let entry = keys::entries(collection, index, &row.stored.document).pop();
            entry.map(|entry| (row.id.clone(), hash(&entry, &row.id)))
        };
        // Ordered by id, as the scan is. `None`: the index has the entry.
        let mut expected: Vec<(Arc<str>, Option<u128>)> = Vec::new();
        let mut scan = CollectionScan::by_id(collection).projected(projection(index));
        while let Some(rows) = self.next_page(&mut scan).await? {
            let hashes = rows.iter().filter(is_chosen).filter_map(hash_of);
            expected.extend(hashes.map(|(id, hash)| (id, Some(hash))));
            self.engine.yield_now().await;
        }
        let mut differing = Differences::default();
        let mut pages = index_pages(collection, index);
        while let Some(rows) = self.next_rows(&mut pages).await? {
            for (id, hash) in rows.iter().filter(is_chosen).filter_map(hash_of) {
                let position = expected.binary_search_by(|(other, _)| other.cmp(&id)).ok();
                let entry =
                    position.and_then(|position| expected.get_mut(position)).and_then(|(_, entry)| entry.take());
                if entry != Some(hash) && differing.len() < MAX_DIFFERENCES {
                    differing.insert(id, (IndexMismatch::Wrong, None));
                }
            }
            self.engine.yield_now().await;
        }
        for (id, _) in expected.into_iter().filter(|(_, entry)| entry.is_some()) {
            if differing.len() < MAX_DIFFERENCES {
                differing.insert(id, (IndexMismatch::Missing, None));
            }
        }
        for (id, (_, revision)) in differing.iter_mut() {
            let found = get_documents(&self.engine, &[Key::new(collection, id)]).await?;
            *revision = found.into_iter().flatten().flatten().next().map(|stored| stored.revision.to_string());
        }
        Ok(differing)
    }

    /// Looks up the elements and words of documents in the indexes over them, after `scanned` documents of the
    /// collection.
    pub(super) async fn check_elements(
        &mut self,
        collection: &'static Collection,
        rows: &[Row],
        scanned: usize,
    ) -> Result<(), Error> {
        let has_id = collection.fields.iter().any(|field| field.name == "id");
        for index in collection.indexes.iter().filter(|index| has_id && index.kind != IndexKind::Ordered) {
            let checked =
                if index.kind == IndexKind::Text { MAX_TEXT_DOCUMENTS.saturating_sub(scanned) } else { usize::MAX };
            for row in rows.iter().take(checked) {
                for filter in lookups(index, row) {
                    let by_id = Filter::Eq("id".to_owned(), (&*row.id).into());
                    let query = Query::of(collection).filter(filter).filter(by_id).limit(1);
                    let page = self.engine.store().query(&query, Freshness::Session).await?;
                    if !page.items.is_empty() {
                        continue;
                    }
                    let key = Key::new(collection, &row.id);
                    let Some(found) = get_documents(&self.engine, std::slice::from_ref(&key)).await? else { continue };
                    if found.into_iter().flatten().any(|stored| stored.revision == row.stored.revision) {
                        let why = format!("index `{}` has no entry of it", index.name());
                        self.report.add(Finding::damage(key.to_string(), why));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The documents of a collection in the order of an index. Only fields of the index are read, which are small unless
/// they are parts of others.
fn index_pages(collection: &Collection, index: &Index) -> QueryPages {
    let query = index_order_query(collection, index);
    let has_parts = index.fields.iter().any(|(path, _)| path.contains('.'));
    if has_parts { QueryPages::of(query) } else { QueryPages::of_small_rows(query) }
}

fn index_order_query(collection: &Collection, index: &Index) -> Query {
    let mut query = Query { projection: projection(index), ..Query::of(collection).limit(PAGE) };
    if let Some(partial) = &index.partial {
        query = query.filter(partial.filter());
    }
    index.fields.iter().fold(query, |query, (path, direction)| query.sort(path, *direction))
}

/// The top-level fields that determine the entries of an index.
fn projection(index: &Index) -> Vec<String> {
    let partial = index.partial.iter().flat_map(|partial| partial.paths());
    let paths = index.fields.iter().map(|(path, _)| *path).chain(partial);
    let mut fields: Vec<String> = paths.map(|path| path.split('.').next().unwrap_or(path).to_owned()).collect();
    sort_by(&mut fields, Ord::cmp);
    fields.dedup();
    fields
}

/// Filters that the document matches, and that an index of elements or words can answer.
fn lookups(index: &Index, row: &Row) -> Vec<Filter> {
    let document = &*row.stored.document;
    let Some((path, _)) = index.fields.first() else { return Vec::new() };
    if !index.partial.as_ref().is_none_or(|partial| partial.holds(document)) {
        return Vec::new();
    }
    let partial = |filter: Filter| match &index.partial {
        Some(partial) => Filter::And(vec![partial.filter(), filter]),
        None => filter,
    };
    let filters: Vec<Filter> = match (index.kind, get(document, path)) {
        (IndexKind::Text, Some(Json::String(text))) => {
            // A long word is probably a rare one.
            let word = words(text).max_by_key(String::len);
            word.map(|word| Filter::Text((*path).to_owned(), word)).into_iter().collect()
        }
        (IndexKind::Each | IndexKind::Contains, Some(Json::Array(items))) => {
            let single = items.iter().filter(|item| !item.is_null() && !item.is_object() && !item.is_array());
            single.take(MAX_ELEMENTS).map(|item| Filter::Contains((*path).to_owned(), item.clone())).collect()
        }
        _ => Vec::new(),
    };
    filters.into_iter().map(partial).collect()
}

pub(super) const BUCKETS: usize = 256;

/// Entries of one index, assigned to buckets by the id of their document. A bucket is the sum of its entries' hashes,
/// in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buckets {
    sums: Vec<u128>,
    entries: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { sums: vec![0; BUCKETS], entries: 0 }
    }
}

impl Buckets {
    pub(super) fn add(&mut self, collection: &Collection, index: &Index, row: &Row) {
        for entry in keys::entries(collection, index, &row.stored.document) {
            let sum = &mut self.sums[bucket(&row.id)];
            *sum = sum.wrapping_add(hash(&entry, &row.id));
            self.entries += 1;
        }
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn differing(&self, other: &Self) -> Vec<usize> {
        let pairs = self.sums.iter().zip(&other.sums).enumerate();
        pairs.filter(|(_, (own, other))| own != other).map(|(bucket, _)| bucket).collect()
    }
}

pub(super) fn bucket(id: &str) -> usize {
    let [first, ..] = sha256(&[id.as_bytes()]);
    usize::from(first)
}

pub(super) fn hash(entry: &[u8], id: &str) -> u128 {
    let hash = sha256(&[entry, id.as_bytes()]);
    hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
