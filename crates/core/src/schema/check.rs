//! Checks whether a document matches the declaration of its collection.

use runstate_value::{Document, Json, ValueError, check_storable, get, json_bytes, words};

use super::{Collection, Field, Kind, Presence, parse_decimal, sealed};
use crate::limits::{DOCUMENT_DEPTH, SAFE_INTEGER};

/// A field that does not match its declaration.
// Boxed, because each reader of an entity returns it for each of its fields: pages load that code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .0.field, .0.reason)]
pub struct Violation(Box<ViolationParts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ViolationParts {
    field: String,
    reason: String,
    is_sealed: bool,
}

impl Violation {
    /// The violation of the field at a dotted path. The reason follows the name of the field: `is …`.
    #[cold]
    #[inline(never)]
    pub fn new(field: String, reason: String) -> Self {
        Self(Box::new(ViolationParts { field, reason, is_sealed: false }))
    }

    /// The violation of a secret field whose value is encrypted under the key `key`, which was not given.
    #[cold]
    #[inline(never)]
    pub fn sealed(field: &str, key: &str) -> Self {
        let mut violation =
            Self::new(field.to_owned(), format!("is encrypted under the key `{key}`, which was not given"));
        violation.0.is_sealed = true;
        violation
    }

    /// The violation of a secret field whose value cannot be decrypted with its key `key`.
    #[cold]
    #[inline(never)]
    pub fn undecryptable(field: &str, key: &str) -> Self {
        let reason = format!("cannot be decrypted with the key `{key}`: it was changed, or another key has that id");
        Self::new(field.to_owned(), reason)
    }

    /// Whether the value is encrypted under a key that was not given.
    pub fn is_sealed(&self) -> bool {
        self.0.is_sealed
    }

    /// The dotted path of the field.
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The violation of a value at `path`, inside of which it was found.
    #[cold]
    #[inline(never)]
    pub(super) fn inside(mut self, path: &str) -> Self {
        let field = &mut self.0.field;
        *field = if field.is_empty() { path.to_owned() } else { format!("{path}.{field}") };
        self
    }
}

/// Top-level names that stores reserve: id, revision, schema version, touch.
pub const RESERVED: [&str; 4] = ["_id", "_rev", "_v", "_touch"];

/// Checks `document` against the rules for every document, then against the fields of `collection`.
///
/// The rules for every document: top-level names are not empty, contain no `.`, do not begin with `$` and are not
/// [`RESERVED`]. No key at any depth contains NUL. Integers are within ±(2^53 - 1). The document is at most
/// [`DOCUMENT_DEPTH`] levels deep, itself included. Each rule excludes something that some backend cannot store or
/// address.
pub fn check(collection: &Collection, document: &Document) -> Result<(), Violation> {
    for (name, value) in document {
        let violation = |reason: String| Violation::new(name.clone(), reason);
        if let Some(reason) = name_violation(name) {
            return Err(violation(reason.to_owned()));
        }
        check_storable(value, DOCUMENT_DEPTH - 1).map_err(|excess| match excess {
            ValueError::Depth(_) => violation(format!("makes the document nest deeper than {DOCUMENT_DEPTH} levels")),
            excess => violation(format!("is {excess}")),
        })?;
    }
    collection.fields.iter().try_for_each(|field| {
        let reason = match get(document, field.name) {
            Some(Json::Null) if field.presence == Presence::Optional => None,
            Some(value) => field_violation(field, value),
            // A field inside an optional object is required only where the object exists.
            None => (field.presence == Presence::Required && parent_exists(document, field.name))
                .then(|| "is missing".to_owned()),
        };
        reason.map_or(Ok(()), |reason| Err(Violation::new(field.name.to_owned(), reason)))
    })
}

/// Checks a value for the field at `path`, which the collection declares; `Err`: the reason, which follows the name of
/// the value.
pub fn check_value(collection: &Collection, path: &str, value: &Json) -> Result<(), String> {
    let field = collection.fields.iter().find(|field| field.name == path);
    field.and_then(|field| field_violation(field, value)).map_or(Ok(()), Err)
}

/// The reason why a name is not valid at the top level of a document.
fn name_violation(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("a name at the top level of a document cannot be empty"),
        _ if RESERVED.contains(&name) => Some("is a reserved name"),
        _ if name.starts_with('$') => Some("a name at the top level of a document cannot begin with `$`"),
        _ if name.contains('.') => Some("a name at the top level of a document cannot contain `.`"),
        _ if name.contains('\0') => Some("a name cannot contain NUL"),
        _ => None,
    }
}

fn parent_exists(document: &Document, path: &str) -> bool {
    path.rsplit_once('.').is_none_or(|(parent, _)| get(document, parent).is_some())
}

fn field_violation(field: &Field, value: &Json) -> Option<String> {
    if field.secret && sealed::is_sealed(value) {
        return None;
    }
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
        return Some(format!("is not one of {}", field.values.join(", ")));
    }
    if let Some(format) = field.format
        && !format.fits(value)
    {
        return Some(format!("is not {}", format.phrase()));
    }
    if !field.range.contains(value) {
        return Some(format!("is not a number {}", field.range));
    }
    if field.is_words && !value.as_str().is_some_and(is_words) {
        return Some("is not words in lower case with one space between two".to_owned());
    }
    if field.max_bytes > 0 {
        let bytes = value.as_str().map_or_else(|| json_bytes(value), str::len);
        if bytes > field.max_bytes {
            return Some(format!("has {bytes} bytes; at most {} are allowed", field.max_bytes));
        }
    }
    None
}

fn is_words(text: &str) -> bool {
    text.is_empty() || text.split(' ').all(|word| words(word).eq([word]))
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
        Field::text("found").words().optional(),
    ]);

    #[test]
    fn each_violation_is_reported() {
        let says = |d: Json| check(&C, d.as_object().unwrap()).map_err(|v| v.to_string());
        assert_eq!(says(json!({"name": "abc", "extra": 1})), Ok(()));
        assert_eq!(says(json!({})), Err("name: is missing".into()));
        assert_eq!(says(json!({"name": 1})), Err("name: is not a text".into()));
        assert_eq!(says(json!({"name": "abcd"})), Err("name: has 4 bytes; at most 3 are allowed".into()));
        assert_eq!(says(json!({"name": "a", "state": {}})), Err("state.status: is missing".into()));
        assert_eq!(
            says(json!({"name": "a", "state": {"status": "x"}})),
            Err("state.status: is not one of on, off".into())
        );
        assert_eq!(says(json!({"name": "a", "n": 1.5})), Err("n: is not an integer within ±(2^53 - 1)".into()));
        assert_eq!(says(json!({"name": "a", "money": "1e3"})), Err("money: is not a decimal number in text".into()));
        assert_eq!(says(json!({"name": "a", "n": null})), Ok(()));
        assert_eq!(says(json!({"name": null})), Err("name: is not a text".into()));
        assert_eq!(says(json!({"name": "a", "owner": ""})), Err("owner: an id may not be empty".into()));
        for words in ["", "a", "two words", "é 7 東京"] {
            assert_eq!(says(json!({"name": "a", "found": words})), Ok(()), "{words}");
        }
        // The letter İ becomes two characters in lower case, and the second one is not a letter.
        for text in ["A", "a-b", "a  b", " a", "a ", "a\nb", "i\u{307}"] {
            let violation = "found: is not words in lower case with one space between two".to_owned();
            assert_eq!(says(json!({"name": "a", "found": text})), Err(violation), "{text:?}");
        }
    }

    #[test]
    fn unstorable_names_and_values_are_rejected_in_every_document() {
        const FREE: Collection = Collection::new("t.free", 1);
        let nested = |levels: usize| (0..levels).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
        let says = |d: Json| check(&FREE, d.as_object().unwrap()).map_err(|v| v.to_string());
        for name in ["", "$set", "a.b", "a\u{0}", "_id", "_rev", "_v", "_touch"] {
            assert!(says(json!({name: 1})).is_err(), "{name:?}");
            // At deeper levels these are ordinary keys, except those with NUL.
            assert_eq!(says(json!({"any": {name: 1}})).is_err(), name.contains('\0'), "{name:?}");
        }
        for name in ["id", "_ids", "a$", "é", "__proto__"] {
            assert_eq!(says(json!({name: 1})), Ok(()));
        }
        assert_eq!(says(json!({"deep": nested(DOCUMENT_DEPTH - 1)})), Ok(()));
        assert_eq!(
            says(json!({"deep": nested(DOCUMENT_DEPTH)})),
            Err("deep: makes the document nest deeper than 100 levels".into())
        );
        let large = "n: is not exact as a JavaScript number: the integer 9007199254740992 is beyond ±(2^53 - 1); pass it as a string";
        assert_eq!(says(json!({"n": 9_007_199_254_740_992u64})), Err(large.into()));
        assert_eq!(says(json!({"n": [1e300, 9007199254740992.0]})), Ok(()));
    }
}
