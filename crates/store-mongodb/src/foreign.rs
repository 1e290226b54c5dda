//! Documents of other programs on a MongoDB server, as JSON: the source of an import. Any server works, also one that
//! is not in a replica set. Nothing is written.

use std::future::Future;
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document as Spec, RawArray, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use mongodb::error::Error as DriverError;
use mongodb::{Client, Cursor, Database};
use runstate_core::limits::SAFE_INTEGER;
use runstate_core::schema::{Collection, Kind};
use runstate_store::StoreError;
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json};

use super::codec::CollectionCodec;
use super::{codec, error_mapping, options};

/// The deepest nesting that is read: deeper than any document of a store, and far from a stack overflow.
const MAX_DEPTH: usize = 150;

/// A database of another program.
pub struct ForeignDatabase {
    database: Database,
    name: String,
    hosts: String,
    call_timeout: Duration,
}

/// Documents of a [`ForeignDatabase`], read one after the other.
pub struct ForeignRows {
    cursor: Cursor<RawDocumentBuf>,
    /// The declaration by which values are decoded, if there is one.
    codec: Option<CollectionCodec>,
    what: String,
    call_timeout: Duration,
}

/// A document: its id as text, and the document as JSON, or the reason why it has no JSON form.
pub type ForeignRow = (String, Result<Document, String>);

impl ForeignDatabase {
    /// Opens the database that the URL names, otherwise `database`. The URL may have `layout=seed`.
    pub async fn open(url: &str, database: &str) -> Result<Self, StoreError> {
        let options::ForeignSettings { client, database: url_database, prefix, call_timeout } =
            options::parse_foreign_url(url).await?;
        let hosts = client.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let name = url_database.unwrap_or_else(|| format!("{prefix}{database}"));
        let client = Client::with_options(client)
            .map_err(|error| StoreError::InvalidUrl { why: options::driver_message(&error) })?;
        Ok(Self { database: client.database(&name), name, hosts, call_timeout })
    }

    /// The name of the database in messages.
    pub fn name(&self) -> String {
        format!("the database `{}` on MongoDB at {}", self.name, self.hosts)
    }

    /// Finds documents of a collection in the order of the field `order`: all, or those that `reference` selects.
    /// `reference` is a field and the id that it holds, as text or as an ObjectId.
    pub async fn find(
        &self,
        collection: &str,
        reference: Option<(&str, &str)>,
        order: &str,
    ) -> Result<ForeignRows, StoreError> {
        let filter = reference.map_or_else(Spec::new, |(field, id)| doc! {field: {"$in": id_forms(id)}});
        let source = self.database.collection::<RawDocumentBuf>(collection);
        let mut sort = doc! {order: 1};
        sort.entry("_id".to_owned()).or_insert(Bson::Int32(1));
        let what = self.describe_operation("reading", collection);
        // Sorting by `_id` uses its index. Other sorts may exceed the server's memory limit.
        let request = source.find(filter).sort(sort).allow_disk_use(true);
        let cursor = with_timeout(self.call_timeout, &what, async { request.await }).await?;
        Ok(ForeignRows { cursor, codec: None, what, call_timeout: self.call_timeout })
    }

    /// All documents of a collection that another program stores under the name after the dot, each without its `_id`.
    /// Values of declared fields are decoded as a store decodes them.
    pub async fn find_declared(&self, collection: &'static Collection) -> Result<ForeignRows, StoreError> {
        let (_, name) = collection.name.rsplit_once('.').unwrap_or(("", collection.name));
        let rows = self.find(name, None, "_id").await?;
        Ok(ForeignRows { codec: Some(CollectionCodec::new(collection)), ..rows })
    }

    /// The distinct values of a field, each with the number of documents that have it.
    pub async fn count_values(&self, collection: &str, field: &str) -> Result<ForeignRows, StoreError> {
        let source = self.database.collection::<RawDocumentBuf>(collection);
        let count = [doc! {"$group": {"_id": format!("${field}"), "n": {"$sum": 1}}}, doc! {"$sort": {"_id": 1}}];
        let what = self.describe_operation("counting in", collection);
        let request = source.aggregate(count).allow_disk_use(true).with_type::<RawDocumentBuf>();
        let cursor = with_timeout(self.call_timeout, &what, async { request.await }).await?;
        Ok(ForeignRows { cursor, codec: None, what, call_timeout: self.call_timeout })
    }

    fn describe_operation(&self, doing: &str, collection: &str) -> String {
        format!("{doing} {}.{collection}, on MongoDB at {}", self.name, self.hosts)
    }
}

impl ForeignRows {
    /// The next document.
    pub async fn next(&mut self) -> Result<Option<ForeignRow>, StoreError> {
        if !with_timeout(self.call_timeout, &self.what, self.cursor.advance()).await? {
            return Ok(None);
        }
        let document = self.cursor.current();
        let decoded = match (inexact_field(document), &self.codec) {
            (Some((field, number)), _) => {
                Err(format!("`{field}` holds {number}, which would be rounded: integers reach to 2^53"))
            }
            (None, Some(codec)) => codec.decode_foreign(document),
            (None, None) => decode_object(document, 0),
        };
        Ok(Some((id_text(document), decoded)))
    }
}

/// The path of an integer that no JSON number holds exactly, and the integer. What is not readable is reported later.
fn inexact_field(document: &RawDocument) -> Option<(String, i64)> {
    document.into_iter().flatten().find_map(|(name, value)| {
        let name = name.as_str();
        match value {
            RawBsonRef::Int64(number) if !(-SAFE_INTEGER..=SAFE_INTEGER).contains(&number) => {
                Some((name.to_owned(), number))
            }
            RawBsonRef::Document(object) => {
                inexact_field(object).map(|(path, number)| (format!("{name}.{path}"), number))
            }
            // An array is a document whose names are its indexes.
            RawBsonRef::Array(items) => {
                let items = RawDocument::from_bytes(items.as_bytes()).ok()?;
                inexact_field(items).map(|(path, number)| (format!("{name}.{path}"), number))
            }
            _ => None,
        }
    })
}

async fn with_timeout<T>(
    call_timeout: Duration,
    what: &str,
    future: impl Future<Output = Result<T, DriverError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(call_timeout, future).await {
        Ok(result) => result.map_err(|error| error_mapping::to_store_error(&error, what)),
        Err(_) => Err(StoreError::Timeout { what: what.to_owned(), seconds: call_timeout.as_secs() }),
    }
}

/// The values that may refer to an id.
fn id_forms(id: &str) -> Vec<Bson> {
    let text = Bson::from(id);
    ObjectId::parse_str(id).map_or_else(|_| vec![text.clone()], |object| vec![object.into(), text.clone()])
}

fn id_text(document: &RawDocument) -> String {
    match document.get("_id") {
        Ok(Some(RawBsonRef::String(text))) => text.to_owned(),
        Ok(Some(RawBsonRef::ObjectId(id))) => id.to_hex(),
        Ok(Some(other)) => decode_value(other, 0).map_or_else(|_| String::new(), |id| id.to_string()),
        _ => String::new(),
    }
}

fn decode_object(object: &RawDocument, level: usize) -> Result<Document, String> {
    let mut map = Document::new();
    for element in object {
        let (name, value) = element.map_err(|broken| broken.to_string())?;
        let name = name.as_str();
        let value = decode_value(value, level + 1).map_err(|why| match why.strip_prefix('`') {
            Some(deeper) => format!("`{name}.{deeper}"),
            None => format!("`{name}` {why}"),
        })?;
        map.insert(name.to_owned(), value);
    }
    Ok(map)
}

fn decode_list(list: &RawArray, level: usize) -> Result<Json, String> {
    list.into_iter().map(|item| decode_value(item.map_err(|broken| broken.to_string())?, level + 1)).collect()
}

/// Decodes a value. Dates become text. Whole doubles become integers, since shells write integers as doubles.
fn decode_value(value: RawBsonRef<'_>, level: usize) -> Result<Json, String> {
    if level > MAX_DEPTH {
        return Err(format!("is nested more than {MAX_DEPTH} levels deep"));
    }
    match value {
        RawBsonRef::Document(object) => Ok(Json::Object(decode_object(object, level)?)),
        RawBsonRef::Array(items) => decode_list(items, level),
        RawBsonRef::DateTime(time) => decode_date(time),
        RawBsonRef::Undefined => Ok(Json::Null),
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        RawBsonRef::Double(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
            Ok((number as i64).into())
        }
        other => codec::decode_value(Kind::Json, other),
    }
}

fn decode_date(time: DateTime) -> Result<Json, String> {
    let text = Timestamp::from_millis(time.timestamp_millis()).to_rfc3339();
    // A text that cannot be parsed again is a date beyond the years of four digits.
    Timestamp::from_rfc3339(&text)
        .map(|_| Json::String(text))
        .ok_or_else(|| "holds a date that is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{RawBson, rawdoc};
    use serde_json::json;

    use super::*;

    fn read(document: &RawDocument) -> ForeignRow {
        (id_text(document), decode_object(document, 0))
    }

    #[test]
    fn foreign_documents_are_read_as_json() {
        let id = ObjectId::parse_str("65abcdef0000000000000001").unwrap();
        let (key, document) = read(&rawdoc! {
            "_id": id, "at": DateTime::from_millis(0), "op": 6.0, "half": 0.5, "list": [{"ref": id}, 7_i64], "none": RawBson::Null
        });
        assert_eq!(key, "65abcdef0000000000000001");
        let expected = json!({
            "_id": key, "at": "1970-01-01T00:00:00Z", "op": 6, "half": 0.5, "list": [{"ref": key}, 7], "none": null
        });
        assert_eq!(document.map(Json::Object), Ok(expected));
        assert!(document_of(6.0).is_i64());
    }

    #[test]
    fn an_integer_that_would_be_rounded_is_named() {
        let exact = rawdoc! {"n": 9_007_199_254_740_991_i64, "x": 1e300};
        assert_eq!(inexact_field(&exact), None);
        let inexact = rawdoc! {"a": {"list": [1_i64, {"n": -9_007_199_254_740_993_i64}]}};
        assert_eq!(inexact_field(&inexact), Some(("a.list.1.n".to_owned(), -9_007_199_254_740_993)));
    }

    fn document_of(number: f64) -> Json {
        read(&rawdoc! {"n": number}).1.unwrap()["n"].clone()
    }

    #[test]
    fn value_without_json_is_reported_with_its_path() {
        let why = |document: &RawDocument| read(document).1.unwrap_err();
        assert!(why(&rawdoc! {"a": {"b": f64::NAN}}).starts_with("`a.b` holds NaN"));
        assert!(why(&rawdoc! {"at": DateTime::MAX}).contains("date that is out of range"));
        let mut deep = rawdoc! {};
        for _ in 0..300 {
            deep = rawdoc! {"d": deep};
        }
        assert!(why(&deep).contains("levels deep"));
    }
}
