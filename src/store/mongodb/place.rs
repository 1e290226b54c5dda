//! Paths as the server walks them, and values as they stand in its documents. The server's paths reach into lists and ours do not, so a
//! condition says the same only where no list can be on the way.

use mongodb::bson::{Bson, DateTime};

use super::codec::{Declared, encode_value};
use super::decimal;
use super::lifetime::KEPT;
use crate::limits::{DOCUMENT_DEPTH, SAFE_INTEGER};
use crate::schema::{Collection, Kind, Presence, RESERVED};
use crate::value::Json;

/// Where in a document the server is to look.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// The dotted path.
    pub(super) path: String,
    /// What is declared there; undeclared fields are JSON.
    pub(super) kind: Kind,
    /// Whatever the path leads through is an object, or is not there.
    pub(super) through_objects: bool,
    /// Documents do not repeat their own id, so it may stand in `_id` instead.
    pub(super) implied: bool,
}

impl Place {
    /// `None`: the server has another idea of such a path (a field of the store itself, an empty step, a `$`), or none.
    pub(super) fn of(declared: &Declared, path: &str) -> Option<Self> {
        let collection = declared.collection;
        let steps = path.split('.').count();
        let reserved = |top: &str| RESERVED.contains(&top) || declared.is_ledger() && top == KEPT;
        let reserved = path.split('.').next().is_none_or(reserved);
        let plain = |step: &str| !step.is_empty() && !step.starts_with('$') && !step.contains('\0');
        if reserved || steps > DOCUMENT_DEPTH || !path.split('.').all(plain) {
            return None;
        }
        Some(Self {
            path: path.to_owned(),
            kind: collection.kind_of(path),
            through_objects: parents(path).all(|parent| is_object(collection, parent)),
            implied: declared.implied_id && path == "id",
        })
    }

    /// It holds one value of one kind, or null, or nothing: never a list, an object, or what is different from document to document.
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self.kind, Kind::Json | Kind::List | Kind::Object)
    }

    /// The server compares what stands here as we do.
    pub(super) fn is_plain(&self) -> bool {
        self.is_scalar() && self.through_objects
    }
}

/// The paths of all that a path leads through.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').map(|(dot, _)| &path[..dot])
}

/// The places on the way to `path`, itself among them, where a list may stand.
pub(super) fn may_be_lists<'a>(collection: &'a Collection, path: &'a str) -> impl Iterator<Item = &'a str> {
    let itself = matches!(collection.kind_of(path), Kind::Json | Kind::List).then_some(path);
    parents(path).filter(|parent| !is_object(collection, parent)).chain(itself)
}

/// Whether only an object can stand at `path`: it is declared as one, or a field within it is required, which then is asked of whatever stands
/// there.
fn is_object(collection: &Collection, path: &str) -> bool {
    let requires = |name: &str, presence| {
        presence == Presence::Required && name.rsplit_once('.').is_some_and(|(parent, _)| parent == path)
    };
    collection.kind_of(path) == Kind::Object
        || collection.fields.iter().any(|field| requires(field.name, field.presence))
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Lt,
    Lte,
    Gt,
    Gte,
}

impl Op {
    /// In the server's language.
    pub(super) fn word(self) -> &'static str {
        match self {
            Op::Eq => "$eq",
            Op::Lt => "$lt",
            Op::Lte => "$lte",
            Op::Gt => "$gt",
            Op::Gte => "$gte",
        }
    }
}

/// A single value that is not null, as it is compared with what stands in fields of `kind`. `None`: with nothing there.
pub(super) fn compared(kind: Kind, op: Op, value: &Json) -> Option<Bson> {
    match (kind, value) {
        (Kind::Timestamp, Json::Number(number)) => match number.as_i64() {
            Some(millis) => Some(DateTime::from_millis(millis).into()),
            None => between(op, number.as_f64()?),
        },
        (Kind::Timestamp, _) => None,
        (Kind::Decimal, Json::String(text)) => decimal::encode(text).map(Bson::from),
        (Kind::Decimal, _) => None,
        (_, Json::Number(number)) => match number.as_i64() {
            Some(whole) if !is_beyond(whole) => Some(whole.into()),
            // The server would compare it more exactly than we do.
            _ => number.as_f64().map(Bson::from),
        },
        _ => encode_value(Kind::Json, value),
    }
}

/// Whether some integers near it are the same as doubles.
fn is_beyond(whole: i64) -> bool {
    whole.unsigned_abs() > SAFE_INTEGER.unsigned_abs()
}

/// Between two milliseconds no date stands, so the nearer one on the right side says the same.
fn between(op: Op, millis: f64) -> Option<Bson> {
    let whole = match op {
        Op::Eq if millis.fract() != 0.0 => return None,
        Op::Lt | Op::Gte => millis.ceil(),
        Op::Eq | Op::Lte | Op::Gt => millis.floor(),
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole, and saturating beyond all dates")]
    Some(DateTime::from_millis(whole as i64).into())
}

/// A value of lists and texts, numbers, booleans and nulls. `None`: the server has another idea of what is equal to it. There is an object in
/// it, which it compares by the order of its keys, or an integer that it would compare more exactly than we do.
pub(super) fn alike(value: &Json) -> Option<Bson> {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Json::Object(_) => return None,
            Json::Array(items) => pending.extend(items),
            Json::Number(number) if number.as_i64().is_some_and(is_beyond) => return None,
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
    fn only_what_the_server_takes_for_equal_too_is_compared_there() {
        for same in [json!([1, "x", null, [true]]), json!([0.5, 9_007_199_254_740_992.0]), json!([u64::MAX])] {
            assert!(alike(&same).is_some(), "{same}");
        }
        for other in [json!([{"k": 1}]), json!([[9_007_199_254_740_993i64]]), json!([i64::MIN])] {
            assert_eq!(alike(&other), None, "{other}");
        }
    }
}
