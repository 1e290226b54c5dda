//! Documents on a MongoDB server that no store wrote, as JSON: what an import reads. Any server will do, a single one too; nothing is
//! written.

use std::future::Future;
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document as Spec, RawArray, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use mongodb::error::Error as Fault;
use mongodb::{Client, Cursor, Database};

use super::{codec, faults, options};
use crate::schema::Kind;
use crate::store::Error;
use crate::time::Timestamp;
use crate::value::{Document, Json};

/// Deepest nesting that is read: deeper than any document of ours, and far from the end of the stack.
const LEVELS: usize = 150;

/// A database that others keep.
pub struct Foreign {
    database: Database,
    name: String,
    hosts: String,
    patience: Duration,
}

/// Its documents, one after the other.
pub struct ForeignRows {
    cursor: Cursor<RawDocumentBuf>,
    what: String,
    patience: Duration,
}

/// A document: its id as text, and what it is as JSON, or why it is none.
pub type ForeignRow = (String, Result<Json, String>);

impl Foreign {
    /// The database that the URL names, else `database`; also where the URL says `layout=seed`.
    pub async fn open(url: &str, database: &str) -> Result<Self, Error> {
        let options::Foreign { client, named, prefix, patience } = options::foreign(url).await?;
        let hosts = client.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let name = named.unwrap_or_else(|| format!("{prefix}{database}"));
        let client = Client::with_options(client).map_err(|fault| Error::InvalidUrl { why: options::words(&fault) })?;
        Ok(Self { database: client.database(&name), name, hosts, patience })
    }

    /// How it is called in errors.
    pub fn name(&self) -> String {
        format!("the database `{}` on MongoDB at {}", self.name, self.hosts)
    }

    /// All documents of a collection; where `reference` is told, those whose field holds that id, be it text or an ObjectId, in the order
    /// of the field `order`.
    pub async fn find(
        &self,
        collection: &str,
        reference: Option<(&str, &str)>,
        order: &str,
    ) -> Result<ForeignRows, Error> {
        let filter = reference.map_or_else(Spec::new, |(field, id)| doc! {field: {"$in": forms(id)}});
        let found = self.database.collection::<RawDocumentBuf>(collection);
        let mut sort = doc! {order: 1};
        sort.entry("_id".to_owned()).or_insert(Bson::Int32(1));
        let what = self.what("reading", collection);
        // The order of `_id` is that of its index; others may be more than the server sorts in memory.
        let asked = found.find(filter).sort(sort).allow_disk_use(true);
        let cursor = timed(self.patience, &what, async { asked.await }).await?;
        Ok(ForeignRows { cursor, what, patience: self.patience })
    }

    /// The values of a field, each once, with how many documents have it.
    pub async fn owners(&self, collection: &str, field: &str) -> Result<ForeignRows, Error> {
        let found = self.database.collection::<RawDocumentBuf>(collection);
        let count = [doc! {"$group": {"_id": format!("${field}"), "n": {"$sum": 1}}}, doc! {"$sort": {"_id": 1}}];
        let what = self.what("counting in", collection);
        let asked = found.aggregate(count).allow_disk_use(true).with_type::<RawDocumentBuf>();
        let cursor = timed(self.patience, &what, async { asked.await }).await?;
        Ok(ForeignRows { cursor, what, patience: self.patience })
    }

    fn what(&self, doing: &str, collection: &str) -> String {
        format!("{doing} {}.{collection}, on MongoDB at {}", self.name, self.hosts)
    }
}

impl ForeignRows {
    /// The next one.
    pub async fn next(&mut self) -> Result<Option<ForeignRow>, Error> {
        if !timed(self.patience, &self.what, self.cursor.advance()).await? {
            return Ok(None);
        }
        let document = self.cursor.current();
        Ok(Some((id_of(document), object(document, 0).map(Json::Object))))
    }
}

async fn timed<T>(patience: Duration, what: &str, future: impl Future<Output = Result<T, Fault>>) -> Result<T, Error> {
    match tokio::time::timeout(patience, future).await {
        Ok(done) => done.map_err(|fault| faults::error(&fault, what)),
        Err(_) => Err(Error::Timeout { what: what.to_owned(), seconds: patience.as_secs() }),
    }
}

/// What may stand for an id in a reference.
fn forms(id: &str) -> Vec<Bson> {
    let text = Bson::from(id);
    ObjectId::parse_str(id).map_or_else(|_| vec![text.clone()], |object| vec![object.into(), text.clone()])
}

fn id_of(document: &RawDocument) -> String {
    match document.get("_id") {
        Ok(Some(RawBsonRef::String(text))) => text.to_owned(),
        Ok(Some(RawBsonRef::ObjectId(id))) => id.to_hex(),
        Ok(Some(other)) => json(other, 0).map_or_else(|_| String::new(), |id| id.to_string()),
        _ => String::new(),
    }
}

fn object(object: &RawDocument, level: usize) -> Result<Document, String> {
    let mut map = Document::new();
    for element in object {
        let (name, value) = element.map_err(|broken| broken.to_string())?;
        let name = name.as_str();
        let value = json(value, level + 1).map_err(|why| match why.strip_prefix('`') {
            Some(deeper) => format!("`{name}.{deeper}"),
            None => format!("`{name}` {why}"),
        })?;
        map.insert(name.to_owned(), value);
    }
    Ok(map)
}

fn list(list: &RawArray, level: usize) -> Result<Json, String> {
    list.into_iter().map(|item| json(item.map_err(|broken| broken.to_string())?, level + 1)).collect()
}

/// A value, dates as text, and whole numbers as such: shells write them as doubles.
fn json(value: RawBsonRef<'_>, level: usize) -> Result<Json, String> {
    if level > LEVELS {
        return Err(format!("is nested more than {LEVELS} levels deep"));
    }
    match value {
        RawBsonRef::Document(inner) => Ok(Json::Object(object(inner, level)?)),
        RawBsonRef::Array(items) => list(items, level),
        RawBsonRef::DateTime(time) => instant(time),
        RawBsonRef::Undefined => Ok(Json::Null),
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        RawBsonRef::Double(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
            Ok((number as i64).into())
        }
        other => codec::decode_value(Kind::Json, other),
    }
}

fn instant(time: DateTime) -> Result<Json, String> {
    let text = Timestamp::from_millis(time.timestamp_millis()).to_rfc3339();
    // What is written and does not read back is a date beyond the years of four digits.
    Timestamp::from_rfc3339(&text)
        .map(|_| Json::String(text))
        .ok_or_else(|| "holds a date beyond all calendars".to_owned())
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{RawBson, rawdoc};
    use serde_json::json;

    use super::*;

    fn read(document: &RawDocument) -> ForeignRow {
        (id_of(document), object(document, 0).map(Json::Object))
    }

    #[test]
    fn documents_of_others_are_read_as_json() {
        let id = ObjectId::parse_str("65abcdef0000000000000001").unwrap();
        let (key, document) = read(&rawdoc! {
            "_id": id, "at": DateTime::from_millis(0), "op": 6.0, "half": 0.5, "list": [{"ref": id}, 7_i64], "none": RawBson::Null
        });
        assert_eq!(key, "65abcdef0000000000000001");
        let expected = json!({
            "_id": key, "at": "1970-01-01T00:00:00Z", "op": 6, "half": 0.5, "list": [{"ref": key}, 7], "none": null
        });
        assert_eq!(document, Ok(expected));
        assert!(document_of(6.0).is_i64());
    }

    fn document_of(number: f64) -> Json {
        read(&rawdoc! {"n": number}).1.unwrap()["n"].clone()
    }

    #[test]
    fn what_has_no_json_is_told_with_its_path() {
        let why = |document: &RawDocument| read(document).1.unwrap_err();
        assert!(why(&rawdoc! {"a": {"b": f64::NAN}}).starts_with("`a.b` holds NaN"));
        assert!(why(&rawdoc! {"at": DateTime::MAX}).contains("date beyond"));
        let mut deep = rawdoc! {};
        for _ in 0..300 {
            deep = rawdoc! {"d": deep};
        }
        assert!(why(&deep).contains("levels deep"));
    }
}
