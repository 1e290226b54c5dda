//! The reference interpreter of the query language (`schema/query.rs`): what a filter, an order, a cursor, an aggregate mean.
//! A backend pushes down only what gives equal answers; what it does not push down it asks here.

mod aggregate;
mod filter;
mod order;

use super::Error;
use crate::schema::Collection;
use crate::value::Document;

pub use aggregate::{Aggregation, aggregate};
pub use filter::matches;
pub use order::{Cursor, SortKey};

/// The document with only the `fields` asked for; no field asked for: the whole.
pub fn project(document: &Document, fields: &[String]) -> Document {
    if fields.is_empty() {
        return document.clone();
    }
    let kept = fields.iter().filter_map(|name| document.get_key_value(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn invalid(collection: &Collection, reason: impl Into<String>) -> Error {
    Error::InvalidQuery { collection: collection.name.to_owned(), reason: reason.into() }
}
