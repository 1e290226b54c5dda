//! Documents in the server's form. Fields that are declared as timestamps or decimals have native BSON types, so that
//! people and other programs read dates and numbers. Other values are stored as they are. A decimal is a BSON
//! Decimal128 (IEEE 754-2008 decimal128), and is read back as the same text: `0.50` stays `0.50`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use mongodb::bson::raw::{CStr, RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use mongodb::bson::{Bson, DateTime, Decimal128};
use runstate_core::id::{self, Revision};
use runstate_core::limits::SAFE_INTEGER;
use runstate_core::schema::{Collection, Field, Index, Key, Kind, Presence, TimeSeries, Ttl, parse_decimal};
use runstate_store::{COMMANDS, StoreError, StoredDocument};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json};
use rust_decimal::Decimal;

use super::sweep::LEDGER_TIME;

/// The largest document that is sent. The server accepts 16 MiB; the margin is for its own use.
const BSON_BYTES: usize = 16 * 1024 * 1024 - 64 * 1024;

/// The field that holds the revision.
pub(super) const REV: &CStr = cstr!("_rev");
/// The field that holds the schema version.
pub(super) const VERSION: &CStr = cstr!("_v");

/// Encodes and decodes the documents of a collection.
#[derive(Debug)]
pub(super) struct CollectionCodec {
    /// The declaration.
    pub(super) collection: &'static Collection,
    /// Whether documents leave out a field `id` that equals their key. Reading restores it.
    pub(super) implied_id: bool,
    mapping: Mapping,
}

/// The declared kinds of a field and of the fields below it.
#[derive(Debug, Default)]
struct Mapping {
    kind: Option<Kind>,
    inner: BTreeMap<&'static str, Mapping>,
}

impl Mapping {
    fn new(fields: &'static [Field]) -> Self {
        let mut root = Self::default();
        for field in fields.iter().filter(|field| matches!(field.kind, Kind::Timestamp | Kind::Decimal)) {
            let node = field.name.split('.').fold(&mut root, |node, step| node.inner.entry(step).or_default());
            node.kind = Some(field.kind);
        }
        root
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Json)
    }
}

impl CollectionCodec {
    /// The codec for documents of `collection`.
    pub(super) fn new(collection: &'static Collection) -> Self {
        let is_id = |field: &&Field| field.name == "id" && field.kind == Kind::Id;
        let is_required =
            collection.fields.iter().find(is_id).is_some_and(|field| field.presence == Presence::Required);
        // A unique index on `id` needs the field in every document, since a document may have an `id` that differs from
        // its key.
        let is_unique = |index: &Index| index.unique && index.fields.iter().any(|(path, _)| *path == "id");
        let implied_id = is_required && !collection.indexes.iter().any(is_unique);
        Self { collection, implied_id, mapping: Mapping::new(collection.fields) }
    }

    /// Whether this is the command ledger. Its rows carry the server's time and expire by it.
    pub(super) fn is_ledger(&self) -> bool {
        self.collection.name == COMMANDS.name
    }

    /// The field by which documents with this `ttl` expire.
    pub(super) fn expiry_field(&self, ttl: &Ttl) -> &'static str {
        if self.is_ledger() { LEDGER_TIME } else { ttl.field }
    }

    /// The declared kinds at the end of a path and below it. The path leads through objects only.
    fn mapping_at<'a>(&self, steps: impl IntoIterator<Item = &'a str>) -> Option<&Mapping> {
        steps.into_iter().try_fold(&self.mapping, |node, step| node.inner.get(step))
    }

    /// Encodes the value at the end of a path. `None` if no store can hold it.
    pub(super) fn encode_at<'a>(&self, steps: impl IntoIterator<Item = &'a str>, value: &Json) -> Option<RawBson> {
        encode(self.mapping_at(steps), value)
    }

    /// Encodes a document. Without `version` the schema version is left out, and the stored one stays.
    pub(super) fn encode_document(
        &self,
        key: &Key,
        revision: &Revision,
        version: impl Into<Option<u32>>,
        document: &Document,
    ) -> Result<RawDocumentBuf, StoreError> {
        let mut encoded = RawDocumentBuf::new();
        encoded.append(cstr!("_id"), &*key.id);
        encoded.append(REV, revision.to_string());
        if let Some(version) = version.into() {
            encoded.append(VERSION, i32::try_from(version).map_or(RawBson::Int64(version.into()), RawBson::Int32));
        }
        for (name, value) in document {
            // Where the order of keys has a meaning, the field keeps its place.
            if name == "id" && self.implied_id && !self.collection.keeps_order && *value == *key.id {
                continue;
            }
            let name_and_value =
                <&CStr>::try_from(name.as_str()).ok().zip(encode(self.mapping.inner.get(name.as_str()), value));
            let Some((name, value)) = name_and_value else {
                let reason =
                    format!("the field `{name}` has a key with a NUL character, or a number that cannot be stored");
                return Err(StoreError::Invalid { key: key.clone(), reason });
            };
            encoded.append(name, value);
        }
        let bytes = encoded.as_bytes().len();
        if bytes > BSON_BYTES {
            let size = format!("{bytes} bytes as BSON");
            return Err(StoreError::TooLarge { what: key.to_string(), size, limit: BSON_BYTES });
        }
        Ok(encoded)
    }

    /// Decodes a document and its id.
    pub(super) fn decode_document(&self, raw: &RawDocument) -> Result<(Arc<str>, StoredDocument), StoreError> {
        let mut reserved = ReservedFields::default();
        let mut document = Document::new();
        for element in raw {
            let (name, value) = element.map_err(|error| self.damage_error(reserved.id(), error.to_string()))?;
            match name.as_str() {
                "_id" => reserved.id = Some(value),
                "_rev" => reserved.revision = Some(value),
                "_v" => reserved.version = Some(value),
                "_touch" => {}
                LEDGER_TIME if self.is_ledger() => {}
                name => {
                    let value = decode(self.mapping.inner.get(name), value)
                        .map_err(|why| self.damage_error(reserved.id(), format!("the field `{name}` {why}")))?;
                    document.insert(name.to_owned(), value);
                }
            }
        }
        let (id, revision, version) = reserved.parse().map_err(|why| self.damage_error(reserved.id(), why))?;
        if let Some(time) = self.collection.detached.and_then(|TimeSeries { time, .. }| document.get(time)?.as_i64())
            && id::time_of(&id).map(Timestamp::as_millis) != Some(time)
        {
            return Err(self
                .damage_error(id.to_string(), "its `_id` does not begin with its time, as a UUIDv7 does".to_owned()));
        }
        if self.implied_id && !document.contains_key("id") {
            document.insert("id".to_owned(), Json::from(&*id));
        }
        Ok((id, StoredDocument { revision, version, document: Arc::new(document) }))
    }

    /// Decodes the fields of a document of another program, without `_id`. `Err`: why it is not a document of the
    /// collection.
    pub(super) fn decode_foreign(&self, raw: &RawDocument) -> Result<Document, String> {
        let mut document = Document::new();
        for element in raw {
            let (name, value) = element.map_err(|error| error.to_string())?;
            match name.as_str() {
                "_id" => {}
                "_rev" => return Err("it was written by runstate; `export` its store instead".to_owned()),
                name => {
                    let value = decode(self.mapping.inner.get(name), value);
                    document.insert(name.to_owned(), value.map_err(|why| format!("`{name}` {why}"))?);
                }
            }
        }
        Ok(document)
    }

    fn damage_error(&self, id: String, why: String) -> StoreError {
        StoreError::Corrupt { at: format!("{}/{id}", self.collection.name), why }
    }
}

/// The reserved fields of a document.
#[derive(Default)]
struct ReservedFields<'a> {
    id: Option<RawBsonRef<'a>>,
    revision: Option<RawBsonRef<'a>>,
    version: Option<RawBsonRef<'a>>,
}

impl ReservedFields<'_> {
    /// The id for messages, also if another program chose it.
    fn id(&self) -> String {
        match self.id {
            None => "?".to_owned(),
            Some(RawBsonRef::String(text)) => text.to_owned(),
            Some(RawBsonRef::ObjectId(id)) => id.to_hex(),
            Some(other) => format!("{other:?}"),
        }
    }

    fn parse(&self) -> Result<(Arc<str>, Revision, u32), String> {
        let revision = match self.revision {
            None => {
                return Err(
                    "it was not written by runstate; use `import` to copy such documents into a store".to_owned()
                );
            }
            Some(RawBsonRef::String(text)) => Revision::parse(text),
            Some(_) => None,
        };
        let revision = revision.ok_or("its `_rev` is not a valid revision")?;
        let version = match self.version {
            Some(RawBsonRef::Int32(version)) => u32::try_from(version).ok(),
            Some(RawBsonRef::Int64(version)) => u32::try_from(version).ok(),
            _ => None,
        };
        let version = version.ok_or("its `_v` is not a valid schema version")?;
        let Some(RawBsonRef::String(id)) = self.id else { return Err("its `_id` is not a string".to_owned()) };
        Ok((id.into(), revision, version))
    }
}

/// Encodes a value for a comparison with fields of this kind. `None` if no stored value can equal it, or no store can
/// hold it.
pub(super) fn encode_value(kind: Kind, value: &Json) -> Option<Bson> {
    let mapping = Mapping { kind: Some(kind), inner: BTreeMap::new() };
    let fits = match kind {
        Kind::Timestamp => value.is_null() || value.is_i64(),
        Kind::Decimal => value.is_null() || value.as_str().and_then(parse_decimal128).is_some(),
        _ => true,
    };
    if fits { Bson::try_from(encode(Some(&mapping), value)?).ok() } else { None }
}

fn encode(mapping: Option<&Mapping>, value: &Json) -> Option<RawBson> {
    Some(match value {
        Json::Null => RawBson::Null,
        Json::Bool(flag) => RawBson::Boolean(*flag),
        Json::Number(number) => match (number.as_i64(), mapping.map(Mapping::kind)) {
            (Some(millis), Some(Kind::Timestamp)) => RawBson::DateTime(DateTime::from_millis(millis)),
            (Some(integer), _) => i32::try_from(integer).map_or(RawBson::Int64(integer), RawBson::Int32),
            (None, _) => RawBson::Double(number.as_f64()?),
        },
        Json::String(text) => match mapping.map(Mapping::kind) {
            Some(Kind::Decimal) => {
                parse_decimal128(text).map_or_else(|| RawBson::String(text.clone()), RawBson::Decimal128)
            }
            _ => RawBson::String(text.clone()),
        },
        Json::Array(items) => {
            let mut list = RawArrayBuf::new();
            for item in items {
                list.push(encode(None, item)?);
            }
            RawBson::Array(list)
        }
        Json::Object(map) => {
            let mut object = RawDocumentBuf::new();
            for (name, value) in map {
                let inner = mapping.and_then(|mapping| mapping.inner.get(name.as_str()));
                object.append(<&CStr>::try_from(name.as_str()).ok()?, encode(inner, value)?);
            }
            RawBson::Document(object)
        }
    })
}

/// Decodes a value of a field of this kind. The error says why it has no JSON form.
pub(super) fn decode_value(kind: Kind, value: RawBsonRef<'_>) -> Result<Json, String> {
    decode(Some(&Mapping { kind: Some(kind), inner: BTreeMap::new() }), value)
}

fn decode(mapping: Option<&Mapping>, value: RawBsonRef<'_>) -> Result<Json, String> {
    match (mapping.map_or(Kind::Json, Mapping::kind), value) {
        (_, RawBsonRef::Null) => Ok(Json::Null),
        (Kind::Timestamp, RawBsonRef::DateTime(time)) => decode_timestamp(time),
        (Kind::Decimal, RawBsonRef::Decimal128(number)) => decode_decimal(number),
        (Kind::Timestamp, other) => Err(format!("is declared as a timestamp and holds {}", type_name(other))),
        (Kind::Decimal, other) => Err(format!("is declared as a decimal and holds {}", type_name(other))),
        (_, RawBsonRef::Document(object)) => decode_object(mapping, object),
        (_, other) => decode_undeclared(other),
    }
}

fn decode_object(mapping: Option<&Mapping>, object: &RawDocument) -> Result<Json, String> {
    let mut map = Document::new();
    for element in object {
        let (name, value) = element.map_err(|error| error.to_string())?;
        let name = name.as_str();
        let inner = mapping.and_then(|mapping| mapping.inner.get(name));
        map.insert(name.to_owned(), decode(inner, value).map_err(|why| format!("in `{name}` {why}"))?);
    }
    Ok(Json::Object(map))
}

fn decode_list(list: &RawArray) -> Result<Json, String> {
    list.into_iter().map(|item| decode(None, item.map_err(|error| error.to_string())?)).collect()
}

/// Decodes a value of an undeclared field. Dates, ObjectIds and decimals of other programs become what a declared field
/// would hold.
fn decode_undeclared(value: RawBsonRef<'_>) -> Result<Json, String> {
    match value {
        RawBsonRef::Null => Ok(Json::Null),
        RawBsonRef::Boolean(flag) => Ok(flag.into()),
        RawBsonRef::Int32(integer) => Ok(integer.into()),
        RawBsonRef::Int64(integer) => Ok(decode_integer(integer)),
        RawBsonRef::Double(number) => serde_json::Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| format!("holds {number}, which is not a finite number")),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => Ok(text.into()),
        RawBsonRef::Array(list) => decode_list(list),
        RawBsonRef::Document(object) => decode_object(None, object),
        RawBsonRef::DateTime(time) => decode_timestamp(time),
        RawBsonRef::ObjectId(id) => Ok(id.to_hex().into()),
        RawBsonRef::Decimal128(number) => decode_decimal(number),
        other => Err(format!("holds {}, which has no JSON form", type_name(other))),
    }
}

/// Decodes an integer. Beyond the safe integers it becomes a float, so that it can be written again.
fn decode_integer(integer: i64) -> Json {
    if (-SAFE_INTEGER..=SAFE_INTEGER).contains(&integer) {
        return integer.into();
    }
    #[expect(clippy::cast_precision_loss, reason = "the conversion to a float is intended")]
    let number = integer as f64;
    number.into()
}

fn decode_timestamp(time: DateTime) -> Result<Json, String> {
    let millis = time.timestamp_millis();
    let fits = (-SAFE_INTEGER..=SAFE_INTEGER).contains(&millis);
    if fits { Ok(millis.into()) } else { Err("holds a date that is out of range".to_owned()) }
}

fn decode_decimal(number: Decimal128) -> Result<Json, String> {
    format_decimal128(number)
        .map(Json::String)
        .ok_or_else(|| format!("holds {number}, which is not a plain decimal of at most 28 digits"))
}

fn type_name(value: RawBsonRef<'_>) -> String {
    format!("{:?}", value.element_type())
}

/// Parses a plain decimal. `None` if `text` is not one.
pub(super) fn parse_decimal128(text: &str) -> Option<Decimal128> {
    parse_decimal(text).and_then(|_| text.parse().ok())
}

/// The plain text of a decimal. `None` if it is infinite, not a number, or has too many digits for [`parse_decimal`].
pub(super) fn format_decimal128(number: Decimal128) -> Option<String> {
    let text = number.to_string();
    let (digits, exponent) = text.split_once('E').unwrap_or((&text, ""));
    let plain = match exponent {
        "" => digits.to_owned(),
        _ if digits.trim_start_matches('-') == "0" && exponent.starts_with('+') => "0".to_owned(),
        // It would round more digits than a decimal has.
        _ => parse_decimal(digits).and_then(|_| Decimal::from_scientific(&text).ok())?.to_string(),
    };
    let is_zero = !plain.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    let plain = if is_zero { plain.trim_start_matches('-').to_owned() } else { plain };
    parse_decimal(&plain).map(|_| plain)
}

#[cfg(test)]
mod decimal_tests {
    use std::str::FromStr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimal_matches_the_driver_and_keeps_its_text() {
        let texts = [
            "0",
            "0.00",
            "0.50",
            "-0.5",
            "10",
            "-12.00",
            "7.922816251426433759354395033",
            "0.0000000000000000000000000001",
        ];
        for text in texts {
            let encoded = parse_decimal128(text).unwrap();
            assert_eq!(encoded, Decimal128::from_str(text).unwrap(), "{text}");
            assert_eq!(format_decimal128(encoded).as_deref(), Some(text));
        }
    }

    #[test]
    fn foreign_decimal_is_read_if_it_is_plain() {
        let read = |text: &str| format_decimal128(Decimal128::from_str(text).unwrap());
        assert_eq!(read("1.5E+3").as_deref(), Some("1500"));
        assert_eq!(read("-0").as_deref(), Some("0"));
        assert_eq!(read("0E+6000").as_deref(), Some("0"));
        for none in ["NaN", "Infinity", "-Infinity", "1E+6000", "1E-6000", "1234567890123456789012345678901234"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn every_plain_text_round_trips(mantissa in -(1i128 << 95)..(1i128 << 95), scale in 0u32..=28) {
            let text = rust_decimal::Decimal::from_i128_with_scale(mantissa, scale).to_string();
            if let Some(encoded) = parse_decimal128(&text) {
                prop_assert_eq!(format_decimal128(encoded), Some(text));
            }
        }
    }
}
