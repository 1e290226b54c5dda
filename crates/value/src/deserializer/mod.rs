//! Deserialization of types from borrowed values. `serde_json::from_value` gives each of about 90 types code for record
//! forms that never occur: structs as lists, field names as numbers (`docs/decisions/dependencies.md`). Here a struct
//! is an object, and pages load only that code.
//!
//! Members in which null differs from a missing member are deserialized here too.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use super::{Document, Json, json_text};

/// Deserializes `value` as a `T`.
pub fn from_value<'de, T: Deserialize<'de>>(value: &'de Json) -> Result<T, DeserializeError> {
    T::deserialize(ValueDeserializer(value))
}

/// Deserializes `document` as a `T`.
pub fn from_document<'de, T: Deserialize<'de>>(document: &'de Document) -> Result<T, DeserializeError> {
    T::deserialize(DocumentDeserializer(document))
}

/// The reason why a value is not of the requested type.
#[derive(Debug)]
pub struct DeserializeError(Box<str>);

impl DeserializeError {
    // It is not generic, so that the formatting code is compiled once.
    #[cold]
    #[inline(never)]
    fn new(words: fmt::Arguments<'_>) -> Self {
        Self(fmt::format(words).into())
    }

    #[cold]
    #[inline(never)]
    fn type_mismatch(found: &Json, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected(found), expected)
    }
}

impl fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DeserializeError {}

impl Error for DeserializeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(format_args!("{message}"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format_args!("invalid type: {}, expected {expected}", describe_unexpected(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format_args!("invalid value: {}, expected {expected}", describe_unexpected(found)))
    }
}

/// Describes a value as `serde_json` does. Its own function would add the code that writes doubles.
fn describe_unexpected(found: Unexpected<'_>) -> String {
    let name = match found {
        Unexpected::Bool(is) => return format!("boolean `{is}`"),
        Unexpected::Unsigned(number) => return format!("integer `{number}`"),
        Unexpected::Signed(number) => return format!("integer `{number}`"),
        Unexpected::Float(number) => return format!("floating point `{}`", json_text(&number.into())),
        Unexpected::Char(char) => return format!("character `{char}`"),
        Unexpected::Str(text) => return format!("string {text:?}"),
        Unexpected::Other(name) => name,
        Unexpected::Unit => "null",
        Unexpected::Bytes(_) => "byte array",
        Unexpected::Option => "Option value",
        Unexpected::NewtypeStruct => "newtype struct",
        Unexpected::Seq => "sequence",
        Unexpected::Map => "map",
        Unexpected::Enum => "enum",
        Unexpected::UnitVariant => "unit variant",
        Unexpected::NewtypeVariant => "newtype variant",
        Unexpected::TupleVariant => "tuple variant",
        Unexpected::StructVariant => "struct variant",
    };
    name.to_owned()
}

fn unexpected(value: &Json) -> Unexpected<'_> {
    match value {
        Json::Null => Unexpected::Unit,
        Json::Bool(is) => Unexpected::Bool(*is),
        Json::Number(number) => number
            .as_u64()
            .map(Unexpected::Unsigned)
            .or_else(|| number.as_i64().map(Unexpected::Signed))
            .or_else(|| number.as_f64().map(Unexpected::Float))
            .unwrap_or(Unexpected::Other("number")),
        Json::String(text) => Unexpected::Str(text),
        Json::Array(_) => Unexpected::Seq,
        Json::Object(_) => Unexpected::Map,
    }
}

type Read<T> = Result<T, DeserializeError>;

#[derive(Clone, Copy)]
struct ValueDeserializer<'de>(&'de Json);

impl<'de> ValueDeserializer<'de> {
    fn deserialize_number<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(DeserializeError::type_mismatch(self.0, &visitor)),
            },
            found => Err(DeserializeError::type_mismatch(found, &visitor)),
        }
    }

    fn deserialize_text<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::String(text) => visitor.visit_borrowed_str(text),
            found => Err(DeserializeError::type_mismatch(found, &visitor)),
        }
    }

    fn deserialize_list<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::Array(items) => deserialize_items(items, visitor),
            found => Err(DeserializeError::type_mismatch(found, &visitor)),
        }
    }

    fn deserialize_object<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::Object(document) => visitor.visit_map(Members::new(document)),
            found => Err(DeserializeError::type_mismatch(found, &visitor)),
        }
    }
}

/// Deserializes all of `items`. It is an error if the type leaves elements over.
fn deserialize_items<'de, V: Visitor<'de>>(items: &'de [Json], visitor: V) -> Read<V::Value> {
    let mut remaining = Items(items.iter());
    let read = visitor.visit_seq(&mut remaining)?;
    if remaining.0.len() == 0 {
        Ok(read)
    } else {
        Err(DeserializeError::invalid_length(items.len(), &"fewer elements in array"))
    }
}

/// Methods of a deserializer that do the same as another one.
macro_rules! read_as {
    ($($same:ident: $($method:ident)*;)*) => {
        $($(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
                self.$same(visitor)
            }
        )*)*
    };
}

impl<'de> Deserializer<'de> for ValueDeserializer<'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            Json::Bool(is) => visitor.visit_bool(*is),
            Json::Number(_) => self.deserialize_number(visitor),
            Json::String(text) => visitor.visit_borrowed_str(text),
            Json::Array(items) => deserialize_items(items, visitor),
            Json::Object(document) => visitor.visit_map(Members::new(document)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::Bool(is) => visitor.visit_bool(*is),
            found => Err(DeserializeError::type_mismatch(found, &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            found => Err(DeserializeError::type_mismatch(found, &visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Read<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        self.deserialize_list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _name: &'static str, _len: usize, visitor: V) -> Read<V::Value> {
        self.deserialize_list(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.deserialize_object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_enum(EnumDeserializer::from_value(self.0)?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    read_as! {
        deserialize_number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
            deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64;
        deserialize_text: deserialize_char deserialize_str deserialize_string deserialize_identifier;
        deserialize_list: deserialize_seq;
        deserialize_object: deserialize_map;
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf }
}

/// Deserializes a document as an object, without a copy.
struct DocumentDeserializer<'de>(&'de Document);

impl<'de> Deserializer<'de> for DocumentDeserializer<'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_map(Members::new(self.0))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Json>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DeserializeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        self.0.next().map(|item| seed.deserialize(ValueDeserializer(item))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Members<'de> {
    remaining: serde_json::map::Iter<'de>,
    value: Option<&'de Json>,
}

impl<'de> Members<'de> {
    fn new(document: &'de Document) -> Self {
        Self { remaining: document.iter(), value: None }
    }

    #[inline(never)]
    fn advance(&mut self) -> Option<&'de str> {
        let (name, value) = self.remaining.next()?;
        self.value = Some(value);
        Some(name)
    }

    fn value(&mut self) -> ValueDeserializer<'de> {
        const MISSING: &Json = &Json::Null;
        ValueDeserializer(self.value.take().unwrap_or(MISSING))
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        self.advance().map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        seed.deserialize(self.value())
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.remaining.len())
    }
}

/// An enum variant: its name alone, or the only member of an object.
struct EnumDeserializer<'de> {
    name: &'de str,
    content: Option<&'de Json>,
}

impl<'de> EnumDeserializer<'de> {
    #[inline(never)]
    fn from_value(value: &'de Json) -> Read<Self> {
        match value {
            Json::String(name) => Ok(Self { name, content: None }),
            Json::Object(document) => match (document.len(), document.iter().next()) {
                (1, Some((name, content))) => Ok(Self { name, content: Some(content) }),
                _ => Err(DeserializeError::invalid_value(Unexpected::Map, &"map with a single key")),
            },
            found => Err(DeserializeError::type_mismatch(found, &"string or map")),
        }
    }

    fn content(&self, expected: &dyn Expected) -> Read<&'de Json> {
        self.content.ok_or_else(|| DeserializeError::invalid_type(Unexpected::UnitVariant, expected))
    }
}

impl<'de> EnumAccess<'de> for EnumDeserializer<'de> {
    type Error = DeserializeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Self)> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for EnumDeserializer<'de> {
    type Error = DeserializeError;

    fn unit_variant(self) -> Read<()> {
        self.content.map_or(Ok(()), from_value)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Read<T::Value> {
        seed.deserialize(ValueDeserializer(self.content(&"newtype variant")?))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        ValueDeserializer(self.content(&"tuple variant")?).deserialize_list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        ValueDeserializer(self.content(&"struct variant")?).deserialize_object(visitor)
    }
}

/// For `#[serde(default, deserialize_with = "…")]` on an `Option<Json>`: a present member is `Some`, even if it is
/// null; a missing one is `None`.
pub fn deserialize_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}
