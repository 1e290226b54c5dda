//! Types out of values that are lent. `serde_json` reads them as well, but gives every type the code of each form that a reader of any
//! format may meet: records written as lists, names given as numbers. Here a record is an object, and a page loads only that.

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

/// What `value` says, as a `T`.
pub fn read<'de, T: Deserialize<'de>>(value: &'de Json) -> Result<T, Unfit> {
    T::deserialize(Lent(value))
}

/// What `document` says, as a `T`.
pub fn read_document<'de, T: Deserialize<'de>>(document: &'de Document) -> Result<T, Unfit> {
    T::deserialize(LentDocument(document))
}

/// Why a value is none of the type that was asked for.
#[derive(Debug)]
pub struct Unfit(Box<str>);

impl Unfit {
    // Not generic, so that what formats is made once.
    #[cold]
    #[inline(never)]
    fn saying(words: fmt::Arguments<'_>) -> Self {
        Self(fmt::format(words).into())
    }

    #[cold]
    #[inline(never)]
    fn found(found: &Json, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected(found), expected)
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl Error for Unfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::saying(format_args!("{message}"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::saying(format_args!("invalid type: {}, expected {expected}", in_json(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::saying(format_args!("invalid value: {}, expected {expected}", in_json(found)))
    }
}

/// What was found, in the words of `serde_json`: its own would bring all that writes doubles.
fn in_json(found: Unexpected<'_>) -> String {
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

#[derive(Clone, Copy)]
struct Lent<'de>(&'de Json);

impl<'de> Lent<'de> {
    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(Unfit::found(self.0, &visitor)),
            },
            found => Err(Unfit::found(found, &visitor)),
        }
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::String(text) => visitor.visit_borrowed_str(text),
            found => Err(Unfit::found(found, &visitor)),
        }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::Array(items) => items_of(items, visitor),
            found => Err(Unfit::found(found, &visitor)),
        }
    }

    fn object<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::Object(document) => visitor.visit_map(Members::of(document)),
            found => Err(Unfit::found(found, &visitor)),
        }
    }
}

/// All of `items`, or an error: what a type leaves over was meant to say something.
fn items_of<'de, V: Visitor<'de>>(items: &'de [Json], visitor: V) -> Result<V::Value, Unfit> {
    let mut left = Items(items.iter());
    let read = visitor.visit_seq(&mut left)?;
    if left.0.len() == 0 { Ok(read) } else { Err(Unfit::invalid_length(items.len(), &"fewer elements in array")) }
}

impl<'de> Deserializer<'de> for Lent<'de> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            Json::Bool(is) => visitor.visit_bool(*is),
            Json::Number(_) => self.number(visitor),
            Json::String(text) => visitor.visit_borrowed_str(text),
            Json::Array(items) => items_of(items, visitor),
            Json::Object(document) => visitor.visit_map(Members::of(document)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::Bool(is) => visitor.visit_bool(*is),
            found => Err(Unfit::found(found, &visitor)),
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.number(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.text(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            found => Err(Unfit::found(found, &visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Unfit> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.object(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_enum(Variant::of(self.0)?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.text(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf }
}

/// A document is read as the object that it is, without a copy.
struct LentDocument<'de>(&'de Document);

impl<'de> Deserializer<'de> for LentDocument<'de> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_map(Members::of(self.0))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Json>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unfit> {
        self.0.next().map(|item| seed.deserialize(Lent(item))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Members<'de> {
    left: serde_json::map::Iter<'de>,
    value: Option<&'de Json>,
}

impl<'de> Members<'de> {
    fn of(document: &'de Document) -> Self {
        Self { left: document.iter(), value: None }
    }

    #[inline(never)]
    fn step(&mut self) -> Option<&'de str> {
        let (name, value) = self.left.next()?;
        self.value = Some(value);
        Some(name)
    }

    fn value(&mut self) -> Lent<'de> {
        const MISSING: &Json = &Json::Null;
        Lent(self.value.take().unwrap_or(MISSING))
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unfit> {
        self.step().map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfit> {
        seed.deserialize(self.value())
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// A variant by its name alone, or the only member of an object.
struct Variant<'de> {
    name: &'de str,
    content: Option<&'de Json>,
}

impl<'de> Variant<'de> {
    #[inline(never)]
    fn of(value: &'de Json) -> Result<Self, Unfit> {
        match value {
            Json::String(name) => Ok(Self { name, content: None }),
            Json::Object(document) => match (document.len(), document.iter().next()) {
                (1, Some((name, content))) => Ok(Self { name, content: Some(content) }),
                _ => Err(Unfit::invalid_value(Unexpected::Map, &"map with a single key")),
            },
            found => Err(Unfit::found(found, &"string or map")),
        }
    }

    fn content(&self, expected: &dyn Expected) -> Result<&'de Json, Unfit> {
        self.content.ok_or_else(|| Unfit::invalid_type(Unexpected::UnitVariant, expected))
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Unfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Unfit> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Unfit;

    fn unit_variant(self) -> Result<(), Unfit> {
        self.content.map_or(Ok(()), read)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfit> {
        seed.deserialize(Lent(self.content(&"newtype variant")?))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Unfit> {
        Lent(self.content(&"tuple variant")?).list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Unfit> {
        Lent(self.content(&"struct variant")?).object(visitor)
    }
}
