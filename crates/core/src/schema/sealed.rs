//! The form of an encrypted value at rest, and the rules for secret fields. `store/encryption/` encrypts and decrypts.
//!
//! A sealed value is an object: `key` is the id of the key, `sealed` the nonce, the ciphertext and the tag in base64,
//! and `hash` the keyed hash of a searchable value. It takes the place of the value, so every backend can store it and
//! index its members.

use runstate_value::{Document, Json, get};
use serde_json::json;

use super::{Collection, Field, IndexKind, Kind, Predicate, ShardKey, Violation};

/// The member with the id of the key.
pub const KEY: &str = "key";
/// The member with nonce, ciphertext and tag.
pub const SEALED: &str = "sealed";
/// The member with the hash of a searchable value.
pub const HASH: &str = "hash";

/// Whether a value has the form of an encrypted one. A store with keys encrypts every value of a secret field, so there
/// no other value has it.
pub fn is_sealed(value: &Json) -> bool {
    key_id(value).is_some()
}

/// The id of the key of a sealed value; `None`: the value is not sealed.
pub fn key_id(value: &Json) -> Option<&str> {
    let object = value.as_object()?;
    let is_member = |(name, value): (&String, &Json)| [KEY, SEALED, HASH].contains(&name.as_str()) && value.is_string();
    let id = object.get(KEY)?.as_str()?;
    (object.contains_key(SEALED) && object.iter().all(is_member)).then_some(id)
}

/// The first secret field of a document whose value is sealed, and the id of its key.
pub fn find_sealed<'a>(collection: &'static Collection, document: &'a Document) -> Option<(&'static str, &'a str)> {
    find(collection.fields, document)
}

/// As [`find_sealed`], among these fields.
fn find<'a>(fields: &'static [Field], document: &'a Document) -> Option<(&'static str, &'a str)> {
    let mut secrets = fields.iter().filter(|field| field.secret);
    secrets.find_map(|field| Some((field.name, key_id(get(document, field.name)?)?)))
}

/// The form of a value in memory that cannot be decrypted with its key `id`: sealed, and empty.
pub fn undecryptable(id: &str) -> Json {
    json!({ KEY: id, SEALED: "" })
}

/// Why the first of these fields whose value is sealed cannot be read; `None`: no value is sealed.
pub fn violation(fields: &'static [Field], document: &Document) -> Option<Violation> {
    let (name, id) = find(fields, document)?;
    let is_damaged = get(document, name).is_some_and(|value| *value == undecryptable(id));
    Some(if is_damaged { Violation::undecryptable(name, id) } else { Violation::sealed(name, id) })
}

/// The secret fields of a collection.
pub fn secrets(collection: &'static Collection) -> impl Iterator<Item = &'static Field> {
    collection.fields.iter().filter(|field| field.secret)
}

/// Whether `path` is `outer`, or inside of it.
pub fn is_inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Checks that nothing reads a secret at rest: the store below has no value there.
pub(super) fn verify(collection: &Collection) -> Result<(), String> {
    let invalid = |field: &Field, problem: &str| Err(format!("the secret field `{}` {problem}", field.name));
    if let Some(field) = collection.fields.iter().find(|field| field.searchable && !field.secret) {
        return Err(format!("`{}` is searchable, but not secret; other fields are found without it", field.name));
    }
    for field in collection.fields.iter().filter(|field| field.secret) {
        let reads = |path: &str| is_inside(path, field.name) || is_inside(field.name, path);
        let compares = |predicate: &Option<Predicate>| predicate.iter().any(|predicate| predicate.compares(&reads));
        if field.searchable
            && matches!(field.kind, Kind::Float | Kind::Decimal | Kind::Json | Kind::List | Kind::Object)
        {
            return invalid(field, "cannot be searchable: values of its kind have several forms that are equal");
        }
        if field.name == "id" || field.references.is_some() {
            return invalid(field, "holds an id, which cannot be encrypted");
        }
        let others = || collection.fields.iter().filter(|other| other.name != field.name);
        if let Some(other) = others().find(|other| other.secret && is_inside(other.name, field.name)) {
            return invalid(
                field,
                &format!("has the secret field `{}` inside of it; one of both is enough", other.name),
            );
        }
        if matches!(collection.shard, Some(ShardKey::Ranged(_))) {
            return invalid(field, "cannot be rotated, because the documents are sharded by a range");
        }
        if collection.ttl.as_ref().is_some_and(|ttl| reads(ttl.field) || compares(&ttl.partial)) {
            return invalid(field, "is read by the rule of expiry");
        }
        for index in collection.indexes {
            let is_equality = field.searchable && index.kind == IndexKind::Ordered;
            let is_read = |path: &str| reads(path) && !(is_equality && path == field.name);
            if index.fields.iter().any(|(path, _)| is_read(path)) || compares(&index.partial) {
                let remedy = "only an ordered index can have it, and only if it is searchable";
                return invalid(field, &format!("is read by the index `{}`; {remedy}", index.name()));
            }
        }
    }
    Ok(())
}

impl Predicate {
    /// Whether it compares the value of a path of which `reads` holds.
    fn compares(&self, reads: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Exists(_) | Self::Missing(_) => false,
            Self::Eq(path, _) | Self::In(path, _) => reads(path),
            Self::All(inner) | Self::Any(inner) => inner.iter().any(|predicate| predicate.compares(reads)),
        }
    }
}
