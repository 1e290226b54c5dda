//! The marker of a large turn, and the records beside it, as documents.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{STAGED, STAGED_ROWS};
use crate::decision::Loaded;
use crate::engine::Engine;
use crate::engine::commit::update;
use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::store::{self, Expect, Op, Stored, Write};
use crate::time::Timestamp;
use crate::value::{Document, Json, read_document};

/// What stands under a command's id while it is staged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The command.
    pub(super) id: String,
    /// When its holder took it.
    pub(super) at: Timestamp,
    /// Who holds it: the id from which its batches have theirs.
    pub(super) attempt: String,
    /// How many batches its holders have written: who waits sees by it that they go on.
    pub(super) batches: u32,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Nothing points to what is staged.
    Staging,
    /// It was decided: the staged rows are in force, what they replace is not.
    Adopted,
}

/// What one batch staged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// The batch.
    pub(super) id: String,
    pub(super) command: String,
    pub(super) staged: Vec<String>,
    pub(super) replaced: Vec<String>,
}

/// A marker at a revision: who writes under it holds it.
#[derive(Debug)]
pub(in crate::engine) struct Held {
    key: Key,
    loaded: Loaded,
    marker: Marker,
}

/// Where the marker of a command stands.
pub(super) fn key(id: &CommandId) -> Key {
    Key::new(&STAGED, id.as_str())
}

impl Engine {
    /// The marker of `id`, where one stands.
    pub(in crate::engine) async fn staged_under(&self, id: &CommandId) -> Result<Option<Held>, store::Error> {
        let key = key(id);
        let found = self.shared.store.get(std::slice::from_ref(&key)).await?;
        found.into_iter().next().flatten().map(|stored| Held::read(key, stored)).transpose()
    }
}

impl Marker {
    pub(super) fn document(&self) -> Document {
        document(self)
    }
}

impl Held {
    pub(super) fn read(key: Key, stored: Stored) -> Result<Self, store::Error> {
        let marker = read_document(&stored.document).map_err(|error| damaged(&key, &error.to_string()))?;
        Ok(Self { key, loaded: Loaded { revision: stored.revision, document: stored.document }, marker })
    }

    /// The marker that `batch` creates, and the write that does.
    pub(super) fn create(marker: Marker, batch: &CommandId) -> (Write, Self) {
        let key = Key::new(&STAGED, &marker.id);
        let document = Arc::new(marker.document());
        let op = Op::Put { version: STAGED.version, document: document.clone() };
        let write = Write { key: key.clone(), expect: Expect::Absent, op };
        let revision = Revision::first(batch, &key.collection, &key.id);
        (write, Self { key, loaded: Loaded { revision, document }, marker })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// The command.
    pub(super) fn command(&self) -> &str {
        &self.marker.id
    }

    pub(super) fn is_adopted(&self) -> bool {
        self.marker.state == State::Adopted
    }

    pub(super) fn is_of(&self, attempt: &CommandId) -> bool {
        self.marker.attempt == attempt.as_str()
    }

    /// Whether nobody has written it since.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.loaded.revision == other.loaded.revision
    }

    /// Writes it on: one batch more.
    pub(super) fn go_on(&mut self) -> Write {
        self.rewrite(|_| {})
    }

    /// The deciding batch's part.
    pub(super) fn adopt(&mut self) -> Write {
        self.rewrite(|marker| marker.state = State::Adopted)
    }

    /// From here on whoever held it can write nothing more.
    pub(super) fn take_over(&mut self, attempt: &CommandId, now: Timestamp) -> Write {
        self.rewrite(|marker| {
            marker.attempt = attempt.as_str().to_owned();
            marker.at = now;
        })
    }

    pub(super) fn remove(self) -> Write {
        Write { key: self.key, expect: Expect::Revision(self.loaded.revision), op: Op::Delete }
    }

    fn rewrite(&mut self, change: impl FnOnce(&mut Marker)) -> Write {
        self.marker.batches = self.marker.batches.saturating_add(1);
        change(&mut self.marker);
        let (write, loaded) = update(self.key.clone(), &self.loaded, Arc::new(self.marker.document()));
        self.loaded = loaded;
        write
    }
}

impl Record {
    pub(super) fn key(&self) -> Key {
        Key::new(&STAGED_ROWS, &self.id)
    }

    pub(super) fn document(&self) -> Document {
        document(self)
    }

    pub(super) fn read(key: &Key, stored: &Stored) -> Result<Self, store::Error> {
        read_document(&stored.document).map_err(|error| damaged(key, &error.to_string()))
    }

    /// The rows that are to go, now that it has come to `adopted` or not.
    pub(super) fn to_go(&self, adopted: bool) -> Result<Vec<Key>, store::Error> {
        let names = if adopted { &self.replaced } else { &self.staged };
        let key = |name: &String| match name.split_once('/') {
            Some((collection, id)) => Ok(Key { collection: collection.to_owned().into(), id: id.into() }),
            None => Err(damaged(&self.key(), &format!("`{name}` names no row"))),
        };
        names.iter().map(key).collect()
    }
}

fn document<T: Serialize>(entity: &T) -> Document {
    match serde_json::to_value(entity) {
        Ok(Json::Object(document)) => document,
        // Neither fails to be an object; a store refuses an empty one by its declaration.
        _ => Document::new(),
    }
}

pub(super) fn damaged(key: &Key, why: &str) -> store::Error {
    store::Error::Corrupt { at: key.to_string(), why: why.to_owned() }
}
