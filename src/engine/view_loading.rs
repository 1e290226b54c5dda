//! Loads the documents that a command reads, in rounds, until the command requests nothing new.

use super::any_command::AnyCommand;
use super::{Engine, Error};
use crate::decision::{LoadedDocument, ReadSet, View};
use crate::error_code::ErrorCode;
use crate::schema::Key;
use crate::store::{Freshness, StoredDocument};

/// Maximum number of rounds, after which a command counts as one that never has all it needs.
const MAX_ROUNDS: usize = 32;

/// Maximum number of rounds that find a document changed since it was read; they do not count towards [`MAX_ROUNDS`]. Writers that need no
/// read, because their documents are cached, can repeatedly be faster than a reader.
const MAX_OVERTAKEN_ROUNDS: usize = 4_096;

/// Source of documents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadSource {
    /// The cache, for documents that it has. They may be stale.
    Cache,
    /// The store only.
    Store,
}

impl Engine {
    /// The view for the decision of `command`, with the keys that it requested while it decided (`more`).
    ///
    /// Each round reads all documents from the store again, so that the final view is of one snapshot. Cached documents are used only if
    /// the cache has all that are requested. Beside documents read now, cached ones could be of another moment, and the decision would
    /// depend on both.
    pub(super) async fn load(&self, command: &dyn AnyCommand, asked: ReadSource, more: &[Key]) -> Result<View, Error> {
        let (mut view, mut from) = (View::default(), asked);
        let mut fetched: Vec<Key> = Vec::new();
        let (mut rounds, mut overtaken) = (0, 0);
        let mut looked = false;
        while rounds < MAX_ROUNDS && overtaken < MAX_OVERTAKEN_ROUNDS {
            let ReadSet { keys, queries } =
                view.missing(more.iter().cloned().fold(command.reads(&view), ReadSet::with_key));
            if keys.is_empty() && queries.is_empty() {
                return Ok(view);
            }
            let remembered = |key: &Key| self.shared.cache.get(key).is_some();
            if from == ReadSource::Cache && !(queries.is_empty() && keys.iter().all(remembered)) {
                fetched.extend(view.keys().filter(|key| !self.is_immutable(key)).cloned());
                from = ReadSource::Store;
            }
            // The first read sees every acknowledged commit; later reads are no older.
            let freshness = if looked { Freshness::Session } else { Freshness::Linearizable };
            let before = fetched.len();
            for key in keys {
                let may_be_remembered =
                    from == ReadSource::Cache || (asked == ReadSource::Cache && self.is_immutable(&key));
                match self.shared.cache.get(&key).filter(|_| may_be_remembered) {
                    Some((loaded, cached)) => view.put(key, Some(loaded), cached),
                    None => fetched.push(key),
                }
            }
            let mut moved = false;
            if fetched.len() > before {
                moved = self.fetch(&fetched, freshness, &mut view).await?;
                looked = true;
            }
            *(if moved { &mut overtaken } else { &mut rounds }) += 1;
            for (name, query) in queries {
                let freshness = if looked { Freshness::Session } else { Freshness::Linearizable };
                let page = self.shared.store.query_with(&query, freshness).await?;
                looked = true;
                let row = |row: crate::store::Row| {
                    (Key { collection: query.collection.clone().into(), id: row.id }, to_loaded_document(row.stored))
                };
                let rows = page.items.into_iter().map(row).collect();
                view.put_rows(name, query.clone(), rows);
            }
        }
        if overtaken == MAX_OVERTAKEN_ROUNDS {
            let message = format!("the documents that {} reads are updated too often. Try again", command.name());
            return Err(Error { retryable: true, ..Error::new(ErrorCode::Conflict, message) });
        }
        Err(Error::internal(format!("{} still requests more documents after {MAX_ROUNDS} rounds", command.name())))
    }

    /// Whether a document never changes, so that its cached form cannot be stale.
    fn is_immutable(&self, key: &Key) -> bool {
        self.shared.catalog.get(&key.collection).is_some_and(|collection| collection.insert_only)
    }

    /// Reads all keys in one snapshot. Returns whether a document that had been read before has changed since.
    async fn fetch(&self, keys: &[Key], freshness: Freshness, view: &mut View) -> Result<bool, Error> {
        let found = self.shared.store.get_with(keys, freshness).await?;
        let mut moved = false;
        for (key, stored) in keys.iter().zip(found) {
            let found = stored.map(to_loaded_document);
            let revision = |of: Option<&LoadedDocument>| of.map(|loaded| loaded.revision.clone());
            moved |= view.has_read(key) && revision(view.get(key)) != revision(found.as_ref());
            self.shared.cache.refresh(key, found.as_ref());
            let cached = found.as_ref().and_then(|found| self.shared.cache.value_at_revision(key, &found.revision));
            view.put(key.clone(), found, cached);
        }
        Ok(moved)
    }
}

fn to_loaded_document(stored: StoredDocument) -> LoadedDocument {
    LoadedDocument { revision: stored.revision, document: stored.document }
}
