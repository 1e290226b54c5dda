//! Verification of entities: whether the documents of one entity agree with each other. The engine reads rows page by
//! page, so that an entity of any size is checked in bounded memory.

use std::fmt;

use runstate_value::{Document, Json};

use crate::decision::AnyCommand;
use crate::marker::MaybeSync;
use crate::schema::{Collection, Filter};

/// How the entities of a collection are verified.
#[derive(Debug)]
pub struct EntityCheck {
    /// The collection of their heads.
    pub collection: &'static Collection,
    /// The query that inspects the entity with this id. Its result: null if the entity does not exist; otherwise an
    /// object with `problems`, a list of texts, and `revision`, the revision of the head, which is empty if the head
    /// cannot be read.
    pub inspect: fn(&str) -> Box<dyn AnyCommand>,
    /// The rows that are compared with that result.
    pub rows: &'static [RowsCheck],
}

/// How one kind of rows of an entity is verified.
pub struct RowsCheck {
    /// Their collection.
    pub collection: &'static Collection,
    /// The field with the id of the entity.
    pub entity: &'static str,
    /// The field that orders them. Together with `entity` it begins an index.
    pub order: &'static str,
    /// Which of them are read.
    pub filter: fn() -> Filter,
    /// The top-level fields that are read; empty: all.
    pub projection: &'static [&'static str],
    /// Begins a comparison with the result of the inspection.
    pub begin: fn(&Json) -> Box<dyn RowsComparison>,
}

impl fmt::Debug for RowsCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowsCheck").field("collection", &self.collection.name).finish_non_exhaustive()
    }
}

/// A comparison of rows with the head of their entity.
pub trait RowsComparison: MaybeSync {
    /// Adds the next row. Returns whether the entity uses it: an unused row only takes space.
    fn add(&mut self, id: &str, row: &Document) -> bool;

    /// The problem, after all rows were added.
    fn problem(self: Box<Self>) -> Option<String>;
}
