//! Queries as data: one query language for every backend. `store/eval/` is the reference for its meaning. Partial
//! indexes and retention have conditions with constants only, which every backend can express.

use runstate_value::time::Millis;
use runstate_value::{Document, Json, get, is_equal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Direction, Field, Violation};
use crate::limits::{MAX_PAGE_ROWS, PAGE_DAMAGED, PAGE_ROWS};

/// A condition on documents. Paths are dotted and do not reach into lists. A missing field is null. An order comparison
/// holds only between values of one kind. Values of a decimal field are compared as numbers. `Not` matches exactly the
/// documents that its condition does not match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether the field exists, null included.
    Exists(String, bool),
    /// The field contains the value. A list contains an equal element. An object contains all its keys with contained
    /// values. Anything else is equal to it. A missing field contains nothing.
    Contains(String, Json),
    /// All words occur in the field's text (split at non-alphanumerics, lower-cased).
    Text(String, String),
    /// All of these.
    And(Vec<Filter>),
    /// At least one of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
}

impl Filter {
    /// This condition and another one.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one,
            (Self::And(mut all), one) => {
                all.push(one);
                Self::And(all)
            }
            (one, other) => Self::And(vec![one, other]),
        }
    }

    /// The paths of all fields that the condition names.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::All => Vec::new(),
            Self::Eq(field, _) | Self::Ne(field, _) | Self::In(field, _) | Self::Exists(field, _) => vec![field],
            Self::Lt(field, _) | Self::Lte(field, _) | Self::Gt(field, _) | Self::Gte(field, _) => vec![field],
            Self::Contains(field, _) | Self::Text(field, _) => vec![field],
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::fields).collect(),
            Self::Not(one) => one.fields(),
        }
    }
}

/// One field of a sort order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sort {
    /// Dotted path.
    pub field: String,
    /// Its direction.
    pub direction: Direction,
}

/// The required freshness of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The read sees every commit that was acknowledged before the read began.
    Linearizable,
    /// The read sees at least the state that the commits and linearizable reads of this store object saw (session
    /// consistency). It may miss recent commits of other processes. It suits decisions, because their commit checks the
    /// revisions, and reads that follow a linearizable one.
    Session,
}

/// A query for documents.
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
    /// The condition.
    pub filter: Filter,
    /// The sort order. The id, ascending, is always its last field.
    pub sort: Vec<Sort>,
    /// Largest number of documents.
    pub limit: Option<u32>,
    /// The cursor of an earlier page of the same query. The result continues after that page.
    pub cursor: Option<String>,
    /// The top-level fields to return; empty: all.
    pub projection: Vec<String>,
    /// Whether documents that cannot be read are returned too, each by its id alone and beyond the limit
    /// ([`Page::damaged`]). Otherwise one of them fails the query.
    #[serde(default)]
    pub unreadable: bool,
}

impl Query {
    /// Queries all documents of `collection`, by id.
    pub fn of(collection: &super::Collection) -> Self {
        Self {
            collection: collection.name.to_owned(),
            filter: Filter::All,
            sort: Vec::new(),
            limit: None,
            cursor: None,
            projection: Vec::new(),
            unreadable: false,
        }
    }

    /// Restricts the query to documents that also match `filter`.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = self.filter.and(filter);
        self
    }

    /// Restricts the query to documents whose `field` equals `value`.
    pub fn eq(self, field: &str, value: impl Into<Json>) -> Self {
        self.filter(Filter::Eq(field.to_owned(), value.into()))
    }

    /// Adds `field` to the sort order.
    pub fn sort(mut self, field: &str, direction: Direction) -> Self {
        self.sort.push(Sort { field: field.to_owned(), direction });
        self
    }

    /// Limits the result to `n` documents.
    pub fn limit(mut self, n: u32) -> Self {
        self.limit = Some(n);
        self
    }

    /// Restricts the query to the page after `cursor`, of `limit` documents; by default [`PAGE_ROWS`], and never more
    /// than [`MAX_PAGE_ROWS`]. A document that cannot be read hides no other one ([`Page::damaged`]).
    pub fn page(self, limit: Option<u32>, cursor: Option<&String>) -> Self {
        self.limit(page_rows(limit)).after(cursor.cloned()).with_unreadable()
    }

    /// Returns documents that cannot be read too, each by its id alone.
    pub fn with_unreadable(mut self) -> Self {
        self.unreadable = true;
        self
    }

    /// Returns only these fields; none: all.
    pub fn project(mut self, fields: &[Field]) -> Self {
        for field in fields {
            let name = field.name.split('.').next().unwrap_or(field.name);
            if !self.projection.iter().any(|known| known == name) {
                self.projection.push(name.to_owned());
            }
        }
        self
    }

    /// Continues after `cursor`.
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }
}

/// The number of rows in a page for which the caller requests `limit`.
pub fn page_rows(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE_ROWS).min(MAX_PAGE_ROWS)
}

/// One page of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The items, in the order of the query.
    pub items: Vec<T>,
    /// Documents that cannot be read, which `items` lacks; missing: none. A server's store cannot place them: such a
    /// document may be on several pages, and need not match all filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<DamagedDocument>,
    /// Whether more documents cannot be read than `damaged` has; missing: no. A verification finds all of them.
    #[serde(default, rename = "moreDamaged", skip_serializing_if = "std::ops::Not::not")]
    pub more_damaged: bool,
    /// The cursor of the next page; missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self::new(Vec::new(), None)
    }
}

impl<T> Page<T> {
    /// A page of which every document could be read.
    pub fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, damaged: Vec::new(), more_damaged: false, next }
    }

    /// Adds a document that cannot be read. After [`PAGE_DAMAGED`] of them the page has only that there are more.
    pub fn add_damaged(&mut self, document: DamagedDocument) {
        self.more_damaged |= self.damaged.len() >= PAGE_DAMAGED;
        if !self.more_damaged {
            self.damaged.push(document);
        }
    }

    /// The page with other items in the place of these.
    pub fn map_items<U>(self, map: impl FnOnce(Vec<T>) -> Vec<U>) -> Page<U> {
        let Self { items, damaged, more_damaged, next } = self;
        Page { items: map(items), damaged, more_damaged, next }
    }

    /// The page with each item converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        self.map_items(|items| items.into_iter().map(convert).collect())
    }
}

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamagedDocument {
    /// Its id.
    pub id: String,
    /// Whether it is damaged, or its key is missing.
    pub code: DamageCode,
    /// Why it cannot be read.
    pub reason: String,
}

/// The code of a document that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DamageCode {
    /// It was changed from outside, or a newer version wrote it.
    Corrupt,
    /// One of its values is encrypted under a key that was not given.
    KeyMissing,
}

impl DamagedDocument {
    /// The document with this id, which breaks a rule of its declaration.
    #[cold]
    pub fn new(id: String, violation: &Violation) -> Self {
        let code = if violation.is_sealed() { DamageCode::KeyMissing } else { DamageCode::Corrupt };
        Self { id, code, reason: violation.to_string() }
    }
}

/// A query for numbers over documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Name of the collection.
    pub collection: String,
    /// The condition on documents.
    pub filter: Filter,
    /// One row for each combination of these keys.
    pub group_by: Vec<Group>,
    /// The named numbers of each row.
    pub accumulators: Vec<(String, Accumulator)>,
}

impl Aggregate {
    /// These numbers over the documents of a collection that match, in one row.
    pub fn of<N: Into<String>>(
        collection: &super::Collection,
        filter: Filter,
        numbers: impl IntoIterator<Item = (N, Accumulator)>,
    ) -> Self {
        let accumulators = numbers.into_iter().map(|(name, number)| (name.into(), number)).collect();
        Self { collection: collection.name.to_owned(), filter, group_by: Vec::new(), accumulators }
    }

    /// Adds fields by whose values the rows are grouped.
    pub fn by<'a>(mut self, fields: impl IntoIterator<Item = &'a str>) -> Self {
        self.group_by.extend(fields.into_iter().map(|field| Group::Field(field.to_owned())));
        self
    }
}

/// A key by which rows are grouped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The value of a field.
    Field(String),
    /// The timestamp field rounded down to a multiple of the duration.
    Bucket(String, Millis),
}

/// A number over the documents of a group. Values that are not numbers are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accumulator {
    /// Number of documents.
    Count,
    /// Number of documents that match.
    CountIf(Filter),
    /// Sum of a field; exact for integers and decimals (a text without trailing zeros); 0 without values.
    Sum(String),
    /// Mean of a field, a double; null without values.
    Avg(String),
    /// Least number of a field; null without values.
    Min(String),
    /// Greatest number of a field; null without values.
    Max(String),
    /// Percentile 0–100 of a field by nearest rank, `ceil(p · n / 100)` of `n` values, the least for 0; null without
    /// values.
    Percentile(String, f64),
}

/// A constant in a declaration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(&'static str),
    /// The empty list.
    EmptyList,
    /// The empty object.
    EmptyObject,
}

impl Literal {
    /// As a plain value.
    pub fn to_json(self) -> Json {
        match self {
            Literal::Null => Json::Null,
            Literal::Bool(b) => b.into(),
            Literal::Int(i) => i.into(),
            Literal::Text(t) => t.into(),
            Literal::EmptyList => Json::Array(Vec::new()),
            Literal::EmptyObject => Json::Object(Document::new()),
        }
    }
}

/// A condition on one document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Predicate {
    /// The field exists, null included.
    Exists(&'static str),
    /// The field does not exist.
    Missing(&'static str),
    /// The field has this value. A missing field counts as null.
    Eq(&'static str, Literal),
    /// The field has one of these values.
    In(&'static str, &'static [Literal]),
    /// All of these hold.
    All(&'static [Predicate]),
    /// At least one of these holds.
    Any(&'static [Predicate]),
}

impl Predicate {
    /// Whether it holds for `document`.
    pub fn holds(&self, document: &Document) -> bool {
        let equals =
            |path, constant: &Literal| is_equal(get(document, path).unwrap_or(&Json::Null), &constant.to_json());
        match self {
            Predicate::Exists(path) => get(document, path).is_some(),
            Predicate::Missing(path) => get(document, path).is_none(),
            Predicate::Eq(path, constant) => equals(path, constant),
            Predicate::In(path, constants) => constants.iter().any(|c| equals(path, c)),
            Predicate::All(all) => all.iter().all(|p| p.holds(document)),
            Predicate::Any(any) => any.iter().any(|p| p.holds(document)),
        }
    }

    /// The same condition as the filter of a query.
    pub fn filter(&self) -> Filter {
        let all = |inner: &[Predicate]| inner.iter().map(Predicate::filter).collect();
        match self {
            Predicate::Exists(path) => Filter::Exists((*path).to_owned(), true),
            Predicate::Missing(path) => Filter::Exists((*path).to_owned(), false),
            Predicate::Eq(path, constant) => Filter::Eq((*path).to_owned(), constant.to_json()),
            Predicate::In(path, constants) => {
                Filter::In((*path).to_owned(), constants.iter().map(|constant| constant.to_json()).collect())
            }
            Predicate::All(inner) => Filter::And(all(inner)),
            Predicate::Any(inner) => Filter::Or(all(inner)),
        }
    }

    /// Whether it tests for a missing field.
    pub fn uses_missing(&self) -> bool {
        match self {
            Predicate::Missing(_) => true,
            Predicate::Exists(_) | Predicate::Eq(..) | Predicate::In(..) => false,
            Predicate::All(inner) | Predicate::Any(inner) => inner.iter().any(Predicate::uses_missing),
        }
    }

    /// The paths it reads.
    pub fn paths(&self) -> Vec<&'static str> {
        match self {
            Predicate::Exists(path) | Predicate::Missing(path) | Predicate::Eq(path, _) | Predicate::In(path, _) => {
                vec![path]
            }
            Predicate::All(inner) | Predicate::Any(inner) => inner.iter().flat_map(Predicate::paths).collect(),
        }
    }
}
