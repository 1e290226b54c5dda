//! What tables may stand on: a state that does not change and is read piece by piece, as a file is. What commits changed since lies
//! over it in memory (`overlay.rs`). Where a base comes from is not known here.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use crate::marker::MaybeSync;
use crate::store::{Error, Stored};

/// Rows in order. After an error there are no more.
pub type Rows<'a, K, V> = Box<dyn Iterator<Item = Result<(K, V), Error>> + 'a>;

/// The key of an entry: its bytes, then the id of its document. The id is beside it, so that it can be cut off again.
pub type EntryKey = Arc<[u8]>;

/// A sorted part of a base: the documents of a collection, or the entries of one of its indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// By what the base finds it.
    pub number: usize,
    /// How many rows it has.
    pub rows: u64,
}

/// In which direction entries are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The least first.
    Forward,
    /// The greatest first.
    Backward,
}

/// A state that never changes. Asking for little costs little: nothing is read as a whole.
pub trait Base: MaybeSync + fmt::Debug {
    /// The collections that have documents, in order.
    fn collections(&self) -> Vec<(String, Part)>;

    /// The entries of the index of `collection` that was made by exactly this declaration.
    fn index(&self, collection: &str, made_by: &str) -> Option<Part>;

    /// The document `id`.
    fn document(&self, part: Part, id: &str) -> Result<Option<Stored>, Error>;

    /// Documents in the order of their ids.
    fn documents<'a>(&'a self, part: Part, from: Bound<&str>) -> Rows<'a, Arc<str>, Stored>;

    /// The entries between two keys.
    fn entries<'a>(&'a self, part: Part, range: (Bound<&[u8]>, Bound<&[u8]>), way: Way)
    -> Rows<'a, EntryKey, Arc<str>>;
}
