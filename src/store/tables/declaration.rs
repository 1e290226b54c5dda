//! Declaration of a catalog: it keeps indexes whose declaration is unchanged, and builds the others from the documents. An index of
//! the base is used only if the same declaration made it. The overlay of the documents then updates its entries.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use super::base::Base;
use super::entry_extractor::{EntryDeclaration, EntryExtractor};
use super::index::TableIndex;
use super::overlay::{EntrySet, OverlayChange, TableDocuments};
use super::{CollectionTable, Expiry, Tables};
use crate::schema::{Catalog, Collection, Index, Key};
use crate::store::{BatchLimits, COMMANDS, StoreError};
use crate::value::{Document, SortedMap};

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

    /// Makes the tables plan and query only. A store that keeps index entries elsewhere does not need the entry changes of a
    /// commit.
    pub fn plan_only(mut self) -> Self {
        self.plan_only = true;
        self
    }

    /// Declares another catalog. Documents do not change; indexes with a new declaration are built.
    ///
    /// [`StoreError::UniqueViolation`]: stored documents share an entry of a unique index. Nothing was changed.
    pub fn declare(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        self.apply_catalog(catalog, MissingIndexPolicy::Make)
    }

    /// Declares a catalog for reading over a base that another program maintains. An index that the base lacks is left out: results
    /// are the same, but slower. Do not commit what is planned on such tables, because unique indexes may be left out.
    pub fn declare_for_reading(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        self.apply_catalog(catalog, MissingIndexPolicy::LeaveOut)
    }

    fn apply_catalog(&mut self, catalog: &Catalog, policy: MissingIndexPolicy) -> Result<(), StoreError> {
        let mut next: SortedMap<Cow<'static, str>, PreparedIndexes> = SortedMap::default();
        for declared in catalog.iter().chain([&COMMANDS]) {
            let table = self.tables.get(declared.name);
            next.insert(Cow::Borrowed(declared.name), self.prepare_indexes(table, declared, policy)?);
        }
        for (name, indexed) in next.iter() {
            if let Some((id, index)) = indexed.find_duplicate(self.tables.get(name))? {
                return Err(StoreError::UniqueViolation { key: Key { collection: name.clone(), id }, index });
            }
        }
        for table in self.tables.iter_mut().filter(|(name, _)| !next.contains_key(*name)).map(|(_, table)| table) {
            *table = CollectionTable { documents: std::mem::take(&mut table.documents), ..CollectionTable::default() };
        }
        for (name, indexed) in next {
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
        let mut making = IndexBuilder { declared, documents, base: self.base.as_ref(), built: Vec::new() };
        let mut indexes = Vec::with_capacity(declared.indexes.len());
        for index in declared.indexes {
            let projection = EntryExtractor::new(declared, EntryDeclaration::Index(index));
            let made_by = projection.made_by.clone();
            let kept = table.and_then(|table| table.indexes.iter().position(|kept| kept.made_by == made_by));
            let source = match kept {
                Some(at) => EntrySource::Existing(at),
                None if policy == MissingIndexPolicy::LeaveOut && making.lacks(&made_by) => continue,
                None => EntrySource::Built(making.add(projection)?),
            };
            indexes.push((index, made_by, source));
        }
        let mut expiry = None;
        if let Some(ttl) = &declared.ttl {
            let projection = EntryExtractor::new(declared, EntryDeclaration::Expiry(ttl));
            let made_by = projection.made_by.clone();
            let kept = table.and_then(|table| table.expiry.as_ref()).is_some_and(|kept| kept.made_by == made_by);
            if kept {
                expiry = Some((made_by, EntrySource::Existing(0)));
            } else if policy == MissingIndexPolicy::Make || !making.lacks(&made_by) {
                expiry = Some((made_by, EntrySource::Built(making.add(projection)?)));
            }
        }
        let made = making.finish()?;
        Ok(PreparedIndexes { declared, indexes, expiry, built: made })
    }
}

/// The treatment of an index that the base lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingIndexPolicy {
    /// Build it from the documents.
    Make,
    /// Evaluate queries without it.
    LeaveOut,
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
                    Some(kept) => kept.find_duplicate()?,
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
        let Self { declared, indexes, expiry, built: mut made } = self;
        let mut kept = std::mem::take(&mut table.indexes);
        let mut keys = |place: EntrySource, kept: Option<&mut EntrySet>| match place {
            EntrySource::Existing(_) => kept.map(std::mem::take).unwrap_or_default(),
            EntrySource::Built(at) => made.get_mut(at).map(std::mem::take).unwrap_or_default(),
        };
        for (declared, made_by, source) in indexes {
            let old =
                if let EntrySource::Existing(at) = source { kept.get_mut(at).map(|kept| &mut kept.keys) } else { None };
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

    fn add(&mut self, projection: EntryExtractor) -> Result<usize, StoreError> {
        let found = self.base.and_then(|base| Some((base, base.index(self.declared.name, &projection.made_by)?)));
        let keys = match found {
            Some((base, part)) => self.apply_changes(EntrySet::with_base(base.clone(), part), &projection)?,
            None => EntrySet::default(),
        };
        self.built.push((projection, keys));
        Ok(self.built.len() - 1)
    }

    /// Updates the entries of the base with the overlay of its documents.
    fn apply_changes(&self, mut keys: EntrySet, projection: &EntryExtractor) -> Result<EntrySet, StoreError> {
        for change in self.documents.changes() {
            let OverlayChange { id, before, after: now } = change?;
            let entries = |document: Option<&Document>| document.map(|d| projection.entries(d)).unwrap_or_default();
            let before = entries(before.as_ref().map(|stored| &*stored.document));
            let now = entries(now.as_ref().map(|stored| &*stored.document));
            before.iter().filter(|entry| !now.contains(entry)).for_each(|entry| keys.remove(entry, &id));
            now.iter().filter(|entry| !before.contains(entry)).for_each(|entry| keys.insert(entry, &id));
        }
        Ok(keys)
    }

    fn finish(mut self) -> Result<Vec<EntrySet>, StoreError> {
        if self.built.iter().any(|(_, keys)| !keys.has_base()) {
            for row in self.documents.iter_from(Bound::Unbounded) {
                let (id, stored) = row?;
                for (projection, keys) in self.built.iter_mut().filter(|(_, keys)| !keys.has_base()) {
                    let entries = projection.entries(&stored.document);
                    entries.iter().for_each(|entry| keys.insert(entry, &id));
                }
            }
        }
        Ok(self.built.into_iter().map(|(_, keys)| keys).collect())
    }
}
