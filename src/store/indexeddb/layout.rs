//! What the database says of itself, in the object store `runstate`: `store` has its format and id; under the name of each collection stand the
//! declared version and what each of its indexes was made by. From that and a catalog follows what an upgrade has to do.

use serde::{Deserialize, Serialize};

use crate::schema::{Catalog, Collection};
use crate::store::tables::{Holds, Projection};
use crate::store::{COMMANDS, Error};
use crate::value::Few;

/// The object store of all this. No collection has such a name.
pub(super) const META: &str = "runstate";

/// The object store of the feed of changes. No collection has such a name.
pub(super) const FEED: &str = "changes";

/// The key of [`Identity`] in [`META`].
pub(super) const IDENTITY: &str = "store";

/// The index of each object store of documents, over all their entries. Each begins with the slot of the index that it is an entry of: one index of
/// the browser costs a third of what one for each of ours costs.
pub(super) const ENTRIES: &str = "i";

/// What this version writes, and the newest it reads. In format 1 each index was one of the browser's own.
pub(super) const FORMAT: u64 = 2;

/// What the store is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) format: u64,
    /// The store's id: another one in every store.
    pub(super) store: String,
}

/// What is kept of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The newest version of it that was ever declared here.
    pub(super) version: u32,
    pub(super) indexes: Vec<Slot>,
}

/// An index that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// One character, with which its entries begin; in format 1 the name of an index of its own.
    pub(super) slot: String,
    /// For people.
    pub(super) name: String,
    /// By what declaration its entries are made; where another one asks, it is no use.
    pub(super) made_by: String,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) identity: Identity,
    pub(super) collections: Few<String, Kept>,
}

/// What becomes of one collection.
pub(super) struct Turnover {
    pub(super) collection: &'static Collection,
    /// It has no object store yet.
    pub(super) new: bool,
    /// Slots of indexes that are not asked for any more.
    pub(super) dropped: Vec<String>,
    /// Slots of indexes that are to be made.
    pub(super) added: Vec<u8>,
    /// All indexes as they are then.
    pub(super) kept: Kept,
}

/// The collections that a catalog needs: its own and the ledger.
pub(super) fn declared(catalog: &Catalog) -> impl Iterator<Item = &'static Collection> {
    catalog.iter().chain([&COMMANDS])
}

impl Layout {
    /// A new store without collections.
    pub(super) fn new(store: String) -> Self {
        Self { identity: Identity { format: FORMAT, store }, collections: Few::default() }
    }

    /// Why a program with this catalog may only read.
    pub(super) fn newer(&self, database: &str, catalog: &Catalog) -> Option<Error> {
        if self.identity.format > FORMAT {
            let (what, found) = (super::faults::what(database), self.identity.format);
            return Some(Error::NewerVersion { what, found, supported: FORMAT });
        }
        declared(catalog).find_map(|collection| {
            let found = self.collections.get(collection.name)?.version;
            let what = format!("collection {}", collection.name);
            let supported = u64::from(collection.version);
            (found > collection.version).then(|| Error::NewerVersion { what, found: found.into(), supported })
        })
    }

    /// Whether this catalog can be used with it as it is.
    pub(super) fn suits(&self, catalog: &Catalog) -> bool {
        self.identity.format == FORMAT && self.turnover(catalog).is_empty()
    }

    /// What must be done before this catalog can be used; nothing where all is as it asks.
    pub(super) fn turnover(&self, catalog: &Catalog) -> Vec<Turnover> {
        declared(catalog).filter_map(|collection| self.turnover_of(collection)).collect()
    }

    fn turnover_of(&self, collection: &'static Collection) -> Option<Turnover> {
        let projections = Projection::all(collection);
        let found = self.collections.get(collection.name);
        let before = found.map_or(&[][..], |kept| &kept.indexes);
        let asked = |slot: &Slot| {
            slot.prefix().is_some() && projections.iter().any(|projection| *projection.made_by == *slot.made_by)
        };
        let (mut indexes, gone): (Vec<Slot>, Vec<Slot>) = before.iter().cloned().partition(asked);
        let mut taken: Vec<u8> = before.iter().filter_map(Slot::prefix).collect();
        let mut added = Vec::new();
        for projection in &projections {
            if indexes.iter().any(|slot| *slot.made_by == *projection.made_by) {
                continue;
            }
            let prefix = free_slot(&taken);
            taken.push(prefix);
            added.push(prefix);
            let slot = char::from(prefix).to_string();
            indexes.push(Slot { slot, name: name(&projection.holds()), made_by: projection.made_by.to_string() });
        }
        let dropped: Vec<String> = gone.into_iter().map(|slot| slot.slot).collect();
        let same =
            found.is_some_and(|kept| kept.version == collection.version) && added.is_empty() && dropped.is_empty();
        let kept = Kept { version: collection.version, indexes };
        (!same).then_some(Turnover { collection, new: found.is_none(), dropped, added, kept })
    }

    /// The indexes of a collection that are there and that its declaration asks for.
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(u8, Projection)> {
        let Some(kept) = self.collections.get(collection.name) else { return Vec::new() };
        kept.indexes(collection)
    }
}

impl Kept {
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(u8, Projection)> {
        let prefix = |projection: &Projection| {
            let mut slots = self.indexes.iter().filter(|slot| *slot.made_by == *projection.made_by);
            slots.find_map(Slot::prefix)
        };
        let all = Projection::all(collection).into_iter();
        all.filter_map(|projection| Some((prefix(&projection)?, projection))).collect()
    }
}

impl Slot {
    /// What its entries begin with; none: it is of format 1, and has its entries elsewhere.
    fn prefix(&self) -> Option<u8> {
        let mut characters = self.slot.chars();
        let first = characters.next().filter(|_| characters.next().is_none())?;
        u8::try_from(u32::from(first)).ok()
    }
}

/// The first slot that is free. Slots of before are not used again in the same upgrade; later all documents are written again with what they
/// have then, and what is left of an index that is gone is gone with it.
fn free_slot(taken: &[u8]) -> u8 {
    // No collection has two hundred indexes. The last one must have a successor, at which its entries end.
    (b'0'..u8::MAX).find(|slot| !taken.contains(slot)).unwrap_or(b'0')
}

fn name(holds: &Holds) -> String {
    match holds {
        Holds::Entries { name, .. } => name.clone(),
        Holds::Deadlines => "expiry".to_owned(),
    }
}
