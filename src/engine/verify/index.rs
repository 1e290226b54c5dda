//! The entries of each index against the documents. An ordered index is read from its beginning to its end: its order and uniqueness are checked,
//! and that its entries are exactly those of the documents. In an index of elements the elements of each document are looked up.

use std::sync::Arc;

use super::bucket::{BUCKETS, Buckets, bucket, hash};
use super::scan::{Pages, Scan};
use super::{Error, PAGE, TRIES, Verification};
use crate::engine::transfer::Progress;
use crate::schema::{Collection, Filter, Index, IndexKind, Key, Query, keys};
use crate::store::{Finding, Freshness, Row, Stored};
use crate::value::{Few, Json, get, words};

/// Documents of differing buckets that are kept in memory at once.
const COMPARED: u64 = 100_000;

/// Differing documents that are found at once; more of them are no other finding.
const DIFFERENCES: usize = 1_000;

/// Elements of one document that are looked up.
const ELEMENTS: usize = 4;

/// How an index and a document differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mismatch {
    /// The index has no entry of the document.
    Missing,
    /// The index has an entry that the document does not have, or has one twice.
    Wrong,
}

/// Documents that differ from an index, as of one reading, with their revisions. None: the document does not exist, or cannot be read.
type Differences = Few<Arc<str>, (Mismatch, Option<String>)>;

impl<P: FnMut(Progress)> Verification<P> {
    /// Compares an ordered index with the documents, whose entries are `expected`.
    pub(super) async fn check_index(
        &mut self,
        collection: &'static Collection,
        index: &'static Index,
        expected: &Buckets,
    ) -> Result<(), Error> {
        let mut found = Buckets::default();
        let mut last: Option<(Vec<u8>, Arc<str>)> = None;
        let mut pages = Pages::of(in_order(collection, index));
        while let Some(rows) = self.next_rows(&mut pages).await? {
            for row in &rows {
                found.add(collection, index, row);
                let entry = keys::entries(collection, index, &row.stored.document).pop().unwrap_or_default();
                if let Some((before, id)) = &last {
                    if (before, id) >= (&entry, &row.id) {
                        let why = format!("index `{}` leads to it behind `{id}`, out of its order", index.name());
                        self.report.add(Finding::damage(Key::new(collection, &row.id).to_string(), why));
                    } else if index.unique && *before == entry {
                        self.check_unique(collection, index, id, &row.id).await?;
                    }
                }
                last = Some((entry, row.id.clone()));
            }
            self.engine.give_way().await;
        }
        self.report.entries += found.entries();
        if !pages.complete {
            return Ok(());
        }
        let differing = expected.differing(&found);
        if differing.is_empty() {
            return Ok(());
        }
        let each = expected.entries().max(found.entries()) / BUCKETS as u64;
        let most = usize::try_from(COMPARED / each.max(1)).unwrap_or(BUCKETS).max(1);
        let chosen: Vec<usize> = differing.into_iter().take(most).collect();
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
        let Some(found) = self.get(&pair).await? else { return Ok(()) };
        if let [Some(first), Some(second)] = found.as_slice() {
            let of = |stored: &Stored| keys::entries(collection, index, &stored.document);
            if of(first) == of(second) {
                let why = format!("it has the same entry in unique index `{}` as `{one}`", index.name());
                self.report.add(Finding::damage(pair[1].to_string(), why));
            }
        }
        Ok(())
    }

    /// Finds the documents of these buckets that differ from the index. A document that is written meanwhile differs for a moment: a mismatch is a
    /// finding when it is found twice at one revision.
    async fn find_mismatches(
        &mut self,
        collection: &'static Collection,
        index: &'static Index,
        chosen: &[usize],
    ) -> Result<(), Error> {
        let mut before = self.compare(collection, index, chosen).await?;
        for attempt in 2..=TRIES {
            let now = self.compare(collection, index, chosen).await?;
            let is_certain = |id: &Arc<str>| before.get(id).is_some_and(|then| now.get(id) == Some(then));
            if attempt == TRIES || now.keys().all(is_certain) {
                for (id, (mismatch, _)) in now.iter().filter(|(id, _)| is_certain(id)) {
                    let why = match mismatch {
                        Mismatch::Missing => format!("index `{}` has no entry of it", index.name()),
                        Mismatch::Wrong => format!("index `{}` has an entry of it that is wrong", index.name()),
                    };
                    self.report.add(Finding::damage(Key::new(collection, id).to_string(), why));
                }
                return Ok(());
            }
            before = now;
        }
        Ok(())
    }

    /// Up to [`DIFFERENCES`] documents of these buckets that differ from the index.
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
        // In the order of ids, by the scan. None: the index has the entry.
        let mut expected: Vec<(Arc<str>, Option<u128>)> = Vec::new();
        let mut scan = Scan::by_id(collection).projected(projection(index));
        while let Some(rows) = self.next_page(&mut scan).await? {
            let hashes = rows.iter().filter(is_chosen).filter_map(hash_of);
            expected.extend(hashes.map(|(id, hash)| (id, Some(hash))));
            self.engine.give_way().await;
        }
        let mut differing = Differences::default();
        let mut pages = Pages::of(in_order(collection, index));
        while let Some(rows) = self.next_rows(&mut pages).await? {
            for (id, hash) in rows.iter().filter(is_chosen).filter_map(hash_of) {
                let place = expected.binary_search_by(|(other, _)| other.cmp(&id)).ok();
                let entry = place.and_then(|place| expected.get_mut(place)).and_then(|(_, entry)| entry.take());
                if entry != Some(hash) && differing.len() < DIFFERENCES {
                    differing.insert(id, (Mismatch::Wrong, None));
                }
            }
            self.engine.give_way().await;
        }
        for (id, _) in expected.into_iter().filter(|(_, entry)| entry.is_some()) {
            if differing.len() < DIFFERENCES {
                differing.insert(id, (Mismatch::Missing, None));
            }
        }
        for (id, (_, revision)) in differing.iter_mut() {
            let found = self.get(&[Key::new(collection, id)]).await?;
            *revision = found.into_iter().flatten().flatten().next().map(|stored| stored.revision.to_string());
        }
        Ok(differing)
    }

    /// Looks up the elements and words of documents in the indexes over them.
    pub(super) async fn check_elements(&mut self, collection: &'static Collection, rows: &[Row]) -> Result<(), Error> {
        let has_id = collection.fields.iter().any(|field| field.name == "id");
        for index in collection.indexes.iter().filter(|index| has_id && index.kind != IndexKind::Ordered) {
            for row in rows {
                for filter in lookups(index, row) {
                    let own = Filter::Eq("id".to_owned(), (&*row.id).into());
                    let query = Query::of(collection).filter(filter).filter(own).limit(1);
                    let page = self.engine.store().query_with(&query, Freshness::Validated).await?;
                    if !page.rows.is_empty() {
                        continue;
                    }
                    let key = Key::new(collection, &row.id);
                    let Some(found) = self.get(std::slice::from_ref(&key)).await? else { continue };
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

/// The query for all documents in the order of an ordered index.
fn in_order(collection: &Collection, index: &Index) -> Query {
    let mut query = Query { projection: projection(index), ..Query::of(collection).limit(PAGE) };
    if let Some(partial) = &index.partial {
        query = query.filter(partial.filter());
    }
    index.fields.iter().fold(query, |query, (path, direction)| query.sort(path, *direction))
}

/// The top-level fields from which the entries of an index follow.
fn projection(index: &Index) -> Vec<String> {
    let partial = index.partial.iter().flat_map(|partial| partial.paths());
    let paths = index.fields.iter().map(|(path, _)| *path).chain(partial);
    let mut fields: Vec<String> = paths.map(|path| path.split('.').next().unwrap_or(path).to_owned()).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// Conditions that the document meets, and that an index of elements or words answers.
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
            words(text).take(ELEMENTS).map(|word| Filter::Text((*path).to_owned(), word.to_string())).collect()
        }
        (IndexKind::Each | IndexKind::Contains, Some(Json::Array(items))) => {
            let single = items.iter().filter(|item| !item.is_null() && !item.is_object() && !item.is_array());
            single.take(ELEMENTS).map(|item| Filter::Contains((*path).to_owned(), item.clone())).collect()
        }
        _ => Vec::new(),
    };
    filters.into_iter().map(partial).collect()
}
