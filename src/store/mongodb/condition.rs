//! Conditions for the server: which documents it returns for a filter, and whether these are exactly the matches.
//! Paths are as the server follows them, and values as its documents hold them. The server's paths lead into lists and
//! the store's do not, so a condition is exact only if no list can be on the path.

use mongodb::bson::{Bson, DateTime, Document as Doc, doc};

use super::codec::{CollectionCodec, encode_value, parse_decimal128};
use super::sweep::LEDGER_TIME;
use crate::limits::{DOCUMENT_DEPTH, SAFE_INTEGER};
use crate::schema::{Collection, Kind, Presence, RESERVED};
use crate::value::Json;

/// The documents that the server returns.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// All documents.
    Every,
    /// No document: nothing can match, so nothing is read.
    Never,
    /// Documents that match a filter in the server's language.
    Matching(Doc),
}

impl Condition {
    /// The condition as a MongoDB filter.
    pub(super) fn filter(self) -> Doc {
        match self {
            Condition::Every => Doc::new(),
            // The planner knows that an empty `$in` matches nothing, and reads nothing.
            Condition::Never => doc! {"_id": {"$in": []}},
            Condition::Matching(filter) => filter,
        }
    }

    /// Documents that satisfy every part.
    pub(super) fn all(parts: impl IntoIterator<Item = Condition>) -> Self {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Condition::Every => {}
                Condition::Never => return Condition::Never,
                Condition::Matching(filter) => conditions.push(filter),
            }
        }
        join("$and", conditions, Condition::Every)
    }

    /// Documents that satisfy at least one part.
    pub(super) fn any(parts: impl IntoIterator<Item = Condition>) -> Self {
        let mut conditions = Vec::new();
        for part in parts {
            match part {
                Condition::Every => return Condition::Every,
                Condition::Never => {}
                Condition::Matching(filter) => conditions.push(filter),
            }
        }
        join("$or", conditions, Condition::Never)
    }
}

fn join(word: &str, mut conditions: Vec<Doc>, of_none: Condition) -> Condition {
    match conditions.len() {
        0 => of_none,
        1 => conditions.pop().map_or(of_none, Condition::Matching),
        _ => Condition::Matching(doc! {word: conditions.into_iter().map(Bson::from).collect::<Vec<_>>()}),
    }
}

/// A condition that holds at least for the documents that a filter matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerCondition {
    /// The condition for the server.
    pub(super) condition: Condition,
    /// Whether it holds for no other documents. Only then can it be negated, and its matches be counted.
    pub(super) exact: bool,
}

impl ServerCondition {
    /// For a filter that the server's language cannot express: every document.
    pub(super) const UNTRANSLATABLE: ServerCondition = ServerCondition { condition: Condition::Every, exact: false };

    /// For a filter that matches nothing.
    pub(super) const NEVER: ServerCondition = ServerCondition { condition: Condition::Never, exact: true };

    pub(super) fn new(filter: Doc, exact: bool) -> Self {
        Self { condition: Condition::Matching(filter), exact }
    }

    pub(super) fn every() -> Self {
        Self { condition: Condition::Every, exact: true }
    }

    /// Documents that satisfy every part.
    pub(super) fn all(parts: Vec<ServerCondition>) -> Self {
        let exact = parts.iter().all(|part| part.exact);
        let condition = Condition::all(parts.into_iter().map(|part| part.condition));
        // If a superset of the matches is empty, nothing matches.
        Self { exact: exact || condition == Condition::Never, condition }
    }

    /// Documents that satisfy at least one part.
    pub(super) fn any(parts: Vec<ServerCondition>) -> Self {
        let exact = parts.iter().all(|part| part.exact);
        Self { exact, condition: Condition::any(parts.into_iter().map(|part| part.condition)) }
    }

    /// The negation. It is known only if the condition is exact.
    pub(super) fn not(self) -> Self {
        if !self.exact {
            return Self::UNTRANSLATABLE;
        }
        match self.condition {
            Condition::Every => Self::NEVER,
            Condition::Never => Self::every(),
            Condition::Matching(filter) => Self::new(doc! {"$nor": [filter]}, true),
        }
    }
}

/// The path of a field on the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerPath {
    /// The dotted path.
    pub(super) path: String,
    /// The declared kind; undeclared fields are JSON.
    pub(super) kind: Kind,
    /// Whether every field that the path leads through is an object or missing.
    pub(super) through_objects: bool,
    /// Whether documents may leave the field out, because it equals `_id`.
    pub(super) implied_id: bool,
}

impl ServerPath {
    /// `None` if the server would read the path differently (a reserved field, an empty step, a `$`), or cannot read it.
    pub(super) fn resolve(codec: &CollectionCodec, path: &str) -> Option<Self> {
        let collection = codec.collection;
        let steps = path.split('.').count();
        let is_reserved = |top: &str| RESERVED.contains(&top) || codec.is_ledger() && top == LEDGER_TIME;
        let reserved = path.split('.').next().is_none_or(is_reserved);
        let is_addressable = |step: &str| !step.is_empty() && !step.starts_with('$') && !step.contains('\0');
        if reserved || steps > DOCUMENT_DEPTH || !path.split('.').all(is_addressable) {
            return None;
        }
        Some(Self {
            path: path.to_owned(),
            kind: collection.kind_of(path),
            through_objects: parents(path).all(|parent| is_object(collection, parent)),
            implied_id: codec.implied_id && path == "id",
        })
    }

    /// Whether the field holds a value of one scalar kind, null, or nothing: no list, no object and no arbitrary JSON.
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self.kind, Kind::Json | Kind::List | Kind::Object)
    }

    /// Whether the server compares values of this field as the reference implementation does.
    pub(super) fn is_comparable(&self) -> bool {
        self.is_scalar() && self.through_objects
    }
}

/// The paths of the fields that a path leads through.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(dot, _)| &path[..dot])
}

/// The paths at which a list may be: those that `path` leads through, and `path` itself.
pub(super) fn possible_list_paths<'a>(collection: &'a Collection, path: &'a str) -> impl Iterator<Item = &'a str> {
    let itself = matches!(collection.kind_of(path), Kind::Json | Kind::List).then_some(path);
    parents(path).filter(|parent| !is_object(collection, parent)).chain(itself)
}

/// Whether only an object can be at `path`: it is declared as one, or a field within it is required. Validation rejects any other value then.
fn is_object(collection: &Collection, path: &str) -> bool {
    let requires = |name: &str, presence| {
        presence == Presence::Required && name.rsplit_once('.').is_some_and(|(parent, _)| parent == path)
    };
    collection.kind_of(path) == Kind::Object
        || collection.fields.iter().any(|field| requires(field.name, field.presence))
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ComparisonOperator {
    Eq,
    Lt,
    Lte,
    Gt,
    Gte,
}

impl ComparisonOperator {
    /// The operator in the server's language.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            ComparisonOperator::Eq => "$eq",
            ComparisonOperator::Lt => "$lt",
            ComparisonOperator::Lte => "$lte",
            ComparisonOperator::Gt => "$gt",
            ComparisonOperator::Gte => "$gte",
        }
    }
}

/// Encodes a scalar that is not null for a comparison with fields of `kind`. `None` if it compares with no value there.
pub(super) fn comparison_value(kind: Kind, op: ComparisonOperator, value: &Json) -> Option<Bson> {
    match (kind, value) {
        (Kind::Timestamp, Json::Number(number)) => match number.as_i64() {
            Some(millis) => Some(DateTime::from_millis(millis).into()),
            None => round_to_millis(op, number.as_f64()?),
        },
        (Kind::Timestamp, _) => None,
        (Kind::Decimal, Json::String(text)) => parse_decimal128(text).map(Bson::from),
        (Kind::Decimal, _) => None,
        (_, Json::Number(number)) => match number.as_i64() {
            Some(integer) if !exceeds_safe_integer(integer) => Some(integer.into()),
            // The server would compare the integer more exactly than the reference implementation.
            _ => number.as_f64().map(Bson::from),
        },
        _ => encode_value(Kind::Json, value),
    }
}

/// Whether neighboring integers may be equal as doubles.
fn exceeds_safe_integer(integer: i64) -> bool {
    integer.unsigned_abs() > SAFE_INTEGER.unsigned_abs()
}

/// Dates are whole milliseconds, so a bound between two of them is rounded to the one that selects the same dates.
fn round_to_millis(op: ComparisonOperator, millis: f64) -> Option<Bson> {
    let rounded = match op {
        ComparisonOperator::Eq if millis.fract() != 0.0 => return None,
        ComparisonOperator::Lt | ComparisonOperator::Gte => millis.ceil(),
        ComparisonOperator::Eq | ComparisonOperator::Lte | ComparisonOperator::Gt => millis.floor(),
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole, and saturating beyond all dates")]
    Some(DateTime::from_millis(rounded as i64).into())
}

/// Encodes a value of lists and scalars for a test of equality. `None` if the server's equality differs. It compares objects by the order of
/// their keys, and large integers more exactly than the reference implementation.
pub(super) fn equality_value(value: &Json) -> Option<Bson> {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Json::Object(_) => return None,
            Json::Array(items) => pending.extend(items),
            Json::Number(number) if number.as_i64().is_some_and(exceeds_safe_integer) => return None,
            _ => {}
        }
    }
    encode_value(Kind::Json, value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_value_exists_only_where_server_equality_agrees() {
        for same in [json!([1, "x", null, [true]]), json!([0.5, 9_007_199_254_740_992.0]), json!([u64::MAX])] {
            assert!(equality_value(&same).is_some(), "{same}");
        }
        for other in [json!([{"k": 1}]), json!([[9_007_199_254_740_993i64]]), json!([i64::MIN])] {
            assert_eq!(equality_value(&other), None, "{other}");
        }
    }
}
