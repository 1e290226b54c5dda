//! The layout of the database, in the object store `runstate`. The key `store` has its format and id. The key of each collection
//! has the declared version and the declaration that made each index. The layout and a catalog determine an upgrade.

use serde::{Deserialize, Serialize};

use crate::schema::{Catalog, Collection};
use crate::store::tables::{EntryExtractor, EntryKind};
use crate::store::{COMMANDS, StoreError};
use crate::value::SortedMap;

/// The object store of the layout. No collection has this name.
pub(super) const META: &str = "runstate";

/// The object store of the change feed. No collection has this name.
pub(super) const FEED: &str = "changes";

/// The key of [`DatabaseIdentity`] in [`META`].
pub(super) const IDENTITY: &str = "store";

/// The browser index of each object store of documents, over all their entries. Each entry begins with the slot of its declared
/// index. One browser index costs a third of one browser index per declared index.
pub(super) const ENTRIES: &str = "i";

/// The format that this version writes, and the newest that it reads. In format 1 each declared index was a browser index.
pub(super) const FORMAT: u64 = 2;

/// The identity of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DatabaseIdentity {
    pub(super) format: u64,
    /// The id, which is unique to the store.
    pub(super) store: String,
}

/// The layout of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CollectionLayout {
    /// The newest version of the collection that was ever declared in this store.
    pub(super) version: u32,
    pub(super) indexes: Vec<IndexSlot>,
}

/// An index that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexSlot {
    /// The character with which its entries begin; in format 1 the name of its browser index.
    pub(super) slot: String,
    /// The name of the index, for display.
    pub(super) name: String,
    /// The declaration that made its entries. A different declaration cannot use the index.
    pub(super) made_by: String,
}

/// The layout of the whole database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DatabaseLayout {
    pub(super) identity: DatabaseIdentity,
    pub(super) collections: SortedMap<String, CollectionLayout>,
}

/// The upgrade of one collection.
pub(super) struct CollectionUpgrade {
    pub(super) collection: &'static Collection,
    /// The collection has no object store yet.
    pub(super) new: bool,
    /// Slots of indexes that are no longer declared.
    pub(super) dropped: Vec<String>,
    /// Slots of indexes to create.
    pub(super) added: Vec<u8>,
    /// The layout after the upgrade.
    pub(super) layout: CollectionLayout,
}

/// Returns the collections that a catalog needs: its own and the ledger.
pub(super) fn declared_collections(catalog: &Catalog) -> impl Iterator<Item = &'static Collection> {
    catalog.iter().chain([&COMMANDS])
}

impl DatabaseLayout {
    /// Creates the layout of a new store without collections.
    pub(super) fn new(store: String) -> Self {
        Self { identity: DatabaseIdentity { format: FORMAT, store }, collections: SortedMap::default() }
    }

    /// Returns the reason why a program with this catalog can only read, if the store is newer.
    pub(super) fn newer_version_error(&self, database: &str, catalog: &Catalog) -> Option<StoreError> {
        if self.identity.format > FORMAT {
            let (what, found) = (super::error_mapping::describe_database(database), self.identity.format);
            return Some(StoreError::NewerVersion { what, found, supported: FORMAT });
        }
        declared_collections(catalog).find_map(|collection| {
            let found = self.collections.get(collection.name)?.version;
            let what = format!("collection {}", collection.name);
            let supported = u64::from(collection.version);
            (found > collection.version).then(|| StoreError::NewerVersion { what, found: found.into(), supported })
        })
    }

    /// Returns whether the catalog can be used without an upgrade.
    pub(super) fn satisfies(&self, catalog: &Catalog) -> bool {
        self.identity.format == FORMAT && self.plan_upgrades(catalog).is_empty()
    }

    /// Returns the upgrades that the catalog needs.
    pub(super) fn plan_upgrades(&self, catalog: &Catalog) -> Vec<CollectionUpgrade> {
        declared_collections(catalog).filter_map(|collection| self.plan_upgrade(collection)).collect()
    }

    fn plan_upgrade(&self, collection: &'static Collection) -> Option<CollectionUpgrade> {
        let projections = EntryExtractor::for_collection(collection);
        let found = self.collections.get(collection.name);
        let before = found.map_or(&[][..], |kept| &kept.indexes);
        let asked = |slot: &IndexSlot| {
            slot.prefix().is_some() && projections.iter().any(|projection| *projection.made_by == *slot.made_by)
        };
        let (mut indexes, gone): (Vec<IndexSlot>, Vec<IndexSlot>) = before.iter().cloned().partition(asked);
        let mut taken: Vec<u8> = before.iter().filter_map(IndexSlot::prefix).collect();
        let mut added = Vec::new();
        for projection in &projections {
            if indexes.iter().any(|slot| *slot.made_by == *projection.made_by) {
                continue;
            }
            let prefix = free_slot(&taken);
            taken.push(prefix);
            added.push(prefix);
            let slot = char::from(prefix).to_string();
            indexes.push(IndexSlot {
                slot,
                name: index_name(&projection.entry_kind()),
                made_by: projection.made_by.to_string(),
            });
        }
        let dropped: Vec<String> = gone.into_iter().map(|slot| slot.slot).collect();
        let same =
            found.is_some_and(|kept| kept.version == collection.version) && added.is_empty() && dropped.is_empty();
        let kept = CollectionLayout { version: collection.version, indexes };
        (!same).then_some(CollectionUpgrade { collection, new: found.is_none(), dropped, added, layout: kept })
    }

    /// Returns the indexes of a collection that exist and that its declaration needs.
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(u8, EntryExtractor)> {
        let Some(kept) = self.collections.get(collection.name) else { return Vec::new() };
        kept.indexes(collection)
    }
}

impl CollectionLayout {
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(u8, EntryExtractor)> {
        let prefix = |projection: &EntryExtractor| {
            let mut slots = self.indexes.iter().filter(|slot| *slot.made_by == *projection.made_by);
            slots.find_map(IndexSlot::prefix)
        };
        let all = EntryExtractor::for_collection(collection).into_iter();
        all.filter_map(|projection| Some((prefix(&projection)?, projection))).collect()
    }
}

impl IndexSlot {
    /// Returns the first byte of its entries. None in format 1, where a browser index has the entries.
    fn prefix(&self) -> Option<u8> {
        let mut characters = self.slot.chars();
        let first = characters.next().filter(|_| characters.next().is_none())?;
        u8::try_from(u32::from(first)).ok()
    }
}

/// Returns the first free slot. An upgrade does not reuse slots of dropped indexes: entries with such a slot remain in a record
/// until the upgrade writes all documents of the collection again.
fn free_slot(taken: &[u8]) -> u8 {
    // No collection has two hundred indexes. The last slot needs a successor, at which its entries end.
    (b'0'..u8::MAX).find(|slot| !taken.contains(slot)).unwrap_or(b'0')
}

fn index_name(holds: &EntryKind) -> String {
    match holds {
        EntryKind::Declared { name, .. } => name.clone(),
        EntryKind::Deadlines => "expiry".to_owned(),
    }
}
