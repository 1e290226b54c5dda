//! A base over a backend that answers later: tables ask at once, and are answered from what one transaction has read so far. What is missing
//! is remembered as a [`Wish`]; whoever drives the transaction reads it and asks the same question again. So a store whose calls are
//! asynchronous answers by the very code that the others do, and reads the stretches that an index names, never a whole collection.
//!
//! Nothing is remembered from one transaction to the next: a [`Fetched`] lives as long as its transaction.

mod cover;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::cover::Cover;
use self::scan::Scan;
use super::base::{Base, EntryKey, Part, Rows, Way};
use crate::store::{Error, Stored};
use crate::value::Few;

/// Something that a question needs and that was not read yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// One document of a part.
    Document {
        /// The part.
        part: usize,
        /// The document's id.
        id: Arc<str>,
    },
    /// The rows of a part from one key on, as many as seem right, in this direction.
    Rows {
        /// The part.
        part: usize,
        /// The least key, included.
        from: Vec<u8>,
        /// The end, excluded; none: to the last key.
        to: Option<Vec<u8>>,
        /// At which end reading begins.
        way: Way,
    },
}

/// What a part of a window stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pane {
    /// The collection.
    pub collection: String,
    /// By what declaration the entries are made ([`super::Projection`]); none: the documents themselves.
    pub made_by: Option<Arc<str>>,
}

/// What one transaction has read so far, by the numbers of parts.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    documents: Few<usize, Known<Option<Stored>>>,
    entries: Few<usize, Known<Arc<str>>>,
    wish: Option<Wish>,
}

/// Rows of a part, and which stretches of it are known.
#[derive(Clone, Debug)]
struct Known<V> {
    rows: BTreeMap<Arc<[u8]>, V>,
    cover: Cover,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), cover: Cover::default() }
    }
}

impl Fetched {
    /// What stands under an id.
    pub fn document(&mut self, part: usize, id: &str, stored: Option<Stored>) {
        self.documents.at(part).rows.insert(id.as_bytes().into(), stored);
    }

    /// Whether it is known what stands under an id.
    pub fn knows(&self, part: usize, id: &str) -> bool {
        self.documents.get(&part).is_some_and(|known| known.at(id.as_bytes()).is_some())
    }

    /// Takes over what another one knows of the same state.
    pub fn absorb(&mut self, other: Self) {
        for (part, known) in other.documents {
            self.documents.at(part).rows.extend(known.rows);
        }
    }

    /// It is not known any more what stands under an id.
    pub fn forget(&mut self, part: usize, id: &str) {
        if let Some(known) = self.documents.get_mut(&part) {
            known.rows.remove(id.as_bytes());
        }
    }

    /// How many documents are known one by one.
    pub fn documents(&self) -> usize {
        self.documents.values().map(|known| known.rows.len()).sum()
    }

    /// An entry: its key, which ends in the id of its document.
    pub fn entry(&mut self, part: usize, key: &[u8], id: &Arc<str>) {
        self.entries.at(part).rows.insert(key.into(), id.clone());
    }

    /// All documents of a part from one id (included) to another (excluded; none: to the end) are known.
    pub fn all_documents(&mut self, part: usize, from: Vec<u8>, to: Option<Vec<u8>>) {
        self.documents.at(part).cover.add(from, to);
    }

    /// The same of entries.
    pub fn all_entries(&mut self, part: usize, from: Vec<u8>, to: Option<Vec<u8>>) {
        self.entries.at(part).cover.add(from, to);
    }
}

impl Known<Option<Stored>> {
    /// What stands there; none: not known.
    fn at(&self, id: &[u8]) -> Option<Option<Stored>> {
        match self.rows.get(id) {
            Some(found) => Some(found.clone()),
            None => self.cover.onward(id).map(|_| None),
        }
    }
}

/// What a question comes to.
#[derive(Debug)]
pub enum Looked<T> {
    /// The answer, or why there is none.
    Answer(Result<T, Error>),
    /// Something must be read first; then the question is asked again.
    Wish(Wish),
}

/// A base through which tables look at what the transaction in hand has read.
pub struct Window {
    panes: Vec<Pane>,
    fetched: Mutex<Fetched>,
}

/// All that was read would be much to say, and much to load for whoever can say it.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").finish_non_exhaustive()
    }
}

impl Window {
    /// A window on a state of these parts.
    pub fn new(panes: Vec<Pane>) -> Self {
        Self { panes, fetched: Mutex::default() }
    }

    /// The number of a part.
    pub fn part(&self, collection: &str, made_by: Option<&str>) -> Option<usize> {
        self.panes.iter().position(|pane| pane.collection == collection && pane.made_by.as_deref() == made_by)
    }

    /// Asks a question of tables over this window, and shows them what was fetched. The question must not wait for anything.
    pub fn look<T>(&self, fetched: &mut Fetched, question: impl FnOnce() -> Result<T, Error>) -> Looked<T> {
        std::mem::swap(&mut *self.fetched(), fetched);
        let answer = question();
        std::mem::swap(&mut *self.fetched(), fetched);
        match fetched.wish.take() {
            // Whatever the answer was, it was given without knowing that.
            Some(wish) => Looked::Wish(wish),
            None => Looked::Answer(answer),
        }
    }

    fn fetched(&self) -> MutexGuard<'_, Fetched> {
        // What it holds is changed in one step each, so a panic elsewhere says nothing about it.
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what is missing; the error ends the question.
    fn wish(&self, wish: Wish) -> Error {
        self.fetched().wish.get_or_insert(wish);
        Error::Unavailable { what: "a part of the store".to_owned(), why: "it was not read yet".to_owned() }
    }

    fn parts(&self) -> impl Iterator<Item = (Part, &Pane)> {
        // How many rows there are is not known; no question asks for it.
        self.panes.iter().enumerate().map(|(number, pane)| (Part { number, rows: 0 }, pane))
    }
}

impl Base for Window {
    fn collections(&self) -> Vec<(String, Part)> {
        let documents = self.parts().filter(|(_, pane)| pane.made_by.is_none());
        documents.map(|(part, pane)| (pane.collection.clone(), part)).collect()
    }

    fn index(&self, collection: &str, made_by: &str) -> Option<Part> {
        let number = self.part(collection, Some(made_by))?;
        Some(Part { number, rows: 0 })
    }

    fn document(&self, part: Part, id: &str) -> Result<Option<Stored>, Error> {
        let known = self.fetched().documents.get(&part.number).and_then(|known| known.at(id.as_bytes()));
        known.ok_or_else(|| self.wish(Wish::Document { part: part.number, id: id.into() }))
    }

    fn documents<'a>(&'a self, part: Part, from: Bound<&str>) -> Rows<'a, Arc<str>, Stored> {
        let rows = Scan::documents(self, part.number, from.map(str::as_bytes));
        Box::new(rows.filter_map(|row| row.map(|(id, stored)| stored.map(|stored| (id, stored))).transpose()))
    }

    fn entries<'a>(
        &'a self,
        part: Part,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        way: Way,
    ) -> Rows<'a, EntryKey, Arc<str>> {
        Box::new(Scan::entries(self, part.number, range, way))
    }
}
