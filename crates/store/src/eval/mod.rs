//! The reference interpreter of the query language (`schema/query.rs`): the meaning of filters, orders, cursors and
//! aggregates. A backend pushes down only what gives equal results (pushdown), and evaluates the rest here. Aggregates
//! are in `aggregate.rs`.

mod aggregate;

use std::cmp::Ordering;

use runstate_core::id::{hex, unhex};
use runstate_core::schema::{Collection, Direction, Filter, Kind, Query, Sort, keys, parse_decimal};
use runstate_value::{CRC_32, Document, Json, collect_document, compare, get, is_equal, words};

use super::StoreError;
pub use aggregate::{Aggregation, aggregate};

/// Returns the document with only the given `fields`, or the whole document if there are none.
pub fn project(document: &Document, fields: &[String]) -> Document {
    if fields.is_empty() {
        return document.clone();
    }
    let selected = fields.iter().filter_map(|name| document.get_key_value(name));
    collect_document(selected.map(|(name, value)| (name.clone(), value.clone())))
}

fn invalid(collection: &Collection, reason: impl Into<String>) -> StoreError {
    StoreError::InvalidQuery { collection: collection.name.to_owned(), reason: reason.into() }
}

/// Returns whether `document` of `collection` matches `filter`.
///
/// The logic has two values: [`Filter::Not`] matches exactly the documents that its filter does not match.
pub fn matches(collection: &Collection, filter: &Filter, document: &Document) -> bool {
    let field = |path: &str| get(document, path).unwrap_or(&Json::Null);
    let order = |path: &str, value: &Json| compare_same_kind(collection.kind_of(path), field(path), value);
    match filter {
        Filter::All => true,
        Filter::Eq(path, value) => values_equal(collection.kind_of(path), field(path), value),
        Filter::Ne(path, value) => !values_equal(collection.kind_of(path), field(path), value),
        Filter::In(path, values) => {
            let (kind, found) = (collection.kind_of(path), field(path));
            values.iter().any(|value| values_equal(kind, found, value))
        }
        Filter::Lt(path, value) => order(path, value).is_some_and(Ordering::is_lt),
        Filter::Lte(path, value) => order(path, value).is_some_and(Ordering::is_le),
        Filter::Gt(path, value) => order(path, value).is_some_and(Ordering::is_gt),
        Filter::Gte(path, value) => order(path, value).is_some_and(Ordering::is_ge),
        Filter::Exists(path, exists) => get(document, path).is_some() == *exists,
        Filter::Contains(path, value) => get(document, path).is_some_and(|found| contains(found, value)),
        Filter::Text(path, wanted) => {
            let text = field(path).as_str().unwrap_or_default();
            let found: Vec<String> = words(text).collect();
            words(wanted).all(|word| found.contains(&word))
        }
        Filter::And(all) => all.iter().all(|f| matches(collection, f, document)),
        Filter::Or(any) => any.iter().any(|f| matches(collection, f, document)),
        Filter::Not(inner) => !matches(collection, inner, document),
    }
}

/// Compares by value. In a decimal field `1.50` and `1.5` are equal; other texts compare byte by byte.
fn values_equal(kind: Kind, a: &Json, b: &Json) -> bool {
    match compare_decimals(kind, a, b) {
        Some(order) => order.is_eq(),
        None => is_equal(a, b),
    }
}

/// Compares two values of one kind. `None`: their kinds differ.
fn compare_same_kind(kind: Kind, a: &Json, b: &Json) -> Option<Ordering> {
    let one_kind = match (a, b) {
        (Json::Null, Json::Null)
        | (Json::Bool(_), Json::Bool(_))
        | (Json::Number(_), Json::Number(_))
        | (Json::Array(_), Json::Array(_))
        | (Json::Object(_), Json::Object(_)) => true,
        // In a decimal field, a text that is not a number is of another kind than one that is.
        (Json::String(a), Json::String(b)) => {
            kind != Kind::Decimal || parse_decimal(a).is_some() == parse_decimal(b).is_some()
        }
        _ => false,
    };
    one_kind.then(|| compare_decimals(kind, a, b).unwrap_or_else(|| compare(a, b)))
}

fn compare_decimals(kind: Kind, a: &Json, b: &Json) -> Option<Ordering> {
    let (Kind::Decimal, Json::String(a), Json::String(b)) = (kind, a, b) else { return None };
    Some(parse_decimal(a)?.cmp(&parse_decimal(b)?))
}

fn contains(found: &Json, wanted: &Json) -> bool {
    match (found, wanted) {
        (Json::Array(items), wanted) => items.iter().any(|item| is_equal(item, wanted)),
        (Json::Object(found), Json::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| contains(found, wanted)))
        }
        (found, wanted) => is_equal(found, wanted),
    }
}

/// The values by which a document is sorted, as order-preserving bytes (`schema/keys.rs`), one entry per field of the
/// order. A missing field is null. Sort keys compare as index entries do, so an index and a sort of results always
/// agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey(Vec<Vec<u8>>);

impl SortKey {
    /// Creates the sort key of `document`.
    pub fn new(collection: &Collection, sort: &[Sort], document: &Document) -> Self {
        let field = |sort: &Sort| {
            let value = get(document, &sort.field).unwrap_or(&Json::Null);
            keys::encode_field(collection.kind_of(&sort.field), value, sort.direction)
        };
        Self(sort.iter().map(field).collect())
    }

    /// Returns the bytes of each field.
    pub fn fields(&self) -> &[Vec<u8>] {
        &self.0
    }
}

/// The position of one row in an order: its sort key and id (keyset pagination). Writes between two pages do not
/// invalidate it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The sort key of the row.
    pub key: SortKey,
    /// The id of the row.
    pub id: String,
}

impl Cursor {
    /// Encodes the cursor as opaque text: the checksum of the order of `query` and the fields in hexadecimal, each
    /// followed by a dot, then a colon and the id.
    pub fn to_text(&self, query: &Query) -> String {
        let fields: String = self.key.0.iter().map(|field| hex(field) + ".").collect();
        format!("{}.{fields}:{}", hex(&order_checksum(query)), self.id)
    }

    /// Returns the cursor of `query`, if it has one.
    ///
    /// [`StoreError::InvalidQuery`]: the text is not a cursor, or is one of another order.
    pub fn from_query(collection: &Collection, query: &Query) -> Result<Option<Self>, StoreError> {
        let Some(text) = &query.cursor else { return Ok(None) };
        let wrong = || {
            invalid(collection, "the cursor is not one of this query; use `next` of an earlier page of the same query")
        };
        Self::parse(text, query).map(Some).ok_or_else(wrong)
    }

    fn parse(text: &str, query: &Query) -> Option<Self> {
        let (fields, id) = text.split_once(':')?;
        let mut fields = fields.split_terminator('.').map(unhex);
        let is_same_order = fields.next()?? == order_checksum(query);
        let key = SortKey(fields.collect::<Option<_>>()?);
        (is_same_order && key.0.len() == query.sort.len()).then(|| Self { key, id: id.to_owned() })
    }
}

/// Identifies the collection and the order of a query: its cursors mean nothing in another.
fn order_checksum(query: &Query) -> Vec<u8> {
    let mut checksum = CRC_32.digest();
    checksum.update(query.collection.as_bytes());
    for Sort { field, direction } in &query.sort {
        checksum.update(if *direction == Direction::Ascending { b"\0+" } else { b"\0-" });
        checksum.update(field.as_bytes());
    }
    checksum.finalize().to_be_bytes().to_vec()
}

#[cfg(test)]
mod filter_tests {
    use runstate_core::schema::Field;
    use serde_json::json;

    use super::*;

    const C: Collection = Collection::new("t.t", 1).fields(&[Field::decimal("money").optional()]);

    fn finds(filter: Filter, document: Json) -> bool {
        matches(&C, &filter, document.as_object().unwrap())
    }

    #[test]
    fn a_missing_field_is_null_and_kinds_do_not_mix() {
        let a = || "a".to_owned();
        assert!(finds(Filter::Eq(a(), Json::Null), json!({})));
        assert!(!finds(Filter::Exists(a(), true), json!({})));
        assert!(finds(Filter::Exists(a(), true), json!({"a": null})));
        assert!(!finds(Filter::Lt(a(), json!(1)), json!({})));
        assert!(!finds(Filter::Lt(a(), json!("1")), json!({"a": 0})));
        assert!(finds(Filter::Lte(a(), json!(1.0)), json!({"a": 1})));
        assert!(finds(Filter::Ne(a(), json!(1)), json!({})));
    }

    #[test]
    fn decimals_are_numbers_only_where_they_are_declared() {
        assert!(finds(Filter::Eq("money".into(), json!("1.50")), json!({"money": "1.5"})));
        assert!(finds(Filter::Lt("money".into(), json!("10")), json!({"money": "9"})));
        assert!(!finds(Filter::Lt("other".into(), json!("10")), json!({"other": "9"})));
    }

    #[test]
    fn containment_reaches_into_lists_and_objects() {
        let holds = |found: Json, wanted: Json| finds(Filter::Contains("a".into(), wanted), json!({"a": found}));
        assert!(holds(json!(["x", {"y": 1}]), json!({"y": 1.0})));
        assert!(!holds(json!([{"y": 1, "z": 2}]), json!({"y": 1})), "an element is compared whole");
        assert!(holds(json!({"y": {"z": [1, 2]}, "w": 0}), json!({"y": {"z": 2}})));
        assert!(!finds(Filter::Contains("a".into(), Json::Null), json!({})), "a missing field contains nothing");
    }

    #[test]
    fn words_are_found_whole_in_any_case_and_order() {
        let holds = |text: &str| finds(Filter::Text("a".into(), text.into()), json!({"a": "Émile's re-run, No 7"}));
        assert!(holds("RUN émile"));
        assert!(holds("7 s"));
        assert!(holds("  -- "), "a text without words matches every document");
        assert!(!holds("emile"));
        assert!(!holds("ru"));
    }
}

#[cfg(test)]
mod cursor_tests {
    use super::*;

    const C: Collection = Collection::new("t.t", 1);

    #[test]
    fn a_cursor_round_trips_through_its_text() {
        for (fields, id) in [(vec![], "a:b.c"), (vec![vec![]], "x"), (vec![vec![0, 255], vec![16]], "🦀")] {
            let mut query = Query::of(&C);
            for n in 0..fields.len() {
                query = query.sort(&format!("f{n}"), Direction::Ascending);
            }
            let cursor = Cursor { key: SortKey(fields), id: id.to_owned() };
            let text = cursor.to_text(&query);
            assert_eq!(Cursor::parse(&text, &query), Some(cursor));
            // One of another collection, or of another order.
            let collection = Query { collection: "t.u".to_owned(), ..query.clone() };
            let direction = query.clone().sort("g", Direction::Descending);
            assert_eq!([collection, direction].map(|other| Cursor::parse(&text, &other)), [None, None]);
        }
        for bad in ["", "x", "0:a", "zz.:a", "é.:a"] {
            assert_eq!(Cursor::parse(bad, &Query::of(&C)), None, "{bad}");
        }
    }
}
