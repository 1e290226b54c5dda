//! Writing: values cross into JavaScript as one text a portion, and every put is issued without waiting for the one before.

use js_sys::{Array, JSON};
use serde::Serialize;
use wasm_bindgen::JsValue;

use super::binding::ObjectStore;
use super::faults::Stop;
use super::record::Written;
use crate::store::Error;
use crate::value::written;

/// Bytes of text that cross at once, or one value that is larger.
const PORTION: usize = 1024 * 1024;

/// Puts a value as JavaScript reads its JSON.
pub(super) fn put_json(store: &ObjectStore, key: &str, value: &impl Serialize) -> Result<(), Stop> {
    store.put(&JSON::parse(&text(key, value)?)?, &JsValue::from_str(key))?;
    Ok(())
}

/// Puts records under their keys.
pub(super) fn put_records(store: &ObjectStore, records: &[(String, Written<'_>)]) -> Result<(), Stop> {
    let mut portion = Vec::new();
    let mut size = 0;
    for (key, record) in records {
        let record = text(key, record)?;
        size += record.len();
        portion.push((key.as_str(), record));
        if size >= PORTION {
            put_portion(store, &std::mem::take(&mut portion))?;
            size = 0;
        }
    }
    put_portion(store, &portion)
}

fn put_portion(store: &ObjectStore, portion: &[(&str, String)]) -> Result<(), Stop> {
    let texts: Vec<&str> = portion.iter().map(|(_, text)| text.as_str()).collect();
    let values = Array::from(&JSON::parse(&format!("[{}]", texts.join(",")))?);
    for ((key, _), value) in portion.iter().zip(values.iter()) {
        store.put(&value, &JsValue::from_str(key))?;
    }
    Ok(())
}

fn text(key: &str, value: &impl Serialize) -> Result<String, Error> {
    let unwritable =
        |e: serde_json::Error| Error::Unavailable { what: format!("the record `{key}`"), why: e.to_string() };
    written(value).map_err(unwritable)
}
