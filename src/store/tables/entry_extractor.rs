//! The index entries of a document. Tables use them, and so do stores that keep the entries beside the documents.

use std::fmt::Write as _;
use std::sync::Arc;

use super::scan::EntryKind;
use super::{deadline, encode_deadline};
use crate::schema::{Collection, Direction, Index, Ttl, keys};
use crate::value::Document;

/// The version of the entry encoding. Raise it when entries change, so that older indexes are not used.
const ENCODING_VERSION: u32 = 1;

/// One index of a collection, or its deadlines, as a function from documents to entries.
#[derive(Clone, Debug)]
pub struct EntryExtractor {
    declared: &'static Collection,
    declaration: EntryDeclaration,
    /// The declaration that made the entries, as text. Entries of different declarations are not comparable.
    pub made_by: Arc<str>,
}

/// The declaration that determines the entries.
#[derive(Clone, Copy, Debug)]
pub(super) enum EntryDeclaration {
    Index(&'static Index),
    Expiry(&'static Ttl),
}

impl EntryExtractor {
    /// Returns all extractors of `collection`: its indexes in declared order, then its deadlines.
    pub fn for_collection(declared: &'static Collection) -> Vec<Self> {
        let indexes = declared.indexes.iter().map(EntryDeclaration::Index);
        indexes.chain(declared.ttl.as_ref().map(EntryDeclaration::Expiry)).map(|of| Self::new(declared, of)).collect()
    }

    pub(super) fn new(declared: &'static Collection, of: EntryDeclaration) -> Self {
        let made_by = match of {
            EntryDeclaration::Index(index) => index_definition(declared, index),
            EntryDeclaration::Expiry(ttl) => expiry_definition(ttl),
        };
        Self { declared, declaration: of, made_by: made_by.into() }
    }

    /// Returns the kind of the entries.
    pub fn entry_kind(&self) -> EntryKind {
        match self.declaration {
            EntryDeclaration::Index(index) => EntryKind::Declared { name: index.name(), unique: index.unique },
            EntryDeclaration::Expiry(_) => EntryKind::Deadlines,
        }
    }

    /// Returns the entries of a document.
    pub fn entries(&self, document: &Document) -> Vec<Vec<u8>> {
        match self.declaration {
            EntryDeclaration::Index(index) => keys::entries(self.declared, index, document),
            EntryDeclaration::Expiry(_) => {
                deadline(self.declared, document).map(|at| encode_deadline(at).to_vec()).into_iter().collect()
            }
        }
    }

    /// Returns the keys of a document: its entries, each followed by the id. So no two documents share a key.
    pub fn keys(&self, id: &str, document: &Document) -> Vec<Vec<u8>> {
        let mut keys = self.entries(document);
        keys.iter_mut().for_each(|key| key.extend_from_slice(id.as_bytes()));
        keys
    }
}

/// Returns the index declaration as text: all properties that determine the entries.
fn index_definition(collection: &Collection, index: &Index) -> String {
    let mut text = format!("{ENCODING_VERSION} {:?}", index.kind).to_ascii_lowercase();
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

/// As [`index_definition`], for a time to live.
fn expiry_definition(ttl: &Ttl) -> String {
    let mut text = format!("{ENCODING_VERSION} expiry {} {}", ttl.field, ttl.after.0);
    if let Some(partial) = &ttl.partial {
        let _ = write!(text, " partial {partial:?}");
    }
    text
}
