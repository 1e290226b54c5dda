//! The documents of a large commit: its marker and its records.

use std::sync::Arc;

use runstate_core::decision::LoadedDocument;
use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::Key;
use runstate_store::{self as store, Expectation, Freshness, StoredDocument, Write, WriteOp};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, from_document};
use serde::{Deserialize, Serialize};

use super::{STAGED, STAGED_ROWS};
use crate::Engine;
use crate::command::update;

/// The document under a command's id while its commit is staged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) id: String,
    /// When its holder took it.
    pub(super) at: Timestamp,
    /// Its holder: the id from which the ids of the holder's batches derive.
    pub(super) attempt: String,
    /// Number of batches that its holders have written, which shows waiting attempts that the holder makes progress.
    pub(super) batches: u32,
    pub(super) state: StagingState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StagingState {
    /// No document refers to the staged rows.
    Staging,
    /// The deciding batch is committed: the staged rows are in use, the replaced ones are not.
    Adopted,
}

/// The rows of one staging batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct StagingRecord {
    pub(super) id: String,
    pub(super) command: String,
    pub(super) staged: Vec<String>,
    pub(super) replaced: Vec<String>,
}

/// A marker at a revision. The process that writes it at that revision holds it.
#[derive(Debug)]
pub(crate) struct HeldMarker {
    key: Key,
    pub(super) loaded: LoadedDocument,
    pub(super) marker: Marker,
}

pub(super) fn marker_key(id: &CommandId) -> Key {
    Key::new(&STAGED, id.as_str())
}

pub(crate) async fn find_marker(engine: &Engine, id: &CommandId) -> Result<Option<HeldMarker>, store::StoreError> {
    let key = marker_key(id);
    let found = engine.shared.store.get(std::slice::from_ref(&key), Freshness::Linearizable).await?;
    found.into_iter().next().flatten().map(|stored| HeldMarker::read(key, stored)).transpose()
}

impl HeldMarker {
    pub(super) fn read(key: Key, stored: StoredDocument) -> Result<Self, store::StoreError> {
        let marker = from_document(&stored.document).map_err(|error| damaged(&key, &error.to_string()))?;
        Ok(Self { key, loaded: LoadedDocument { revision: stored.revision, document: stored.document }, marker })
    }

    /// The write that creates `marker` in `batch`, and the marker after it.
    pub(super) fn create(marker: Marker, batch: &CommandId) -> (Write, Self) {
        let key = Key::new(&STAGED, &marker.id);
        let document = Arc::new(document(&marker));
        let op = WriteOp::Put { version: STAGED.version, document: document.clone() };
        let write = Write { key: key.clone(), expect: Expectation::Absent, op };
        let revision = Revision::first(batch, &key.collection, &key.id);
        (write, Self { key, loaded: LoadedDocument { revision, document }, marker })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn command(&self) -> &str {
        &self.marker.id
    }

    pub(super) fn is_adopted(&self) -> bool {
        self.marker.state == StagingState::Adopted
    }

    /// The write of a staging batch: one batch more.
    pub(super) fn add_batch(&mut self) -> Write {
        self.rewrite(|_| {})
    }

    /// The write of the deciding batch.
    pub(super) fn adopt(&mut self) -> Write {
        self.rewrite(|marker| marker.state = StagingState::Adopted)
    }

    /// The write that takes the marker over. Its former holder can write nothing more.
    pub(super) fn take_ownership(&mut self, attempt: &CommandId, now: Timestamp) -> Write {
        self.rewrite(|marker| {
            marker.attempt = attempt.as_str().to_owned();
            marker.at = now;
        })
    }

    pub(super) fn remove(self) -> Write {
        Write { key: self.key, expect: Expectation::Revision(self.loaded.revision), op: WriteOp::Delete }
    }

    fn rewrite(&mut self, change: impl FnOnce(&mut Marker)) -> Write {
        self.marker.batches = self.marker.batches.saturating_add(1);
        change(&mut self.marker);
        let (write, loaded) = update(Some(&STAGED), self.key.clone(), &self.loaded, Arc::new(document(&self.marker)));
        self.loaded = loaded;
        write
    }
}

impl StagingRecord {
    pub(super) fn key(&self) -> Key {
        Key::new(&STAGED_ROWS, &self.id)
    }

    pub(super) fn read(key: &Key, stored: &StoredDocument) -> Result<Self, store::StoreError> {
        from_document(&stored.document).map_err(|error| damaged(key, &error.to_string()))
    }

    /// The rows to remove: the replaced ones if the commit was `adopted`, else the staged ones.
    pub(super) fn removable_rows(&self, adopted: bool) -> Result<Vec<Key>, store::StoreError> {
        let names = if adopted { &self.replaced } else { &self.staged };
        let key = |name: &String| match name.split_once('/') {
            Some((collection, id)) => Ok(Key { collection: collection.to_owned().into(), id: id.into() }),
            None => Err(damaged(&self.key(), &format!("`{name}` is not the key of a row"))),
        };
        names.iter().map(key).collect()
    }
}

pub(super) fn document<T: Serialize>(entity: &T) -> Document {
    match serde_json::to_value(entity) {
        Ok(Json::Object(document)) => document,
        // Both types serialize to objects. A store rejects an empty document because of its declaration.
        _ => Document::new(),
    }
}

pub(super) fn damaged(key: &Key, why: &str) -> store::StoreError {
    store::StoreError::Corrupt { at: key.to_string(), why: why.to_owned() }
}
