//! Where collections stand on the server: which database, which collection in it.

/// How collections are spread over databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// All in one database: `d.c` is the collection `d.c` in it.
    One {
        /// The database.
        database: String,
    },
    /// As systems before runstate kept them: `d.c` is the collection `c` in the database `d`, which begins with this prefix.
    Seed {
        /// Tells several environments on one cluster apart; mostly empty.
        prefix: String,
    },
}

/// A collection on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The database.
    pub(super) database: String,
    /// The collection in it.
    pub(super) collection: String,
}

/// What the store says of itself: its format and id, and of each collection its version and indexes. No collection of a catalog may
/// have this name.
pub(super) const META: &str = "runstate.meta";

/// By what documents are checked that many check at once. No collection of a catalog may have this name either.
pub(super) const HOLDS: &str = "runstate.holds";

impl Layout {
    /// Where the collection of that name stands.
    pub(super) fn place(&self, name: &str) -> Place {
        match self {
            Layout::One { database } => Place { database: database.clone(), collection: name.to_owned() },
            Layout::Seed { prefix } => {
                let (database, collection) = name.split_once('.').unwrap_or(("runstate", name));
                Place { database: format!("{prefix}{database}"), collection: collection.to_owned() }
            }
        }
    }

    /// The name of the collection that stands there; `None` where none of a store does.
    pub(super) fn name_of(&self, database: &str, collection: &str) -> Option<String> {
        match self {
            Layout::One { database: own } => (own == database).then(|| collection.to_owned()),
            Layout::Seed { prefix } => Some(format!("{}.{collection}", database.strip_prefix(prefix.as_str())?)),
        }
    }

    /// For people: what of the server belongs to this store.
    pub(super) fn describe(&self) -> String {
        match self {
            Layout::One { database } => format!("the database `{database}`"),
            Layout::Seed { prefix } => format!("the databases `{prefix}runstate` and those beside it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_found_where_it_was_put() {
        let one = Layout::One { database: "app".into() };
        assert_eq!(one.place("cvm.programs"), Place { database: "app".into(), collection: "cvm.programs".into() });
        let seed = Layout::Seed { prefix: "test_".into() };
        assert_eq!(seed.place("cvm.programs"), Place { database: "test_cvm".into(), collection: "programs".into() });
        for layout in [one, seed] {
            for name in ["cvm.programs", "runstate.commands", META, HOLDS] {
                let place = layout.place(name);
                assert_eq!(layout.name_of(&place.database, &place.collection).as_deref(), Some(name));
            }
            assert_eq!(layout.name_of("other", "x"), None);
        }
    }
}
