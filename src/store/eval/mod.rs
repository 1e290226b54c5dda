//! The reference interpreter of the query language (`schema/query.rs`): the meaning of filters, orders, cursors and aggregates. A
//! backend pushes down only what gives equal results (pushdown), and evaluates the rest here.

mod aggregate;
mod filter;
mod order;

use super::StoreError;
use crate::schema::Collection;
use crate::value::Document;

pub use aggregate::{Aggregation, aggregate};
pub use filter::matches;
pub use order::{Cursor, SortKey};

/// Returns the document with only the given `fields`, or the whole document if there are none.
pub fn project(document: &Document, fields: &[String]) -> Document {
    if fields.is_empty() {
        return document.clone();
    }
    let kept = fields.iter().filter_map(|name| document.get_key_value(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn invalid(collection: &Collection, reason: impl Into<String>) -> StoreError {
    StoreError::InvalidQuery { collection: collection.name.to_owned(), reason: reason.into() }
}
