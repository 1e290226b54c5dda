//! The JSON of stored types in results of operations: what the code that `#[derive(Wire)]` writes for each type calls.
//!
//! The derives of serde and schemars write 700 lines for a type, which was half of the code of a domain; these write a
//! table of its members and a line for each. A result is read again only from the ledger, so reading through a
//! [`Document`] costs nothing that matters.

use std::borrow::Cow;

use runstate_value::{DeserializeError, Document, Json, from_document, from_value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize};

/// A member of an object in a result.
pub struct WireMember {
    /// The name in camel case.
    pub name: &'static str,
    /// The text of its doc comment, the description in its schema.
    pub documentation: &'static str,
    /// Whether a result may lack it when it is read.
    pub is_optional: bool,
    /// The value that it has then, if that is not null.
    pub default: Option<fn() -> Option<Json>>,
    /// The schema of its type.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// A part of the table of a type.
pub enum WirePart {
    /// A member.
    Member(WireMember),
    /// A type whose members are in the same object. The function gives its whole schema, without a reference.
    Flat(fn(&mut SchemaGenerator) -> Schema),
}

/// A word of an enum, or a variant with its own members.
pub struct WireVariant<'a> {
    /// The word that is stored and shown.
    pub name: &'static str,
    /// The text of its doc comment, the description in its schema.
    pub documentation: &'static str,
    /// The members beside the tag.
    pub parts: &'a [WirePart],
}

/// The members of an object that is read.
pub struct WireMembers(Document);

impl WireMembers {
    /// The member `name`; a missing one is null.
    pub fn take<T: for<'de> Deserialize<'de>>(&self, name: &'static str) -> Result<T, DeserializeError> {
        match self.0.get(name) {
            Some(value) => from_value(value),
            None => from_value(&Json::Null).map_err(|_: DeserializeError| DeserializeError::missing_field(name)),
        }
    }

    /// The member `name`, or `default` if it is missing.
    pub fn take_or<T: for<'de> Deserialize<'de>>(
        &self,
        name: &'static str,
        default: fn() -> T,
    ) -> Result<T, DeserializeError> {
        self.0.get(name).map_or_else(|| Ok(default()), from_value)
    }

    /// A type whose members are in the same object.
    pub fn flat<T: for<'de> Deserialize<'de>>(&self) -> Result<T, DeserializeError> {
        from_document(&self.0)
    }

    /// The index of the word that the member `tag` has.
    pub fn variant(&self, tag: &'static str, words: &'static [&'static str]) -> Result<usize, DeserializeError> {
        index(&self.take::<String>(tag)?, words)
    }
}

fn index(word: &str, words: &'static [&'static str]) -> Result<usize, DeserializeError> {
    let index = words.iter().position(|one| *one == word);
    index.ok_or_else(|| DeserializeError::unknown_variant(word, words))
}

/// Reads an object by a function of its members.
pub fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: fn(&WireMembers) -> Result<T, DeserializeError>,
) -> Result<T, D::Error> {
    read(&WireMembers(Document::deserialize(deserializer)?)).map_err(D::Error::custom)
}

/// Reads the index of a word.
pub fn read_word<'de, D: Deserializer<'de>>(
    deserializer: D,
    words: &'static [&'static str],
) -> Result<usize, D::Error> {
    index(&Cow::<str>::deserialize(deserializer)?, words).map_err(D::Error::custom)
}

/// Writes the members of `value` into the object `members`.
pub fn write_flat<M: SerializeMap>(members: &mut M, value: &impl Serialize) -> Result<(), M::Error> {
    match serde_json::to_value(value).map_err(M::Error::custom)? {
        Json::Object(object) => object.iter().try_for_each(|(name, value)| members.serialize_entry(name, value)),
        Json::Null => Ok(()),
        _ => Err(M::Error::custom("only an object has its members in the place of the value")),
    }
}

/// The default of a member, for its schema.
pub fn default_json(default: impl Serialize) -> Option<Json> {
    serde_json::to_value(default).ok()
}

/// The schema of a type, with a reference if it has a name.
pub fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of an object.
pub fn object_schema(generator: &mut SchemaGenerator, documentation: &str, parts: &[WirePart]) -> Schema {
    let mut schema = json_schema!({ "type": "object" });
    add_parts(&mut schema, generator, parts);
    documented(schema, documentation)
}

/// The schema of one of several words.
pub fn words_schema(documentation: &str, variants: &[WireVariant<'_>]) -> Schema {
    let (plain, explained): (Vec<_>, Vec<_>) = variants.iter().partition(|variant| variant.documentation.is_empty());
    let plain = Vec::from_iter(plain.into_iter().map(|variant| variant.name));
    let one = |variant: &WireVariant<'_>| {
        documented(json_schema!({ "type": "string", "const": variant.name }), variant.documentation).to_value()
    };
    let plain = json_schema!({ "type": "string", "enum": plain });
    let schema = match explained.len() {
        0 => plain,
        count if count == variants.len() => json_schema!({ "oneOf": Vec::from_iter(explained.into_iter().map(one)) }),
        _ => {
            let all = Vec::from_iter([plain.to_value()].into_iter().chain(explained.into_iter().map(one)));
            json_schema!({ "oneOf": all })
        }
    };
    documented(schema, documentation)
}

/// The schema of an object whose member `tag` says which variant it is.
pub fn tagged_schema(
    generator: &mut SchemaGenerator,
    documentation: &str,
    tag: &str,
    variants: &[WireVariant<'_>],
) -> Schema {
    let variants = variants.iter().map(|variant| {
        let word = json_schema!({ "type": "string", "const": variant.name });
        let mut schema = json_schema!({ "type": "object", "properties": { tag: word }, "required": [tag] });
        add_parts(&mut schema, generator, variant.parts);
        documented(schema, variant.documentation).to_value()
    });
    documented(json_schema!({ "oneOf": Vec::from_iter(variants) }), documentation)
}

fn documented(mut schema: Schema, documentation: &str) -> Schema {
    if !documentation.is_empty() {
        schema.insert("description".to_owned(), documentation.into());
    }
    schema
}

fn add_parts(schema: &mut Schema, generator: &mut SchemaGenerator, parts: &[WirePart]) {
    let is_read = generator.contract().is_deserialize();
    for part in parts {
        match part {
            WirePart::Member(member) => {
                let mut one = documented((member.schema)(generator), member.documentation);
                if let Some(default) = member.default.and_then(|default| default()) {
                    one.insert("default".to_owned(), default);
                }
                add_member(
                    schema,
                    "properties",
                    Json::Object([(member.name.to_owned(), one.to_value())].into_iter().collect()),
                );
                if !(is_read && member.is_optional) {
                    add_member(schema, "required", Json::Array(vec![member.name.into()]));
                }
            }
            WirePart::Flat(flat) => {
                for (name, value) in flat(generator).ensure_object() {
                    add_member(schema, name, value.clone());
                }
            }
        }
    }
}

/// Adds a member of another object's schema. Lists and objects are joined; of two alternatives each must hold.
fn add_member(schema: &mut Schema, name: &str, value: Json) {
    let object = schema.ensure_object();
    match (name, object.get_mut(name), value) {
        (_, None, value) => _ = object.insert(name.to_owned(), value),
        (_, Some(Json::Array(all)), Json::Array(others)) if name == "required" || name == "allOf" => all.extend(others),
        (_, Some(Json::Object(all)), Json::Object(others)) if name == "properties" => all.extend(others),
        ("oneOf" | "anyOf", Some(present), value) => {
            let both =
                vec![json_schema!({ name: present.take() }).to_value(), json_schema!({ name: value }).to_value()];
            object.shift_remove(name);
            add_member(schema, "allOf", Json::Array(both));
        }
        _ => {}
    }
}
