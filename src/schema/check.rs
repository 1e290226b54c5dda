//! Whether a document is what its collection declares.

use super::{Collection, Field, Kind, Presence, parse_decimal};
use crate::limits::SAFE_INTEGER;
use crate::value::{Document, Json, get};

/// A field that breaks its declaration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Violation {
    /// Dotted path.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Names at the top of a document that stores keep for themselves: revision, schema version, touch.
pub const RESERVED: [&str; 4] = ["_id", "_rev", "_v", "_touch"];

/// Checks `document` against the fields of `collection`. Fields that are not declared are not looked at, except that none may
/// have a [`RESERVED`] name.
pub fn check(collection: &Collection, document: &Document) -> Result<(), Violation> {
    if let Some(name) = RESERVED.into_iter().find(|name| document.contains_key(*name)) {
        return Err(Violation { field: name.to_owned(), reason: "is a reserved name".to_owned() });
    }
    collection.fields.iter().try_for_each(|field| {
        let reason = match get(document, field.name) {
            Some(Json::Null) if field.presence == Presence::Optional => None,
            Some(value) => wrong(field, value),
            // A field inside an optional object is asked for only where the object is.
            None => (field.presence == Presence::Required && parent_is_there(document, field.name))
                .then(|| "is missing".to_owned()),
        };
        reason.map_or(Ok(()), |reason| Err(Violation { field: field.name.to_owned(), reason }))
    })
}

fn parent_is_there(document: &Document, path: &str) -> bool {
    path.rsplit_once('.').is_none_or(|(parent, _)| get(document, parent).is_some())
}

fn wrong(field: &Field, value: &Json) -> Option<String> {
    let fits = match (field.kind, value) {
        (Kind::Json, _) => true,
        (Kind::Text, Json::String(_))
        | (Kind::Bool, Json::Bool(_))
        | (Kind::List, Json::Array(_))
        | (Kind::Object, Json::Object(_)) => true,
        (Kind::Float, Json::Number(n)) => n.as_f64().is_some_and(f64::is_finite),
        (Kind::Int | Kind::Timestamp, Json::Number(n)) => {
            n.as_i64().is_some_and(|i| (-SAFE_INTEGER..=SAFE_INTEGER).contains(&i))
        }
        (Kind::Decimal, Json::String(text)) => parse_decimal(text).is_some(),
        (Kind::Id, Json::String(text)) => match crate::id::check(text) {
            Ok(()) => true,
            Err(why) => return Some(why.to_string()),
        },
        _ => false,
    };
    if !fits {
        return Some(format!("is not {}", kind_text(field.kind)));
    }
    if !field.values.is_empty() && !field.values.iter().any(|v| value == v) {
        return Some(format!("is none of {}", field.values.join(", ")));
    }
    if field.max_bytes > 0 {
        let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
        if bytes > field.max_bytes {
            return Some(format!("has {bytes} bytes; at most {} are allowed", field.max_bytes));
        }
    }
    None
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Int => "an integer within ±(2^53 - 1)",
        Kind::Float => "a finite number",
        Kind::Bool => "a boolean",
        Kind::Decimal => "a decimal number in text",
        Kind::Timestamp => "a timestamp in milliseconds",
        Kind::Id => "an id",
        Kind::Json => "a plain value",
        Kind::List => "a list",
        Kind::Object => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const C: Collection = Collection::new("t.t", 1).fields(&[
        Field::text("name").max(3),
        Field::text("state.status").one_of(&["on", "off"]),
        Field::int("n").optional(),
        Field::decimal("money").optional(),
        Field::id("owner").optional(),
    ]);

    #[test]
    fn each_breach_is_named() {
        let says = |d: Json| check(&C, d.as_object().unwrap()).map_err(|v| v.to_string());
        assert_eq!(says(json!({"name": "abc", "extra": 1})), Ok(()));
        assert_eq!(says(json!({})), Err("name: is missing".into()));
        assert_eq!(says(json!({"name": 1})), Err("name: is not a text".into()));
        assert_eq!(says(json!({"name": "abcd"})), Err("name: has 4 bytes; at most 3 are allowed".into()));
        assert_eq!(says(json!({"name": "a", "state": {}})), Err("state.status: is missing".into()));
        assert_eq!(
            says(json!({"name": "a", "state": {"status": "x"}})),
            Err("state.status: is none of on, off".into())
        );
        assert_eq!(
            says(json!({"name": "a", "n": 9007199254740992i64})),
            Err("n: is not an integer within ±(2^53 - 1)".into())
        );
        assert_eq!(says(json!({"name": "a", "n": 1.5})), Err("n: is not an integer within ±(2^53 - 1)".into()));
        assert_eq!(says(json!({"name": "a", "money": "1e3"})), Err("money: is not a decimal number in text".into()));
        assert_eq!(says(json!({"name": "a", "n": null})), Ok(()));
        assert_eq!(says(json!({"name": null})), Err("name: is not a text".into()));
        assert_eq!(says(json!({"name": "a", "_rev": 1})), Err("_rev: is a reserved name".into()));
        assert_eq!(says(json!({"name": "a", "owner": ""})), Err("owner: an id may not be empty".into()));
    }
}
