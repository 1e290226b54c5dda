//! One document on its way: as a store holds it, and as an export writes it.

use std::sync::Arc;

use serde_json::{Number, json};

use crate::id::{self, CommandId};
use crate::limits::SAFE_INTEGER;
use crate::schema::{self, Catalog, Collection, Key, Kind};
use crate::store::{COMMANDS, Row};
use crate::time::Timestamp;
use crate::value::{Document, Json, canonical};

/// A document of an export; rows of the ledger are documents of [`COMMANDS`].
#[derive(Clone, Debug)]
pub struct Record {
    /// Its collection.
    pub collection: &'static Collection,
    /// Its id.
    pub id: Arc<str>,
    /// The schema version under which it was written.
    pub version: u32,
    /// Its fields, as stores hold them.
    pub document: Arc<Document>,
}

impl Record {
    /// What a query of `collection` found.
    pub(super) fn of(collection: &'static Collection, row: Row) -> Self {
        Self { collection, id: row.id, version: row.stored.version, document: row.stored.document }
    }

    /// Its key.
    pub fn key(&self) -> Key {
        Key::new(self.collection, &self.id)
    }

    /// As exports write it: declared timestamps are RFC 3339 text.
    pub(super) fn exported(&self) -> Json {
        let mut document = self.document.as_ref().clone();
        each_timestamp(self.collection, &mut document, |value| {
            let ms = value.as_i64()?;
            let text = Timestamp::from_millis(ms).to_rfc3339();
            // What the calendar does not know stays the number it is.
            (instant(&text) == Some(ms)).then(|| text.into())
        });
        json!({
            "collection": self.collection.name,
            "id": &*self.id,
            "version": self.version,
            "document": document,
        })
    }

    /// Its line in an export, without the end: the same for the same document, whichever store it comes from.
    pub(super) fn line(&self) -> String {
        canonical(&self.exported())
    }

    /// Reads what [`Record::exported`] wrote, and checks it against its declaration. `Err`: what is wrong with it.
    pub(super) fn read(catalog: &Catalog, exported: Json) -> Result<Self, String> {
        let Json::Object(mut fields) = exported else { return Err("it is no object".to_owned()) };
        let name = fields.get("collection").and_then(Json::as_str).ok_or("it names no collection")?;
        let collection = known(catalog, name).ok_or_else(|| format!("collection `{name}` is not known"))?;
        let id: Arc<str> = fields.get("id").and_then(Json::as_str).ok_or("it has no id")?.into();
        let of = |why: String| format!("{}/{id}: {why}", collection.name);
        id::check(&id).map_err(|why| of(why.to_string()))?;
        let version = fields.get("version").and_then(Json::as_u64).and_then(|v| u32::try_from(v).ok());
        let version = version.filter(|version| (1..=collection.version).contains(version));
        let version = version.ok_or_else(|| of("its version is none that this program knows".to_owned()))?;
        let Some(Json::Object(mut document)) = fields.remove("document") else {
            return Err(of("it has no document".to_owned()));
        };
        document.values_mut().for_each(as_floats);
        let mut wrong = None;
        each_timestamp(collection, &mut document, |value| {
            let text = value.as_str()?;
            let read = instant(text).filter(|ms| Timestamp::from_millis(*ms).to_rfc3339() == text);
            if read.is_none() {
                wrong = Some(format!("`{text}` is no time as exports write it"));
            }
            read.map(Json::from)
        });
        if let Some(wrong) = wrong {
            return Err(of(wrong));
        }
        schema::check(collection, &document).map_err(|violation| of(violation.to_string()))?;
        let record = Self { collection, id: id.clone(), version, document: Arc::new(document) };
        if collection.name == COMMANDS.name {
            if record.text("id") != &*id {
                return Err(of("it is no row of the ledger".to_owned()));
            }
            CommandId::recorded(&id).map_err(|why| of(why.to_string()))?;
        }
        Ok(record)
    }

    /// A text of the ledger's row.
    pub(super) fn text(&self, field: &str) -> &str {
        self.document.get(field).and_then(Json::as_str).unwrap_or_default()
    }

    /// Whether it is expired at `now`, so that any store may have removed it.
    pub(super) fn expired(&self, now: Timestamp) -> bool {
        self.collection.ttl.as_ref().is_some_and(|ttl| {
            let since = crate::value::get(&self.document, ttl.field).and_then(Json::as_i64);
            since.is_some_and(|since| Timestamp::from_millis(since) + ttl.after <= now)
        })
    }
}

/// The collection of that name, the ledger included.
pub(super) fn known(catalog: &Catalog, name: &str) -> Option<&'static Collection> {
    if name == COMMANDS.name { Some(&COMMANDS) } else { catalog.get(name) }
}

/// All that is exported, in the order of exports: collections by name, then the ledger.
pub(in crate::engine) fn collections(catalog: &Catalog) -> Vec<&'static Collection> {
    catalog.iter().filter(|c| c.name != COMMANDS.name).chain([&COMMANDS as &'static Collection]).collect()
}

fn instant(text: &str) -> Option<i64> {
    Timestamp::from_rfc3339(text).map(Timestamp::as_millis)
}

/// Replaces the values of declared timestamps where `change` gives another.
fn each_timestamp(collection: &Collection, document: &mut Document, mut change: impl FnMut(&Json) -> Option<Json>) {
    for field in collection.fields.iter().filter(|field| field.kind == Kind::Timestamp) {
        let mut path = field.name.split('.');
        let mut place = path.next().and_then(|name| document.get_mut(name));
        for name in path {
            place = place.and_then(|value| value.as_object_mut()).and_then(|object| object.get_mut(name));
        }
        if let Some(value) = place
            && let Some(new) = change(value)
        {
            *value = new;
        }
    }
}

/// Large doubles are written without a fraction; read back as integers no store would take them.
fn as_floats(value: &mut Json) {
    match value {
        Json::Number(number) => {
            let exact = number.is_f64() || number.as_i64().is_some_and(|i| (-SAFE_INTEGER..=SAFE_INTEGER).contains(&i));
            if !exact && let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(as_floats),
        Json::Object(map) => map.values_mut().for_each(as_floats),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Field;

    const NOTES: Collection =
        Collection::new("demo.notes", 2).fields(&[Field::timestamp("at"), Field::timestamp("in.at").optional()]);

    fn record(document: Json) -> Record {
        let Json::Object(document) = document else { panic!("no object") };
        Record { collection: &NOTES, id: "n".into(), version: 1, document: Arc::new(document) }
    }

    #[test]
    fn what_is_exported_is_read_back_exactly() {
        let catalog = Catalog::new(&[&NOTES]).unwrap();
        for document in [
            json!({"at": 1_705_744_800_123i64, "in": {"at": -1, "x": 1e300}, "list": [9_007_199_254_740_992.0, 0.1, null]}),
            json!({"at": 9_007_199_254_740_991i64, "in": null, "é": "\u{0}\u{1F600}"}),
            json!({"at": 0, "in": {"at": null}, "n": 1.8446744073709552e19}),
        ] {
            let exported = record(document.clone()).line();
            let read = Record::read(&catalog, serde_json::from_str(&exported).unwrap()).unwrap();
            assert_eq!(Json::Object(read.document.as_ref().clone()), document);
            assert_eq!(read.line(), exported);
        }
        assert!(record(json!({"at": 0})).line().contains("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_no_record_says_why() {
        let catalog = Catalog::new(&[&NOTES]).unwrap();
        let whole = record(json!({"at": 0})).exported();
        let wrong = |path: &str, value: Json| {
            let mut exported = whole.clone();
            *exported.pointer_mut(path).unwrap() = value;
            Record::read(&catalog, exported).unwrap_err()
        };
        insta::assert_snapshot!([
            wrong("", json!(1)),
            wrong("/collection", json!("demo.nothing")),
            wrong("/id", json!("")),
            wrong("/version", json!(3)),
            wrong("/document", json!([])),
            wrong("/document/at", json!("yesterday")),
            wrong("/document/at", json!("1970-01-01T00:00:00.0001Z")),
            wrong("/document/at", json!(true)),
        ].join("\n"), @r#"
        it is no object
        collection `demo.nothing` is not known
        demo.notes/: an id may not be empty
        demo.notes/n: its version is none that this program knows
        demo.notes/n: it has no document
        demo.notes/n: `yesterday` is no time as exports write it
        demo.notes/n: `1970-01-01T00:00:00.0001Z` is no time as exports write it
        demo.notes/n: at: is not a timestamp in milliseconds
        "#);
    }
}
