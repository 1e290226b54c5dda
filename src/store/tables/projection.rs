//! What entries a document has in the indexes of its collection: for tables themselves, and for stores that must keep entries beside
//! documents so that they can be asked as tables are.

use std::fmt::Write as _;
use std::sync::Arc;

use super::walk::Holds;
use super::{deadline, due_key};
use crate::schema::{Collection, Direction, Index, Ttl, keys};
use crate::value::Document;

/// Raised when the bytes of entries come to mean something else, so that no index of before is taken for one of now.
const ENCODING: u32 = 1;

/// One index of a collection, or its deadlines, as the entries that follow from a document.
#[derive(Clone, Debug)]
pub struct Projection {
    declared: &'static Collection,
    of: Of,
    /// By what declaration the entries are made: where this differs they mean something else.
    pub made_by: Arc<str>,
}

/// What entries are made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Index(&'static Index),
    Expiry(&'static Ttl),
}

impl Projection {
    /// All that tables ask of `collection`: its indexes as they are declared, then its deadlines.
    pub fn all(declared: &'static Collection) -> Vec<Self> {
        let indexes = declared.indexes.iter().map(Of::Index);
        indexes.chain(declared.ttl.as_ref().map(Of::Expiry)).map(|of| Self::of(declared, of)).collect()
    }

    pub(super) fn of(declared: &'static Collection, of: Of) -> Self {
        let made_by = match of {
            Of::Index(index) => made_by(declared, index),
            Of::Expiry(ttl) => expires_by(ttl),
        };
        Self { declared, of, made_by: made_by.into() }
    }

    /// What the entries are.
    pub fn holds(&self) -> Holds {
        match self.of {
            Of::Index(index) => Holds::Entries { name: index.name(), unique: index.unique },
            Of::Expiry(_) => Holds::Deadlines,
        }
    }

    /// The entries of a document.
    pub fn entries(&self, document: &Document) -> Vec<Vec<u8>> {
        match self.of {
            Of::Index(index) => keys::entries(self.declared, index, document),
            Of::Expiry(_) => deadline(self.declared, document).map(|at| due_key(at).to_vec()).into_iter().collect(),
        }
    }

    /// The keys under which a document stands: its entries, each with the id behind it, so that no two documents share one.
    pub fn keys(&self, id: &str, document: &Document) -> Vec<Vec<u8>> {
        let mut keys = self.entries(document);
        keys.iter_mut().for_each(|key| key.extend_from_slice(id.as_bytes()));
        keys
    }
}

/// All that the entries of an index follow from, as text: what differs here has other entries.
fn made_by(collection: &Collection, index: &Index) -> String {
    let mut text = format!("{ENCODING} {:?}", index.kind).to_ascii_lowercase();
    for (path, direction) in index.fields {
        let sign = if *direction == Direction::Descending { '-' } else { '+' };
        let kind = format!("{:?}", collection.kind_of(path)).to_ascii_lowercase();
        // Writing to a text cannot fail.
        let _ = write!(text, " {path}{sign}{kind}");
    }
    if index.unique {
        text.push_str(" unique");
    }
    if let Some(partial) = &index.partial {
        let _ = write!(text, " partial {partial:?}");
    }
    text
}

/// The same of a time to live.
fn expires_by(ttl: &Ttl) -> String {
    let mut text = format!("{ENCODING} expiry {} {}", ttl.field, ttl.after.0);
    if let Some(partial) = &ttl.partial {
        let _ = write!(text, " partial {partial:?}");
    }
    text
}
