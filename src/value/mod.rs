//! Plain values: the JSON trees of documents, inputs and answers, with the operations that need no knowledge of their meaning:
//! canonical text, order, paths, differences, bounds.

mod big_uint;
mod bounds;
mod canonical;
mod case;
mod crc;
mod deserializer;
mod diff;
mod double;
mod json;
mod order;
mod path;
mod present;
mod sort;
mod sorted_map;
mod words;

pub use bounds::{ValueError, check_plain, check_storable};
pub use bounds::{json_bytes, memory_bytes};
pub use canonical::{canonical_json, number_text, write_canonical_json};
pub use case::{lower_case, upper_case};
pub use crc::Crc32;
pub use deserializer::{DeserializeError, from_document, from_value};
pub use diff::{Difference, difference};
pub use double::{exact_digits, parse_double, shortest_digits};
pub use json::{JsonError, json_text, parse, parse_bytes, to_json_string};
pub use order::{compare, is_equal};
pub use path::{FieldPath, Segment, get};
pub use present::deserialize_some;
pub use sort::sort_by;
pub use sorted_map::{SortedMap, SortedSet, collect_btree_map};
pub use words::edit_distance;
pub use words::words;

/// A plain value.
pub type Json = serde_json::Value;

/// A document: plain values by name. The order of its keys has no meaning.
pub type Document = serde_json::Map<String, Json>;
