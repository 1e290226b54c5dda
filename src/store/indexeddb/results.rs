//! From what the browser answers to documents. All that one round of requests brought crosses into WebAssembly as one text: that is several
//! times faster than member by member.

use std::sync::Arc;

use js_sys::Array;
use serde_json::Value as Json;
use wasm_bindgen::JsValue;

use super::binding::stringify;
use super::record::{READ, Record};
use crate::store::Stored;
use crate::value::{parse, read};

/// A document, or what is wrong with its record.
pub(super) type Opened = Result<(Arc<str>, Stored), String>;

/// Lists of records as documents; `collections` names the collection of each list.
pub(super) fn opened(lists: &Array, collections: &[&str]) -> Vec<Vec<Opened>> {
    let text = stringify(lists, &members()).ok().and_then(|text| text.as_string());
    let all = text.as_deref().and_then(|text| parse(text).ok()).unwrap_or_default();
    match read::<Vec<Vec<Record<'_>>>>(&all).ok() {
        Some(lists) => {
            let lists = lists.into_iter().zip(collections);
            lists.map(|(list, collection)| list.into_iter().map(|record| record.open(collection)).collect()).collect()
        }
        // One of them is no record: they are looked at one by one.
        None => {
            let lists = lists.iter().zip(collections);
            let each = |(list, collection): (JsValue, &&str)| {
                Array::from(&list).iter().map(|record| opened_alone(&record, collection)).collect()
            };
            lists.map(each).collect()
        }
    }
}

/// The document of one record.
pub(super) fn opened_alone(record: &JsValue, collection: &str) -> Opened {
    let text = stringify(record, &members()).ok().and_then(|text| text.as_string());
    let text = text.ok_or_else(|| "it holds what is no JSON".to_owned())?;
    let record = parse(&text).map_err(|e| e.to_string())?;
    let record: Record<'_> = read(&record).map_err(|e| format!("it is no record of a document: {e}"))?;
    record.open(collection)
}

fn members() -> Array {
    READ.iter().map(|name| JsValue::from_str(name)).collect()
}

/// A value as JSON; null where it is none.
pub(super) fn json(value: &JsValue) -> Json {
    let text = stringify(value, &JsValue::UNDEFINED).ok().and_then(|text| text.as_string());
    text.and_then(|text| parse(&text).ok()).unwrap_or_default()
}
