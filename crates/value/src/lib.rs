//! Plain values: the JSON trees of documents, inputs and answers, with the operations that do not depend on their
//! meaning: JSON text, canonical text, deserialization, order, paths, differences, bounds, letter case and words.
//!
//! Plain values have a total order: null, booleans, numbers, texts (by bytes), lists, objects. A missing value counts
//! as null. Index keys (`schema/keys.rs`) have the same order.

mod bounds;
mod date;
mod deserializer;
mod double;
mod json;
pub mod limits;
mod path;
mod sorted_map;
mod text;
pub mod time;

use std::cmp::Ordering;

pub use bounds::{JsonSize, ValueError, check_integers, check_plain, check_storable, json_bytes, memory_bytes};
pub use deserializer::{DeserializeError, deserialize_some, from_document, from_value};
pub use double::{exact_digits, fixed_text, parse_double, shortest_digits};
pub use json::{
    JsonError, canonical_json, json_text, number_text, ordered_json, parse, parse_bytes, parse_javascript,
    to_json_string, write_canonical_json,
};
pub use path::{Difference, FieldPath, Segment, difference, get, is_identical, structured_difference};
pub use sorted_map::{SortedMap, SortedSet, collect_btree_map, collect_document, sort_by};
pub use strsim::levenshtein;
pub use text::{lower_case, single_upper_case, single_upper_cases, upper_case, words};

/// The checksum of records in a page: CRC-32 (ISO 3309). `crc32fast`, which checks files, is several times faster, but
/// its tables cost each page 16 KB.
pub static CRC_32: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// A plain value.
pub type Json = serde_json::Value;

/// A document: plain values by name. Comparisons, fingerprints and hashes do not depend on the order of its keys;
/// copies keep it.
pub type Document = serde_json::Map<String, Json>;

/// Compares two values. Numbers compare by value: `1` equals `1.0`.
///
/// ```
/// use runstate_value::compare;
/// use serde_json::json;
/// assert!(compare(&json!(null), &json!(false)).is_lt());
/// assert!(compare(&json!(2), &json!(10.5)).is_lt());
/// assert!(compare(&json!(10), &json!("1")).is_lt());
/// ```
pub fn compare(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => compare_numbers(a, b),
        (Json::String(a), Json::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Json::Array(a), Json::Array(b)) => {
            a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|o| o.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Json::Object(a), Json::Object(b)) => {
            let (mut a, mut b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
            sort_by(&mut a, |(a, _), (b, _)| a.cmp(b));
            sort_by(&mut b, |(a, _), (b, _)| a.cmp(b));
            a.iter()
                .zip(&b)
                .map(|((ka, va), (kb, vb))| ka.cmp(kb).then_with(|| compare(va, vb)))
                .find(|o| o.is_ne())
                .unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Returns whether two values compare equal (`1` and `1.0` do).
pub fn is_equal(a: &Json, b: &Json) -> bool {
    compare(a, b).is_eq()
}

fn rank(value: &Json) -> u8 {
    match value {
        Json::Null => 0,
        Json::Bool(_) => 1,
        Json::Number(_) => 2,
        Json::String(_) => 3,
        Json::Array(_) => 4,
        Json::Object(_) => 5,
    }
}

fn compare_numbers(a: &serde_json::Number, b: &serde_json::Number) -> Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        // Documents hold integers only within ±2^53, where doubles are exact.
        _ => a.as_f64().unwrap_or(0.0).partial_cmp(&b.as_f64().unwrap_or(0.0)).unwrap_or(Ordering::Equal),
    }
}
