//! Paths as the server follows them, and values as its documents hold them. The server's paths lead into lists and the store's do not, so a
//! condition is exact only if no list can be on the path.

use mongodb::bson::{Bson, DateTime};

use super::codec::{CollectionCodec, encode_value};
use super::decimal;
use super::server_time::LEDGER_TIME;
use crate::limits::{DOCUMENT_DEPTH, SAFE_INTEGER};
use crate::schema::{Collection, Kind, Presence, RESERVED};
use crate::value::Json;

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
    pub(super) fn resolve(declared: &CollectionCodec, path: &str) -> Option<Self> {
        let collection = declared.collection;
        let steps = path.split('.').count();
        let reserved = |top: &str| RESERVED.contains(&top) || declared.is_ledger() && top == LEDGER_TIME;
        let reserved = path.split('.').next().is_none_or(reserved);
        let plain = |step: &str| !step.is_empty() && !step.starts_with('$') && !step.contains('\0');
        if reserved || steps > DOCUMENT_DEPTH || !path.split('.').all(plain) {
            return None;
        }
        Some(Self {
            path: path.to_owned(),
            kind: collection.kind_of(path),
            through_objects: parents(path).all(|parent| is_object(collection, parent)),
            implied_id: declared.implied_id && path == "id",
        })
    }

    /// Whether the field holds one value of one kind, or null, or nothing. It holds no list, no object and no JSON of any kind.
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

/// Whether only an object can be at `path`: it is declared as one, or a field within it is required, which validation demands of every value
/// there.
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
        (Kind::Decimal, Json::String(text)) => decimal::encode(text).map(Bson::from),
        (Kind::Decimal, _) => None,
        (_, Json::Number(number)) => match number.as_i64() {
            Some(whole) if !exceeds_safe_integer(whole) => Some(whole.into()),
            // The server would compare the integer more exactly than the reference implementation.
            _ => number.as_f64().map(Bson::from),
        },
        _ => encode_value(Kind::Json, value),
    }
}

/// Whether neighboring integers may be equal as doubles.
fn exceeds_safe_integer(whole: i64) -> bool {
    whole.unsigned_abs() > SAFE_INTEGER.unsigned_abs()
}

/// Dates are whole milliseconds, so a bound between two of them is rounded to the one that selects the same dates.
fn round_to_millis(op: ComparisonOperator, millis: f64) -> Option<Bson> {
    let whole = match op {
        ComparisonOperator::Eq if millis.fract() != 0.0 => return None,
        ComparisonOperator::Lt | ComparisonOperator::Gte => millis.ceil(),
        ComparisonOperator::Eq | ComparisonOperator::Lte | ComparisonOperator::Gt => millis.floor(),
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole, and saturating beyond all dates")]
    Some(DateTime::from_millis(whole as i64).into())
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
