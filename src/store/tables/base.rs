//! The base of tables: an immutable state that is read piece by piece, as a file is. Later changes are an overlay in memory
//! (`overlay.rs`). This module does not know the origin of a base.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use crate::marker::MaybeSync;
use crate::store::{StoreError, StoredDocument};

/// Rows in order. After an error the iterator ends.
pub type RowIter<'a, K, V> = Box<dyn Iterator<Item = Result<(K, V), StoreError>> + 'a>;

/// The key of an entry: its bytes, then the id of its document. The id is kept beside it, so that it can be stripped again.
pub type EntryKey = Arc<[u8]>;

/// A sorted part of a base: the documents of a collection, or the entries of one of its indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasePart {
    /// The number by which the base finds the part.
    pub number: usize,
    /// The number of rows.
    pub rows: u64,
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScanDirection {
    /// In ascending order.
    Forward,
    /// In descending order.
    Backward,
}

/// An immutable state. A small read costs little, because nothing is read as a whole.
pub trait Base: MaybeSync + fmt::Debug {
    /// Returns the collections that have documents, in order.
    fn collections(&self) -> Vec<(String, BasePart)>;

    /// Returns the entries of the index of `collection` that exactly this declaration made.
    fn index(&self, collection: &str, made_by: &str) -> Option<BasePart>;

    /// Returns the document `id`.
    fn document(&self, part: BasePart, id: &str) -> Result<Option<StoredDocument>, StoreError>;

    /// Returns documents in the order of their ids.
    fn documents<'a>(&'a self, part: BasePart, from: Bound<&str>) -> RowIter<'a, Arc<str>, StoredDocument>;

    /// Returns the entries between two keys.
    fn entries<'a>(
        &'a self,
        part: BasePart,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        way: ScanDirection,
    ) -> RowIter<'a, EntryKey, Arc<str>>;
}
