//! Plain values: the trees of JSON that documents, inputs and answers are made of, and what can be said of them without
//! knowing what they mean: canonical text, order, paths, differences, bounds.

mod big;
mod bounds;
mod canonical;
mod case;
mod crc;
mod diff;
mod distance;
mod double;
mod few;
mod order;
mod path;
mod present;
mod read;
mod size;
mod sorted;
mod text;
mod words;

pub use bounds::{Excess, check_plain, check_storable};
pub use canonical::{canonical, canonical_into, number_text};
pub use case::{lower_case, upper_case};
pub use crc::Crc32;
pub use diff::{Difference, difference};
pub use distance::edit_distance;
pub use double::{double, exact_digits, shortest_digits};
pub use few::{Few, FewOf, tree};
pub use order::{compare, same};
pub use path::{Path, Segment, get};
pub use present::present;
pub use read::{Unfit, read, read_document};
pub use size::{json_bytes, memory_bytes};
pub use sorted::sort_by;
pub use text::{Malformed, json_text, parse, parse_bytes, written};
pub use words::words;

/// A plain value.
pub type Json = serde_json::Value;

/// A document: named plain values. The order of its keys says nothing.
pub type Document = serde_json::Map<String, Json>;
