//! Questions to a store as data: one language for every backend. `store/eval.rs` is the reference for what they mean.

use serde::{Deserialize, Serialize};

use super::Direction;
use crate::time::Millis;
use crate::value::Json;

/// A condition on documents. Paths are dotted and do not reach into lists; a missing field is null; an order comparison holds only
/// between values of one kind; values of a decimal field compare by their worth. What does not match, its `Not` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Every document.
    All,
    /// Equal to the value.
    Eq(String, Json),
    /// Not equal to the value.
    Ne(String, Json),
    /// Equal to one of the values.
    In(String, Vec<Json>),
    /// Less than the value.
    Lt(String, Json),
    /// Less than or equal to the value.
    Lte(String, Json),
    /// Greater than the value.
    Gt(String, Json),
    /// Greater than or equal to the value.
    Gte(String, Json),
    /// Whether the field is there, null included.
    Exists(String, bool),
    /// The field contains the value: a list an equal element, an object all its keys with contained values, anything else is equal
    /// to it. A missing field contains nothing.
    Contains(String, Json),
    /// All words stand in the field's text (split at non-alphanumerics, lower-cased).
    Text(String, String),
    /// All of these.
    And(Vec<Filter>),
    /// One of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
}

/// One field of a sort order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sort {
    /// Dotted path.
    pub field: String,
    /// Its direction.
    pub direction: Direction,
}

/// A question for documents.
///
/// ```
/// use runstate::schema::{Collection, Direction::Descending, Query};
/// const RUNS: Collection = Collection::new("demo.runs", 1);
/// let newest = Query::of(&RUNS).eq("status", "failed").sort("started", Descending).limit(10);
/// # let _ = newest;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Name of the collection.
    pub collection: String,
    /// Which documents.
    pub filter: Filter,
    /// In which order; the id is always the last field of it, ascending.
    pub sort: Vec<Sort>,
    /// How many at the most.
    pub limit: Option<u32>,
    /// Goes on where an earlier page of the same question ended.
    pub cursor: Option<String>,
    /// Only these top-level fields; empty: all.
    pub projection: Vec<String>,
}

impl Query {
    /// All documents of `collection`, by id.
    pub fn of(collection: &super::Collection) -> Self {
        Self {
            collection: collection.name.to_owned(),
            filter: Filter::All,
            sort: Vec::new(),
            limit: None,
            cursor: None,
            projection: Vec::new(),
        }
    }

    /// Only documents that also match `filter`.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = match self.filter {
            Filter::All => filter,
            Filter::And(mut all) => {
                all.push(filter);
                Filter::And(all)
            }
            one => Filter::And(vec![one, filter]),
        };
        self
    }

    /// Only documents whose `field` equals `value`.
    pub fn eq(self, field: &str, value: impl Into<Json>) -> Self {
        self.filter(Filter::Eq(field.to_owned(), value.into()))
    }

    /// Sorted by `field` next.
    pub fn sort(mut self, field: &str, direction: Direction) -> Self {
        self.sort.push(Sort { field: field.to_owned(), direction });
        self
    }

    /// At most `n` documents.
    pub fn limit(mut self, n: u32) -> Self {
        self.limit = Some(n);
        self
    }

    /// Goes on after `cursor`.
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }
}

/// A question for numbers over documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Name of the collection.
    pub collection: String,
    /// Over which documents.
    pub filter: Filter,
    /// One row for each combination of these.
    pub group_by: Vec<Group>,
    /// Named numbers of each row.
    pub accumulators: Vec<(String, Accumulator)>,
}

/// What rows are grouped by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The value of a field.
    Field(String),
    /// The timestamp field rounded down to a multiple of the span.
    Bucket(String, Millis),
}

/// A number over the documents of a group. Values that are no numbers are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accumulator {
    /// How many documents.
    Count,
    /// How many of them match.
    CountIf(Filter),
    /// Sum of a field; exact for integers and decimals (a text without trailing zeros); 0 without values.
    Sum(String),
    /// Mean of a field, a double; null without values.
    Avg(String),
    /// Least number of a field; null without values.
    Min(String),
    /// Greatest number of a field; null without values.
    Max(String),
    /// Percentile 0–100 of a field by nearest rank, `ceil(p · n / 100)` of `n` values, the least for 0; null without values.
    Percentile(String, f64),
}
