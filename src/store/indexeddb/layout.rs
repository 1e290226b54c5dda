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

/// What this version writes, and the newest it reads.
pub(super) const FORMAT: u64 = 1;

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
    /// Its name in the object store, and that of the member of `i` that it reads.
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
    /// Indexes that are not asked for any more.
    pub(super) dropped: Vec<String>,
    /// Indexes that are to be made.
    pub(super) added: Vec<String>,
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

    /// What must be done before this catalog can be used; nothing where all is as it asks.
    pub(super) fn turnover(&self, catalog: &Catalog) -> Vec<Turnover> {
        declared(catalog).filter_map(|collection| self.turnover_of(collection)).collect()
    }

    fn turnover_of(&self, collection: &'static Collection) -> Option<Turnover> {
        let projections = Projection::all(collection);
        let found = self.collections.get(collection.name);
        let before = found.map_or(&[][..], |kept| &kept.indexes);
        let asked = |slot: &Slot| projections.iter().any(|projection| *projection.made_by == *slot.made_by);
        let (mut indexes, gone): (Vec<Slot>, Vec<Slot>) = before.iter().cloned().partition(asked);
        let mut taken: Vec<String> = before.iter().map(|slot| slot.slot.clone()).collect();
        let mut added = Vec::new();
        for projection in &projections {
            if indexes.iter().any(|slot| *slot.made_by == *projection.made_by) {
                continue;
            }
            let slot = free_slot(&taken);
            taken.push(slot.clone());
            added.push(slot.clone());
            indexes.push(Slot { slot, name: name(&projection.holds()), made_by: projection.made_by.to_string() });
        }
        let dropped: Vec<String> = gone.into_iter().map(|slot| slot.slot).collect();
        let same =
            found.is_some_and(|kept| kept.version == collection.version) && added.is_empty() && dropped.is_empty();
        let kept = Kept { version: collection.version, indexes };
        (!same).then_some(Turnover { collection, new: found.is_none(), dropped, added, kept })
    }

    /// The indexes of a collection that are there and that its declaration asks for.
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(String, Projection)> {
        let Some(kept) = self.collections.get(collection.name) else { return Vec::new() };
        kept.indexes(collection)
    }
}

impl Kept {
    pub(super) fn indexes(&self, collection: &'static Collection) -> Vec<(String, Projection)> {
        let slot = |projection: &Projection| self.indexes.iter().find(|slot| *slot.made_by == *projection.made_by);
        let all = Projection::all(collection).into_iter();
        all.filter_map(|projection| Some((slot(&projection)?.slot.clone(), projection))).collect()
    }
}

/// The first name that is free. Names of before are not used again in the same upgrade.
fn free_slot(taken: &[String]) -> String {
    (0..).map(|n: u32| format!("k{n}")).find(|slot| !taken.contains(slot)).unwrap_or_default()
}

fn name(holds: &Holds) -> String {
    match holds {
        Holds::Entries { name, .. } => name.clone(),
        Holds::Deadlines => "expiry".to_owned(),
    }
}
