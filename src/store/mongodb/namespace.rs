//! Where collections are on the server: the database, and the collection in it.

/// How collections are distributed over databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// All in one database: `d.c` is the collection `d.c` in it.
    One {
        /// The database.
        database: String,
    },
    /// As in systems before runstate: `d.c` is the collection `c` in the database `d`, whose name begins with this prefix.
    Seed {
        /// Distinguishes several environments on one cluster; usually empty.
        prefix: String,
    },
}

/// A collection on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    /// The database.
    pub(super) database: String,
    /// The collection in it.
    pub(super) collection: String,
}

/// The store's metadata: its format and id, and the version and indexes of each collection. No catalog may declare this name.
pub(super) const META: &str = "runstate.meta";

/// The stripes of read-mostly documents. No catalog may declare this name either.
pub(super) const STRIPES: &str = "runstate.holds";

impl Layout {
    /// The namespace of the collection `name`.
    pub(super) fn namespace(&self, name: &str) -> Namespace {
        match self {
            Layout::One { database } => Namespace { database: database.clone(), collection: name.to_owned() },
            Layout::Seed { prefix } => {
                let (database, collection) = name.split_once('.').unwrap_or(("runstate", name));
                Namespace { database: format!("{prefix}{database}"), collection: collection.to_owned() }
            }
        }
    }

    /// The collection in a namespace. `None` if the namespace is not one of a store.
    pub(super) fn collection_name(&self, database: &str, collection: &str) -> Option<String> {
        match self {
            Layout::One { database: own } => (own == database).then(|| collection.to_owned()),
            Layout::Seed { prefix } => Some(format!("{}.{collection}", database.strip_prefix(prefix.as_str())?)),
        }
    }

    /// The part of the server that belongs to this store, for messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Layout::One { database } => format!("the database `{database}`"),
            Layout::Seed { prefix } => format!("the database `{prefix}runstate` and one database for each domain"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_round_trips_to_collection_name() {
        let one = Layout::One { database: "app".into() };
        assert_eq!(
            one.namespace("cvm.programs"),
            Namespace { database: "app".into(), collection: "cvm.programs".into() }
        );
        let seed = Layout::Seed { prefix: "test_".into() };
        assert_eq!(
            seed.namespace("cvm.programs"),
            Namespace { database: "test_cvm".into(), collection: "programs".into() }
        );
        for layout in [one, seed] {
            for name in ["cvm.programs", "runstate.commands", META, STRIPES] {
                let namespace = layout.namespace(name);
                assert_eq!(layout.collection_name(&namespace.database, &namespace.collection).as_deref(), Some(name));
            }
            assert_eq!(layout.collection_name("other", "x"), None);
        }
    }
}
