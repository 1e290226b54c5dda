//! Declaration of a catalog, and the extraction of index entries from documents. A declaration keeps indexes that are
//! declared as before, and builds the others from the documents. An index of the base is used only if the same
//! declaration made it. The overlay of the documents then updates its entries.
//!
//! Tables use the extracted entries, and so do stores that keep the entries beside the documents.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Bound;
use std::sync::Arc;

use runstate_core::schema::{Catalog, Collection, Direction, Index, Key, Ttl, keys};
use runstate_value::{Document, SortedMap};

use super::index::TableIndex;
use super::overlay::{Base, EntrySet, OverlayChange, TableDocuments};
use super::{CollectionTable, EntryKind, Expiry, Tables, deadline, encode_deadline};
use crate::{BatchLimits, COMMANDS, StoreError, StoredDocument};

impl Tables {
    /// Creates tables over `base`, without a catalog yet.
    pub fn with_base(base: Arc<dyn Base>, limits: BatchLimits) -> Result<Self, StoreError> {
        let mut tables = Self { limits, base: Some(base.clone()), ..Self::default() };
        for (name, part) in base.collections() {
            let documents = TableDocuments::with_base(base.clone(), part);
            tables.tables.insert(Cow::Owned(name), CollectionTable { documents, ..CollectionTable::default() });
        }
        tables.declare(&Catalog::default())?;
        Ok(tables)
    }

    /// Makes the tables plan and query only. A store that keeps index entries elsewhere does not need the entry changes
    /// of a commit.
    pub fn plan_only(mut self) -> Self {
        self.plan_only = true;
        self
    }

    /// Declares another catalog. Documents do not change; indexes with a new declaration are built.
    ///
    /// [`StoreError::UniqueViolation`]: stored documents share an entry of a unique index. Nothing was changed.
    pub fn declare(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        self.apply_catalog(catalog, MissingIndexPolicy::Build)
    }

    /// Declares a catalog for reading over a base that another program maintains. An index that the base lacks is left
    /// out: results are the same, but slower. Do not commit what is planned on such tables, because unique indexes may
    /// be left out.
    pub fn declare_for_reading(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        self.apply_catalog(catalog, MissingIndexPolicy::Skip)
    }

    fn apply_catalog(&mut self, catalog: &Catalog, policy: MissingIndexPolicy) -> Result<(), StoreError> {
        let mut prepared: SortedMap<Cow<'static, str>, PreparedIndexes> = SortedMap::default();
        for declared in catalog.iter().chain([&COMMANDS]) {
            let table = self.tables.get(declared.name);
            prepared.insert(Cow::Borrowed(declared.name), self.prepare_indexes(table, declared, policy)?);
        }
        for (name, indexed) in prepared.iter() {
            if let Some((id, index)) = indexed.find_duplicate(self.tables.get(name))? {
                return Err(StoreError::UniqueViolation { key: Key { collection: name.clone(), id }, index });
            }
        }
        for table in self.tables.iter_mut().filter(|(name, _)| !prepared.contains_key(*name)).map(|(_, table)| table) {
            *table = CollectionTable { documents: std::mem::take(&mut table.documents), ..CollectionTable::default() };
        }
        for (name, indexed) in prepared {
            let table = self.tables.or_default(name);
            indexed.install(table);
        }
        self.catalog = catalog.clone();
        Ok(())
    }

    /// Returns the indexes of `declared` under the new catalog.
    fn prepare_indexes(
        &self,
        table: Option<&CollectionTable>,
        declared: &'static Collection,
        policy: MissingIndexPolicy,
    ) -> Result<PreparedIndexes, StoreError> {
        let nothing = TableDocuments::default();
        let documents = table.map_or(&nothing, |table| &table.documents);
        let mut builder = IndexBuilder { declared, documents, base: self.base.as_ref(), built: Vec::new() };
        let mut indexes = Vec::with_capacity(declared.indexes.len());
        for index in declared.indexes {
            let extractor = EntryExtractor::new(declared, EntryDeclaration::Index(index));
            let made_by = extractor.made_by.clone();
            let existing =
                table.and_then(|table| table.indexes.iter().position(|existing| existing.made_by == made_by));
            let source = match existing {
                Some(at) => EntrySource::Existing(at),
                None if policy == MissingIndexPolicy::Skip && builder.lacks(&made_by) => continue,
                None => EntrySource::Built(builder.add(extractor)),
            };
            indexes.push((index, made_by, source));
        }
        let mut expiry = None;
        if let Some(ttl) = &declared.ttl {
            let extractor = EntryExtractor::new(declared, EntryDeclaration::Expiry(ttl));
            let made_by = extractor.made_by.clone();
            let existing =
                table.and_then(|table| table.expiry.as_ref()).is_some_and(|existing| existing.made_by == made_by);
            if existing {
                expiry = Some((made_by, EntrySource::Existing(0)));
            } else if policy == MissingIndexPolicy::Build || !builder.lacks(&made_by) {
                expiry = Some((made_by, EntrySource::Built(builder.add(extractor))));
            }
        }
        let built = builder.finish()?;
        Ok(PreparedIndexes { declared, indexes, expiry, built })
    }
}

/// The treatment of an index that the base lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingIndexPolicy {
    /// Build it from the documents.
    Build,
    /// Evaluate queries without it.
    Skip,
}

/// The indexes of one collection under a new catalog, before they are installed.
struct PreparedIndexes {
    declared: &'static Collection,
    indexes: Vec<(&'static Index, Arc<str>, EntrySource)>,
    expiry: Option<(Arc<str>, EntrySource)>,
    built: Vec<EntrySet>,
}

/// The source of the entries of an index.
#[derive(Clone, Copy)]
enum EntrySource {
    /// The existing index at this position, which has the same declaration.
    Existing(usize),
    /// The built entries at this position.
    Built(usize),
}

impl PreparedIndexes {
    fn find_duplicate(&self, table: Option<&CollectionTable>) -> Result<Option<(Arc<str>, String)>, StoreError> {
        for (declared, made_by, source) in self.indexes.iter().filter(|(index, ..)| index.unique) {
            let found = match source {
                EntrySource::Existing(at) => match table.and_then(|table| table.indexes.get(*at)) {
                    Some(existing) => existing.find_duplicate()?,
                    None => None,
                },
                EntrySource::Built(at) => {
                    let keys = self.built.get(*at).cloned().unwrap_or_default();
                    TableIndex { declared, made_by: made_by.clone(), keys }.find_duplicate()?
                }
            };
            if let Some(id) = found {
                return Ok(Some((id, declared.name())));
            }
        }
        Ok(None)
    }

    fn install(self, table: &mut CollectionTable) {
        let Self { declared, indexes, expiry, mut built } = self;
        let mut existing = std::mem::take(&mut table.indexes);
        let mut keys = |source: EntrySource, existing: Option<&mut EntrySet>| match source {
            EntrySource::Existing(_) => existing.map(std::mem::take).unwrap_or_default(),
            EntrySource::Built(at) => built.get_mut(at).map(std::mem::take).unwrap_or_default(),
        };
        for (declared, made_by, source) in indexes {
            let old = if let EntrySource::Existing(at) = source {
                existing.get_mut(at).map(|existing| &mut existing.keys)
            } else {
                None
            };
            table.indexes.push(TableIndex { declared, made_by, keys: keys(source, old) });
        }
        let mut old = table.expiry.take();
        table.expiry = expiry.map(|(made_by, source)| {
            let keys = keys(source, old.as_mut().map(|old| &mut old.keys));
            Expiry { made_by, keys }
        });
        table.declared = Some(declared);
    }
}

/// Builds index entries in one pass over the documents of a collection.
struct IndexBuilder<'a> {
    declared: &'static Collection,
    documents: &'a TableDocuments,
    base: Option<&'a Arc<dyn Base>>,
    built: Vec<(EntryExtractor, EntrySet)>,
}

impl IndexBuilder<'_> {
    /// Returns whether the documents have a base without an index that `made_by` made.
    fn lacks(&self, made_by: &str) -> bool {
        self.documents.part().is_some()
            && self.base.is_some_and(|base| base.index(self.declared.name, made_by).is_none())
    }

    /// Adds an index. Returns its position among the built ones.
    fn add(&mut self, extractor: EntryExtractor) -> usize {
        let found = self.base.and_then(|base| Some((base, base.index(self.declared.name, &extractor.made_by)?)));
        let keys = found.map_or_else(EntrySet::default, |(base, part)| EntrySet::with_base(base.clone(), part));
        self.built.push((extractor, keys));
        self.built.len() - 1
    }

    fn finish(self) -> Result<Vec<EntrySet>, StoreError> {
        let Self { documents, mut built, .. } = self;
        let (mut based, mut empty): (Vec<_>, Vec<_>) = built.iter_mut().partition(|(_, keys)| keys.has_base());
        // The entries of the base are updated with the overlay of its documents.
        let changes = (!based.is_empty()).then(|| documents.changes()).into_iter().flatten();
        for change in changes {
            let OverlayChange { id, before, after } = change?;
            for (extractor, keys) in &mut based {
                let entries = |stored: &Option<StoredDocument>| {
                    stored.as_ref().map(|stored| extractor.entries(&stored.document)).unwrap_or_default()
                };
                let (before, after) = (entries(&before), entries(&after));
                before.iter().filter(|entry| !after.contains(entry)).for_each(|entry| keys.remove(entry, &id));
                after.iter().filter(|entry| !before.contains(entry)).for_each(|entry| keys.insert(entry, &id));
            }
        }
        let rows = (!empty.is_empty()).then(|| documents.iter_from(Bound::Unbounded)).into_iter().flatten();
        for row in rows {
            let (id, stored) = row?;
            for (extractor, keys) in &mut empty {
                extractor.entries(&stored.document).iter().for_each(|entry| keys.insert(entry, &id));
            }
        }
        Ok(built.into_iter().map(|(_, keys)| keys).collect())
    }
}

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
        indexes
            .chain(declared.ttl.as_ref().map(EntryDeclaration::Expiry))
            .map(|declaration| Self::new(declared, declaration))
            .collect()
    }

    pub(super) fn new(declared: &'static Collection, declaration: EntryDeclaration) -> Self {
        let made_by = match declaration {
            EntryDeclaration::Index(index) => index_definition(declared, index),
            EntryDeclaration::Expiry(ttl) => expiry_definition(ttl),
        };
        Self { declared, declaration, made_by: made_by.into() }
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
