//! Writing: values cross into JavaScript as one text a portion, and every put is issued without waiting for the one before.

use std::collections::BTreeMap;

use js_sys::{Array, JSON};
use serde::Serialize;
use wasm_bindgen::JsValue;

use super::binding::ObjectStore;
use super::bytes::key;
use super::connection::Connection;
use super::faults::Stop;
use super::record::Written;
use super::transaction::Tx;
use crate::schema::Key;
use crate::store::Error;
use crate::store::tables::{Change, Commit};
use crate::value::written;

/// Bytes of text that cross at once, or one value that is larger.
const PORTION: usize = 1024 * 1024;

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// Over whatever stands there.
    Over,
    /// Where nothing stands: else the browser aborts the transaction.
    New,
}

/// Puts a value as JavaScript reads its JSON.
pub(super) fn put_json(store: &ObjectStore, key: &str, value: &impl Serialize) -> Result<(), Stop> {
    store.put(&JSON::parse(&text(key, value)?)?, &JsValue::from_str(key))?;
    Ok(())
}

/// Records that cross together: `[key, record, key, record, …]`.
#[derive(Default)]
pub(super) struct Portion {
    text: String,
    places: Vec<(ObjectStore, Put)>,
    /// Bytes of text in all that was put before.
    put: usize,
}

impl Portion {
    /// Adds a record; where there are enough of them they are put.
    pub(super) fn add(&mut self, store: ObjectStore, put: Put, key: &str, record: &Written<'_>) -> Result<(), Stop> {
        for part in [text(key, &key)?, text(key, record)?] {
            self.text.push(if self.text.is_empty() { '[' } else { ',' });
            self.text.push_str(&part);
        }
        self.places.push((store, put));
        if self.text.len() >= PORTION { self.put() } else { Ok(()) }
    }

    /// Puts what is there.
    pub(super) fn put(&mut self) -> Result<(), Stop> {
        let Self { mut text, places, put } = std::mem::take(self);
        self.put = put + text.len();
        if places.is_empty() {
            return Ok(());
        }
        text.push(']');
        let values = Array::from(&JSON::parse(&text)?);
        for (at, (store, put)) in (0..).step_by(2).zip(places) {
            let (key, record) = (values.get(at), values.get(at + 1));
            match put {
                Put::Over => store.put(&record, &key)?,
                Put::New => store.add(&record, &key)?,
            };
        }
        Ok(())
    }
}

impl Connection {
    /// Issues all that commits make of the documents; how many bytes that is. `new`: how those are written that were not there.
    pub(super) fn issue(&self, tx: &Tx, commits: &[Commit], new: Put) -> Result<usize, Stop> {
        // Of several writes to one key the last one stays. They come in the order of the keys, as the browser keeps them.
        let mut states: BTreeMap<&Key, &Change> = BTreeMap::new();
        for change in commits.iter().flat_map(|commit| &commit.changes) {
            states.insert(&change.key, change);
        }
        let mut portion = Portion::default();
        for (at, change) in states {
            let (store, name) = (tx.store(&at.collection)?, key(at.id.as_bytes()));
            let Some(stored) = &change.after else {
                store.delete(&name.into())?;
                continue;
            };
            let unwritable = |e: serde_json::Error| Error::Invalid { key: at.clone(), reason: e.to_string() };
            let record = Written::of(&at.collection, &at.id, stored, self.indexes(&at.collection));
            let put = if change.before.is_none() { new } else { Put::Over };
            portion.add(store, put, &name, &record.map_err(unwritable)?)?;
        }
        portion.put()?;
        Ok(portion.put)
    }
}

fn text(key: &str, value: &impl Serialize) -> Result<String, Error> {
    let unwritable =
        |e: serde_json::Error| Error::Unavailable { what: format!("the record `{key}`"), why: e.to_string() };
    written(value).map_err(unwritable)
}
