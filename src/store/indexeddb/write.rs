//! Writes. Records cross into JavaScript as one text per batch, and every put is issued without waiting for the one before.

use std::collections::BTreeMap;

use js_sys::{Array, JSON};
use serde::Serialize;
use wasm_bindgen::JsValue;

use super::binding::IdbObjectStore;
use super::connection::Connection;
use super::error_mapping::IndexedDbError;
use super::record::EncodedRecord;
use super::record::encode_key;
use super::transaction::Tx;
use crate::schema::Key;
use crate::store::StoreError;
use crate::store::tables::{DocumentChange, PlannedCommit};
use crate::value::to_json_string;

/// Size of a text in bytes at which its records are put. One record may be larger.
const PUT_BATCH_BYTES: usize = 1024 * 1024;

/// The way in which a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutMode {
    /// Replaces an existing record.
    Overwrite,
    /// Adds the record. If one exists, the browser aborts the transaction.
    Insert,
}

/// Puts a JSON value as a JavaScript value.
pub(super) fn put_json(store: &IdbObjectStore, key: &str, value: &impl Serialize) -> Result<(), IndexedDbError> {
    store.put(&JSON::parse(&to_json_text(key, value)?)?, &JsValue::from_str(key))?;
    Ok(())
}

/// Records that cross together: `[key, record, key, record, …]`.
#[derive(Default)]
pub(super) struct PutBatch {
    text: String,
    targets: Vec<(IdbObjectStore, PutMode)>,
    /// Bytes of the texts that were put before.
    written_bytes: usize,
}

impl PutBatch {
    /// Adds a record, and puts the batch if it is full.
    pub(super) fn add(
        &mut self,
        store: IdbObjectStore,
        put: PutMode,
        key: &str,
        record: &EncodedRecord<'_>,
    ) -> Result<(), IndexedDbError> {
        for part in [to_json_text(key, &key)?, to_json_text(key, record)?] {
            self.text.push(if self.text.is_empty() { '[' } else { ',' });
            self.text.push_str(&part);
        }
        self.targets.push((store, put));
        if self.text.len() >= PUT_BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Puts the records of the batch.
    pub(super) fn flush(&mut self) -> Result<(), IndexedDbError> {
        let Self { mut text, targets: places, written_bytes: put } = std::mem::take(self);
        self.written_bytes = put + text.len();
        if places.is_empty() {
            return Ok(());
        }
        text.push(']');
        let values = Array::from(&JSON::parse(&text)?);
        for (at, (store, put)) in (0..).step_by(2).zip(places) {
            let (key, record) = (values.get(at), values.get(at + 1));
            match put {
                PutMode::Overwrite => store.put(&record, &key)?,
                PutMode::Insert => store.add(&record, &key)?,
            };
        }
        Ok(())
    }
}

impl Connection {
    /// Issues all document writes of the commits, and returns their bytes. `new` is the mode for documents that did not exist.
    pub(super) fn issue_writes(
        &self,
        tx: &Tx,
        commits: &[PlannedCommit],
        new: PutMode,
    ) -> Result<usize, IndexedDbError> {
        // Of several writes to one key only the last counts. The map orders them by key, as the browser stores them.
        let mut states: BTreeMap<&Key, &DocumentChange> = BTreeMap::new();
        for change in commits.iter().flat_map(|commit| &commit.changes) {
            states.insert(&change.key, change);
        }
        let mut portion = PutBatch::default();
        for (at, change) in states {
            let (store, name) = (tx.store(&at.collection)?, encode_key(at.id.as_bytes()));
            let Some(stored) = &change.after else {
                store.delete(&name.into())?;
                continue;
            };
            let unwritable = |e: serde_json::Error| StoreError::Invalid { key: at.clone(), reason: e.to_string() };
            let record = EncodedRecord::new(&at.collection, &at.id, stored, self.indexes(&at.collection));
            let put = if change.before.is_none() { new } else { PutMode::Overwrite };
            portion.add(store, put, &name, &record.map_err(unwritable)?)?;
        }
        portion.flush()?;
        Ok(portion.written_bytes)
    }
}

fn to_json_text(key: &str, value: &impl Serialize) -> Result<String, StoreError> {
    let unwritable =
        |e: serde_json::Error| StoreError::Unavailable { what: format!("the record `{key}`"), why: e.to_string() };
    to_json_string(value).map_err(unwritable)
}
