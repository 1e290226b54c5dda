//! A base for an asynchronous backend (deferred reads, `docs/decisions/0008`). Tables evaluate a query synchronously on
//! the rows that one transaction has fetched so far. A missing row is recorded as a [`DeferredRead`]; the driver of the
//! transaction fetches it and evaluates the query again. So asynchronous stores share the code of the other stores, and
//! read only the ranges that an index needs.
//!
//! Fetched rows do not outlive their transaction: a [`FetchedRows`] belongs to one transaction.

mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runstate_value::SortedMap;

use self::scan::FetchedScan;
use super::overlay::{Base, BasePart, EntryKey, RowIter, ScanDirection};
use crate::{StoreError, StoredDocument};
use scan::RangeSet;

/// A read that a query needs and that has not been fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeferredRead {
    /// One document of a part.
    Document {
        /// The part.
        part: usize,
        /// The id of the document.
        id: Arc<str>,
    },
    /// Rows of a part. The driver decides how many it fetches.
    Rows {
        /// The part.
        part: usize,
        /// The least key, included.
        from: Vec<u8>,
        /// The end, excluded; none: to the last key.
        to: Option<Vec<u8>>,
        /// The direction, which determines the end at which reading begins.
        direction: ScanDirection,
    },
}

/// The contents of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDescriptor {
    /// The collection.
    pub collection: String,
    /// The declaration that made the entries ([`super::EntryExtractor`]); none for documents.
    pub made_by: Option<Arc<str>>,
}

/// The rows that one transaction has fetched so far, by the number of their part.
#[derive(Clone, Debug, Default)]
pub struct FetchedRows {
    documents: SortedMap<usize, FetchedPart<Option<StoredDocument>>>,
    entries: SortedMap<usize, FetchedPart<Arc<str>>>,
    deferred: Option<DeferredRead>,
}

/// Fetched rows of a part, and the ranges that are completely fetched.
#[derive(Clone, Debug)]
struct FetchedPart<V> {
    rows: BTreeMap<Arc<[u8]>, V>,
    ranges: RangeSet,
}

impl<V> Default for FetchedPart<V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), ranges: RangeSet::default() }
    }
}

impl FetchedRows {
    /// Adds the document under an id, or its absence.
    pub fn insert_document(&mut self, part: usize, id: &str, stored: Option<StoredDocument>) {
        self.documents.or_default(part).rows.insert(id.as_bytes().into(), stored);
    }

    /// Returns whether the document under an id, or its absence, is fetched.
    pub fn is_fetched(&self, part: usize, id: &str) -> bool {
        self.documents.get(&part).is_some_and(|fetched| fetched.get(id.as_bytes()).is_some())
    }

    /// Adds an entry. Its key ends with the id of its document.
    pub fn insert_entry(&mut self, part: usize, key: &[u8], id: &Arc<str>) {
        self.entries.or_default(part).rows.insert(key.into(), id.clone());
    }

    /// Marks the documents of a part from one id (included) to another (excluded; none: to the end) as completely
    /// fetched.
    pub fn insert_document_range(&mut self, part: usize, from: Vec<u8>, to: Option<Vec<u8>>) {
        self.documents.or_default(part).ranges.insert(from, to);
    }

    /// As [`FetchedRows::insert_document_range`], for entries.
    pub fn insert_entry_range(&mut self, part: usize, from: Vec<u8>, to: Option<Vec<u8>>) {
        self.entries.or_default(part).ranges.insert(from, to);
    }
}

impl FetchedPart<Option<StoredDocument>> {
    /// Returns the document or its absence; none if it is not fetched.
    fn get(&self, id: &[u8]) -> Option<Option<StoredDocument>> {
        match self.rows.get(id) {
            Some(found) => Some(found.clone()),
            None => self.ranges.covered_end(id).map(|_| None),
        }
    }
}

/// The evaluation of a query on fetched rows.
#[derive(Debug)]
pub enum Evaluation<T> {
    /// The result of the query.
    Answer(Result<T, StoreError>),
    /// A row is missing. Fetch it, then evaluate the query again.
    Deferred(DeferredRead),
}

/// The base through which tables read the rows that a transaction has fetched.
pub struct DeferredBase {
    parts: Vec<PartDescriptor>,
    fetched: Mutex<FetchedRows>,
}

/// The rows are left out: they would be long, and their formatting code would add to the size of pages.
impl fmt::Debug for DeferredBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredBase").finish_non_exhaustive()
    }
}

impl DeferredBase {
    /// Creates a base with these parts.
    pub fn new(parts: Vec<PartDescriptor>) -> Self {
        Self { parts, fetched: Mutex::default() }
    }

    /// Returns the number of a part.
    pub fn part_number(&self, collection: &str, made_by: Option<&str>) -> Option<usize> {
        self.parts.iter().position(|part| part.collection == collection && part.made_by.as_deref() == made_by)
    }

    /// Evaluates a query of tables over this base on the fetched rows. The query must not await.
    pub fn evaluate<T>(
        &self,
        fetched: &mut FetchedRows,
        query: impl FnOnce() -> Result<T, StoreError>,
    ) -> Evaluation<T> {
        std::mem::swap(&mut *self.fetched(), fetched);
        let result = query();
        std::mem::swap(&mut *self.fetched(), fetched);
        match fetched.deferred.take() {
            // A result without the missing row is not valid.
            Some(read) => Evaluation::Deferred(read),
            None => Evaluation::Answer(result),
        }
    }

    fn fetched(&self) -> MutexGuard<'_, FetchedRows> {
        // Each change is one step, so the value is valid after a panic elsewhere.
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a missing read. The returned error ends the query.
    fn defer(&self, read: DeferredRead) -> StoreError {
        self.fetched().deferred.get_or_insert(read);
        StoreError::Unavailable { what: "a part of the store".to_owned(), why: "it was not read yet".to_owned() }
    }

    fn parts(&self) -> impl Iterator<Item = (BasePart, &PartDescriptor)> {
        // The number of rows is unknown, and no query needs it.
        self.parts.iter().enumerate().map(|(number, descriptor)| (BasePart { number, rows: 0 }, descriptor))
    }
}

impl Base for DeferredBase {
    fn collections(&self) -> Vec<(String, BasePart)> {
        let documents = self.parts().filter(|(_, descriptor)| descriptor.made_by.is_none());
        documents.map(|(part, descriptor)| (descriptor.collection.clone(), part)).collect()
    }

    fn index(&self, collection: &str, made_by: &str) -> Option<BasePart> {
        let number = self.part_number(collection, Some(made_by))?;
        Some(BasePart { number, rows: 0 })
    }

    fn document(&self, part: BasePart, id: &str) -> Result<Option<StoredDocument>, StoreError> {
        let document = self.fetched().documents.get(&part.number).and_then(|fetched| fetched.get(id.as_bytes()));
        document.ok_or_else(|| self.defer(DeferredRead::Document { part: part.number, id: id.into() }))
    }

    fn documents<'a>(&'a self, part: BasePart, from: Bound<&str>) -> RowIter<'a, Arc<str>, StoredDocument> {
        let rows = FetchedScan::documents(self, part.number, from.map(str::as_bytes));
        Box::new(rows.filter_map(|row| row.map(|(id, stored)| stored.map(|stored| (id, stored))).transpose()))
    }

    fn entries<'a>(
        &'a self,
        part: BasePart,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        direction: ScanDirection,
    ) -> RowIter<'a, EntryKey, Arc<str>> {
        Box::new(FetchedScan::entries(self, part.number, range, direction))
    }
}
