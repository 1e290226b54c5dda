//! Documents as the server keeps them: plain values as they are, and what is declared as a timestamp or a decimal in the server's own
//! types, so that people and other programs read dates and numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use mongodb::bson::raw::{CStr, RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use mongodb::bson::{Bson, DateTime, Decimal128};

use super::decimal;
use super::lifetime::KEPT;
use crate::id::Revision;
use crate::limits::SAFE_INTEGER;
use crate::schema::{Collection, Field, Index, Key, Kind, Presence, Ttl};
use crate::store::{COMMANDS, Error, Stored};
use crate::value::{Document, Json};

/// The largest document that is sent: the server takes 16 MiB, and keeps something for itself.
const BSON_BYTES: usize = 16 * 1024 * 1024 - 64 * 1024;

/// The field in which the revision stands.
pub(super) const REV: &CStr = cstr!("_rev");
/// The field in which the schema version stands.
pub(super) const VERSION: &CStr = cstr!("_v");

/// A collection of the catalog, with what of its documents is kept in types of the server.
#[derive(Debug)]
pub(super) struct Declared {
    /// The declaration.
    pub(super) collection: &'static Collection,
    /// Documents do not repeat their own id: where their field `id` is their key it is left out, and put back in reading.
    pub(super) implied_id: bool,
    mapping: Mapping,
}

/// What stands at a field and below it.
#[derive(Debug, Default)]
struct Mapping {
    kind: Option<Kind>,
    inner: BTreeMap<&'static str, Mapping>,
}

impl Mapping {
    fn of(fields: &'static [Field]) -> Self {
        let mut whole = Self::default();
        for field in fields.iter().filter(|field| matches!(field.kind, Kind::Timestamp | Kind::Decimal)) {
            let place = field.name.split('.').fold(&mut whole, |at, step| at.inner.entry(step).or_default());
            place.kind = Some(field.kind);
        }
        whole
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Json)
    }
}

impl Declared {
    /// How documents of `collection` are kept.
    pub(super) fn of(collection: &'static Collection) -> Self {
        let own = |field: &&Field| field.name == "id" && field.kind == Kind::Id;
        let is_required = collection.fields.iter().find(own).is_some_and(|field| field.presence == Presence::Required);
        // Where it is to be unique the server must find it in one place, since documents may say another id than their key's.
        let is_unique = |index: &Index| index.unique && index.fields.iter().any(|(path, _)| *path == "id");
        let implied_id = is_required && !collection.indexes.iter().any(is_unique);
        Self { collection, implied_id, mapping: Mapping::of(collection.fields) }
    }

    /// Its rows bear the server's time, and live by it.
    pub(super) fn is_ledger(&self) -> bool {
        self.collection.name == COMMANDS.name
    }

    /// The field by which documents expire that do so by `ttl`.
    pub(super) fn expires_by(&self, ttl: &Ttl) -> &'static str {
        if self.is_ledger() { KEPT } else { ttl.field }
    }

    /// What is declared at the end of these steps and below it, through objects only.
    fn mapping_at<'a>(&self, steps: impl IntoIterator<Item = &'a str>) -> Option<&Mapping> {
        steps.into_iter().try_fold(&self.mapping, |at, step| at.inner.get(step))
    }

    /// The value that stands at the end of these steps of a document, as the server keeps it. `None`: no store can keep it.
    pub(super) fn encode_at<'a>(&self, steps: impl IntoIterator<Item = &'a str>, value: &Json) -> Option<RawBson> {
        encode(self.mapping_at(steps), value)
    }

    /// A document as the server keeps it; without a schema version, where another one stands that is to stay.
    pub(super) fn encode_document(
        &self,
        key: &Key,
        revision: &Revision,
        version: impl Into<Option<u32>>,
        document: &Document,
    ) -> Result<RawDocumentBuf, Error> {
        let mut whole = RawDocumentBuf::new();
        whole.append(cstr!("_id"), &*key.id);
        whole.append(REV, revision.to_string());
        if let Some(version) = version.into() {
            whole.append(VERSION, i32::try_from(version).map_or(RawBson::Int64(version.into()), RawBson::Int32));
        }
        for (name, value) in document {
            if name == "id" && self.implied_id && *value == *key.id {
                continue;
            }
            let name_and_value =
                <&CStr>::try_from(name.as_str()).ok().zip(encode(self.mapping.inner.get(name.as_str()), value));
            let Some((name, value)) = name_and_value else {
                let reason = format!("the field `{name}` holds NUL in a key, or a number that is none");
                return Err(Error::Invalid { key: key.clone(), reason });
            };
            whole.append(name, value);
        }
        let bytes = whole.as_bytes().len();
        if bytes > BSON_BYTES {
            let size = format!("{bytes} bytes as the server keeps it");
            return Err(Error::TooLarge { what: key.to_string(), size, limit: BSON_BYTES });
        }
        Ok(whole)
    }

    /// A document as it was read, and its id.
    pub(super) fn decode_document(&self, found: &RawDocument) -> Result<(Arc<str>, Stored), Error> {
        let mut head = Head::default();
        let mut document = Document::new();
        for element in found {
            let (name, value) = element.map_err(|broken| self.damaged(head.id(), broken.to_string()))?;
            match name.as_str() {
                "_id" => head.id = Some(value),
                "_rev" => head.revision = Some(value),
                "_v" => head.version = Some(value),
                "_touch" => {}
                KEPT if self.is_ledger() => {}
                name => {
                    let value = decode(self.mapping.inner.get(name), value)
                        .map_err(|why| self.damaged(head.id(), format!("the field `{name}` {why}")))?;
                    document.insert(name.to_owned(), value);
                }
            }
        }
        let (id, revision, version) = head.read().map_err(|why| self.damaged(head.id(), why))?;
        if self.implied_id && !document.contains_key("id") {
            document.insert("id".to_owned(), Json::from(&*id));
        }
        Ok((id, Stored { revision, version, document: Arc::new(document) }))
    }

    fn damaged(&self, id: String, why: String) -> Error {
        Error::Corrupt { at: format!("{}/{id}", self.collection.name), why }
    }
}

/// The fields of a document that are the store's.
#[derive(Default)]
struct Head<'a> {
    id: Option<RawBsonRef<'a>>,
    revision: Option<RawBsonRef<'a>>,
    version: Option<RawBsonRef<'a>>,
}

impl Head<'_> {
    /// The id for people, also where it is none of ours.
    fn id(&self) -> String {
        match self.id {
            None => "?".to_owned(),
            Some(RawBsonRef::String(text)) => text.to_owned(),
            Some(RawBsonRef::ObjectId(id)) => id.to_hex(),
            Some(other) => format!("{other:?}"),
        }
    }

    fn read(&self) -> Result<(Arc<str>, Revision, u32), String> {
        let revision = match self.revision {
            None => return Err("it was not written by runstate; `import` takes such documents over".to_owned()),
            Some(RawBsonRef::String(text)) => Revision::parse(text),
            Some(_) => None,
        };
        let revision = revision.ok_or("its `_rev` is no revision")?;
        let version = match self.version {
            Some(RawBsonRef::Int32(version)) => u32::try_from(version).ok(),
            Some(RawBsonRef::Int64(version)) => u32::try_from(version).ok(),
            _ => None,
        };
        let version = version.ok_or("its `_v` is no schema version")?;
        let Some(RawBsonRef::String(id)) = self.id else { return Err("its `_id` is no text".to_owned()) };
        Ok((id.into(), revision, version))
    }
}

/// A value that is compared with what stands in a field of this kind, as the server keeps it. `None`: nothing there can be equal to it,
/// or no store can keep it.
pub(super) fn encode_value(kind: Kind, value: &Json) -> Option<Bson> {
    let mapping = Mapping { kind: Some(kind), inner: BTreeMap::new() };
    let fits = match kind {
        Kind::Timestamp => value.is_null() || value.is_i64(),
        Kind::Decimal => value.is_null() || value.as_str().and_then(decimal::encode).is_some(),
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
            (Some(whole), _) => i32::try_from(whole).map_or(RawBson::Int64(whole), RawBson::Int32),
            (None, _) => RawBson::Double(number.as_f64()?),
        },
        Json::String(text) => match mapping.map(Mapping::kind) {
            Some(Kind::Decimal) => {
                decimal::encode(text).map_or_else(|| RawBson::String(text.clone()), RawBson::Decimal128)
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

/// A value of an undeclared field; why it is none.
pub(super) fn decode_value(kind: Kind, value: RawBsonRef<'_>) -> Result<Json, String> {
    decode(Some(&Mapping { kind: Some(kind), inner: BTreeMap::new() }), value)
}

fn decode(mapping: Option<&Mapping>, value: RawBsonRef<'_>) -> Result<Json, String> {
    match (mapping.map_or(Kind::Json, Mapping::kind), value) {
        (_, RawBsonRef::Null) => Ok(Json::Null),
        (Kind::Timestamp, RawBsonRef::DateTime(time)) => instant(time),
        (Kind::Decimal, RawBsonRef::Decimal128(number)) => decimal_text(number),
        (Kind::Timestamp, other) => Err(format!("is declared as a timestamp and holds {}", name_of(other))),
        (Kind::Decimal, other) => Err(format!("is declared as a decimal and holds {}", name_of(other))),
        (_, RawBsonRef::Document(object)) => decode_object(mapping, object),
        (_, other) => plain(other),
    }
}

fn decode_object(mapping: Option<&Mapping>, object: &RawDocument) -> Result<Json, String> {
    let mut map = Document::new();
    for element in object {
        let (name, value) = element.map_err(|broken| broken.to_string())?;
        let name = name.as_str();
        let inner = mapping.and_then(|mapping| mapping.inner.get(name));
        map.insert(name.to_owned(), decode(inner, value).map_err(|why| format!("in `{name}` {why}"))?);
    }
    Ok(Json::Object(map))
}

fn decode_list(list: &RawArray) -> Result<Json, String> {
    list.into_iter().map(|item| decode(None, item.map_err(|broken| broken.to_string())?)).collect()
}

/// What stands where nothing is declared. Dates, object ids and decimals of other programs are read as what a declared field would hold.
fn plain(value: RawBsonRef<'_>) -> Result<Json, String> {
    match value {
        RawBsonRef::Null => Ok(Json::Null),
        RawBsonRef::Boolean(flag) => Ok(flag.into()),
        RawBsonRef::Int32(whole) => Ok(whole.into()),
        RawBsonRef::Int64(whole) => Ok(integer(whole)),
        RawBsonRef::Double(number) => serde_json::Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| format!("holds {number}, which is no number")),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => Ok(text.into()),
        RawBsonRef::Array(list) => decode_list(list),
        RawBsonRef::Document(object) => decode_object(None, object),
        RawBsonRef::DateTime(time) => instant(time),
        RawBsonRef::ObjectId(id) => Ok(id.to_hex().into()),
        RawBsonRef::Decimal128(number) => decimal_text(number),
        other => Err(format!("holds {}, which has no JSON", name_of(other))),
    }
}

/// Beyond what is exact everywhere an integer is read as a float, so that it may be written again.
fn integer(whole: i64) -> Json {
    if (-SAFE_INTEGER..=SAFE_INTEGER).contains(&whole) {
        return whole.into();
    }
    #[expect(clippy::cast_precision_loss, reason = "that is what reading it as a float means")]
    let number = whole as f64;
    number.into()
}

fn instant(time: DateTime) -> Result<Json, String> {
    let millis = time.timestamp_millis();
    let fits = (-SAFE_INTEGER..=SAFE_INTEGER).contains(&millis);
    if fits { Ok(millis.into()) } else { Err("holds a date beyond all calendars".to_owned()) }
}

fn decimal_text(number: Decimal128) -> Result<Json, String> {
    decimal::decode(number)
        .map(Json::String)
        .ok_or_else(|| format!("holds {number}, which is no plain decimal of 28 digits"))
}

fn name_of(value: RawBsonRef<'_>) -> String {
    format!("{:?}", value.element_type())
}

#[cfg(test)]
mod tests;
