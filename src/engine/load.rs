//! Loading what a command reads: in rounds, until it asks for nothing new.

use super::any::AnyCommand;
use super::{Engine, Error};
use crate::code::Code;
use crate::decision::{Loaded, ReadSet, View};
use crate::schema::Key;
use crate::store::{Freshness, Stored};

/// Rounds of reading before a command counts as one that never has enough.
const ROUNDS: usize = 32;

/// Rounds that may find what was read before written to meanwhile, and are not counted among those: who is warm needs no reading and can be
/// faster than who reads, again and again.
const OVERTAKEN: usize = 4_096;

/// Where documents may come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The cache where it has them; they may be stale.
    Cache,
    /// The store only.
    Store,
}

impl Engine {
    /// The view on which `command` decides, with what it asked for while deciding (`more`).
    ///
    /// Whatever comes from the store is read again together with each later round, so that in the end it is all of one snapshot. What the
    /// cache remembers is taken only where it has all that is asked for: beside what is read now it may be of another moment, and a decision
    /// would rest on both.
    pub(super) async fn load(&self, command: &dyn AnyCommand, asked: From, more: &[Key]) -> Result<View, Error> {
        let (mut view, mut from) = (View::default(), asked);
        let mut fetched: Vec<Key> = Vec::new();
        let (mut rounds, mut overtaken) = (0, 0);
        let mut looked = false;
        while rounds < ROUNDS && overtaken < OVERTAKEN {
            let ReadSet { keys, queries } = view.missing(more.iter().cloned().fold(command.reads(&view), ReadSet::and));
            if keys.is_empty() && queries.is_empty() {
                return Ok(view);
            }
            let remembered = |key: &Key| self.shared.cache.get(key).is_some();
            if from == From::Cache && !(queries.is_empty() && keys.iter().all(remembered)) {
                fetched.extend(view.keys().filter(|key| !self.lasts(key)).cloned());
                from = From::Store;
            }
            // The first look sees all that was acknowledged; what is read after it is no older.
            let freshness = if looked { Freshness::Validated } else { Freshness::Linearizable };
            let before = fetched.len();
            for key in keys {
                let may_be_remembered = from == From::Cache || (asked == From::Cache && self.lasts(&key));
                match self.shared.cache.get(&key).filter(|_| may_be_remembered) {
                    Some((loaded, warm)) => view.put(key, Some(loaded), warm),
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
                let freshness = if looked { Freshness::Validated } else { Freshness::Linearizable };
                let page = self.shared.store.query_with(&query, freshness).await?;
                looked = true;
                let row = |row: crate::store::Row| {
                    (Key { collection: query.collection.clone().into(), id: row.id }, loaded(row.stored))
                };
                let rows = page.rows.into_iter().map(row).collect();
                view.put_rows(name, query.clone(), rows);
            }
        }
        if overtaken == OVERTAKEN {
            let message = format!("what {} reads is written to all the time; try again", command.name());
            return Err(Error { retryable: true, ..Error::new(Code::Conflict, message) });
        }
        Err(Error::internal(format!("{} asked to read more after {ROUNDS} rounds", command.name())))
    }

    /// Whether a document is never changed, so that remembering it is knowing it.
    fn lasts(&self, key: &Key) -> bool {
        self.shared.catalog.get(&key.collection).is_some_and(|collection| collection.insert_only)
    }

    /// Reads all of them in one snapshot; whether one that had been read before was another one then.
    async fn fetch(&self, keys: &[Key], freshness: Freshness, view: &mut View) -> Result<bool, Error> {
        let found = self.shared.store.get_with(keys, freshness).await?;
        let mut moved = false;
        for (key, stored) in keys.iter().zip(found) {
            let found = stored.map(loaded);
            let revision = |of: Option<&Loaded>| of.map(|loaded| loaded.revision.clone());
            moved |= view.has_read(key) && revision(view.get(key)) != revision(found.as_ref());
            self.shared.cache.refresh(key, found.as_ref());
            let warm = found.as_ref().and_then(|found| self.shared.cache.warm(key, &found.revision));
            view.put(key.clone(), found, warm);
        }
        Ok(moved)
    }
}

fn loaded(stored: Stored) -> Loaded {
    Loaded { revision: stored.revision, document: stored.document }
}
