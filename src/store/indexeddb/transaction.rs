//! A transaction and its completion. Requests of one transaction complete in order, so only the last of several is awaited. Of a
//! transaction that writes, the transaction itself is awaited, never its requests.
//!
//! The promises here settle inside an event of the transaction, and the task resumes in the same turn, so the transaction is still
//! active. Awaiting anything else within a transaction ends it (W3C Indexed Database API, transaction lifetime).
//!
//! Records to write cross into JavaScript as one text per batch, and every put is issued without waiting for the one
//! before.

use std::cell::RefCell;
use std::future::Future;

use js_sys::{Array, JSON, Object, Promise, Reflect};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::binding::{IdbDatabase, IdbEvent, IdbObjectStore, IdbRequest, IdbTransaction, first_event};
use super::connection::Connection;
use super::error_mapping::{BrowserError, IndexedDbError};
use super::layout::{EncodedRecord, encode_key};
use crate::store::StoreError;
use crate::store::tables::{DocumentChange, PlannedCommit};
use crate::value::{SortedMap, sort_by, to_json_string};

/// The mode of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    /// Read and write with strict durability: data is on disk when the transaction reports completion.
    Write,
}

/// An active transaction.
pub(super) struct Tx {
    raw: IdbTransaction,
    stores: RefCell<SortedMap<String, IdbObjectStore>>,
}

impl Tx {
    pub(super) fn begin<'a>(
        database: &IdbDatabase,
        stores: impl IntoIterator<Item = &'a str>,
        mode: Mode,
    ) -> Result<Self, BrowserError> {
        let stores: Array = stores.into_iter().map(JsValue::from_str).collect();
        let options = Object::new();
        let mode = match mode {
            Mode::Read => "readonly",
            Mode::Write => {
                // Browsers without this option ignore it.
                Reflect::set(&options, &"durability".into(), &"strict".into())?;
                "readwrite"
            }
        };
        Ok(Self::wrap(database.transaction(&stores, mode, &options)?))
    }

    pub(super) fn wrap(raw: IdbTransaction) -> Self {
        Self { raw, stores: RefCell::default() }
    }

    pub(super) fn store(&self, name: &str) -> Result<IdbObjectStore, BrowserError> {
        if let Some(store) = self.stores.borrow().get(name) {
            return Ok(store.clone());
        }
        let store = self.raw.store(name)?;
        self.stores.borrow_mut().insert(name.to_owned(), store.clone());
        Ok(store)
    }

    /// Aborts the transaction. One that has ended is not affected.
    pub(super) fn abort(&self) {
        drop(self.raw.abort());
    }

    /// Commits explicitly. The browser then need not wait for further requests, which saves a round trip to the page. A browser
    /// without this call commits on its own.
    pub(super) fn commit(&self) {
        drop(self.raw.commit());
    }

    /// Returns the error for which the browser aborted the transaction; `None` if it did not, or if the store aborted it.
    pub(super) fn abort_cause(&self) -> Option<BrowserError> {
        let error = self.raw.error();
        (!error.is_null() && !error.is_undefined()).then(|| error.into())
    }

    /// Returns a future for the end of the transaction. The handlers are installed at once.
    pub(super) fn completion(&self) -> impl Future<Output = Result<(), BrowserError>> + use<> {
        let raw = self.raw.clone();
        let end = Promise::new(&mut |resolve, _| {
            raw.on_complete(&resolve);
            raw.on_abort(&resolve);
        });
        async move {
            let event: IdbEvent = JsFuture::from(end).await?.unchecked_into();
            if event.kind() == "complete" { Ok(()) } else { Err(raw.error().into()) }
        }
    }
}

/// Waits for a request, and thus for all earlier requests of its transaction.
pub(super) async fn await_request(request: &IdbRequest) -> Result<JsValue, BrowserError> {
    let event = first_event(|handler| {
        request.on_success(handler);
        request.on_error(handler);
    });
    let event: IdbEvent = JsFuture::from(event).await?.unchecked_into();
    if event.kind() == "success" { Ok(request.result()) } else { Err(request.error().into()) }
}

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
        mode: PutMode,
        key: &str,
        record: &EncodedRecord<'_>,
    ) -> Result<(), IndexedDbError> {
        for part in [to_json_text(key, &key)?, to_json_text(key, record)?] {
            self.text.push(if self.text.is_empty() { '[' } else { ',' });
            self.text.push_str(&part);
        }
        self.targets.push((store, mode));
        if self.text.len() >= PUT_BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Puts the records of the batch.
    pub(super) fn flush(&mut self) -> Result<(), IndexedDbError> {
        let Self { mut text, targets, written_bytes } = std::mem::take(self);
        self.written_bytes = written_bytes + text.len();
        if targets.is_empty() {
            return Ok(());
        }
        text.push(']');
        let values = Array::from(&JSON::parse(&text)?);
        for (index, (store, mode)) in (0..).step_by(2).zip(targets) {
            let (key, record) = (values.get(index), values.get(index + 1));
            match mode {
                PutMode::Overwrite => store.put(&record, &key)?,
                PutMode::Insert => store.add(&record, &key)?,
            };
        }
        Ok(())
    }
}

/// Issues all document writes of the commits, and returns their bytes. `new` is the mode for documents that did not exist.
pub(super) fn issue_writes(
    connection: &Connection,
    tx: &Tx,
    commits: &[PlannedCommit],
    new: PutMode,
) -> Result<usize, IndexedDbError> {
    // Of several writes to one key only the last counts. They are ordered by key, as the browser stores them.
    let mut changes: Vec<&DocumentChange> = commits.iter().flat_map(|commit| &commit.changes).collect();
    sort_by(&mut changes, |one, other| one.key.cmp(&other.key));
    let mut changes = changes.into_iter().peekable();
    let mut put_batch = PutBatch::default();
    while let Some(change) = changes.next() {
        let key = &change.key;
        if changes.peek().is_some_and(|next| next.key == *key) {
            continue;
        }
        let (store, name) = (tx.store(&key.collection)?, encode_key(key.id.as_bytes()));
        let Some(stored) = &change.after else {
            store.delete(&name.into())?;
            continue;
        };
        let unwritable = |error: serde_json::Error| StoreError::Invalid { key: key.clone(), reason: error.to_string() };
        let record = EncodedRecord::new(&key.collection, &key.id, stored, connection.indexes(&key.collection));
        let mode = if change.before.is_none() { new } else { PutMode::Overwrite };
        put_batch.add(store, mode, &name, &record.map_err(unwritable)?)?;
    }
    put_batch.flush()?;
    Ok(put_batch.written_bytes)
}

fn to_json_text(key: &str, value: &impl Serialize) -> Result<String, StoreError> {
    let unwritable = |error: serde_json::Error| StoreError::Unavailable {
        what: format!("the record `{key}`"),
        why: error.to_string(),
    };
    to_json_string(value).map_err(unwritable)
}
