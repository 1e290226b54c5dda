//! One document in transfer: in the form of stores, and in the form of exports.

use std::sync::Arc;

use runstate_core::id::{self, CommandId};
use runstate_core::limits::SAFE_INTEGER;
use runstate_core::schema::{self, Catalog, Collection, Key, Kind};
use runstate_engine::DECLARATION_FINGERPRINT;
use runstate_store::ROTATION_FINGERPRINT;
use runstate_store::{COMMANDS, Row};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json, ordered_json};
use serde_json::{Number, json};

use super::IMPORT_FINGERPRINT;

/// A document of an export. Rows of the ledger are documents of [`COMMANDS`].
#[derive(Clone, Debug)]
pub struct ExportRecord {
    /// Its collection.
    pub collection: &'static Collection,
    /// Its id.
    pub id: Arc<str>,
    /// The schema version with which it was written.
    pub version: u32,
    /// Its fields, as stores have them.
    pub document: Arc<Document>,
}

impl ExportRecord {
    /// The record of a row that a query of `collection` returned.
    pub(super) fn from_row(collection: &'static Collection, row: Row) -> Self {
        Self { collection, id: row.id, version: row.stored.version, document: row.stored.document }
    }

    /// Its key.
    pub fn key(&self) -> Key {
        Key::new(self.collection, &self.id)
    }

    /// The form of exports: declared timestamps are RFC 3339 text. Values keep the order of their keys; all others are
    /// sorted, because stores differ in them.
    pub(super) fn to_json(&self) -> Json {
        let mut document = self.document.as_ref().clone();
        self.collection.sort_structure(&mut document);
        map_timestamps(self.collection, &mut document, |value| {
            let ms = value.as_i64()?;
            let text = Timestamp::from_millis(ms).to_rfc3339();
            // A timestamp outside of the calendar remains a number.
            (parse_millis(&text) == Some(ms)).then(|| text.into())
        });
        json!({
            "collection": self.collection.name,
            "document": document,
            "id": &*self.id,
            "version": self.version,
        })
    }

    /// Its line in an export, without the line end. The same document has the same line, whatever the store.
    pub(super) fn line(&self) -> String {
        ordered_json(&self.to_json())
    }

    /// Reads the output of [`ExportRecord::to_json`], and checks it against its declaration. `Err`: the problem.
    pub(super) fn read(catalog: &Catalog, exported: Json) -> Result<Self, String> {
        let Json::Object(mut fields) = exported else { return Err("it is not an object".to_owned()) };
        let name = fields.get("collection").and_then(Json::as_str).ok_or("it has no field `collection`")?;
        let collection = find_collection(catalog, name).ok_or_else(|| format!("collection `{name}` is not known"))?;
        let id: Arc<str> = fields.get("id").and_then(Json::as_str).ok_or("it has no field `id`")?.into();
        let error = |why: String| format!("{}/{id}: {why}", collection.name);
        id::check(&id).map_err(|why| error(why.to_string()))?;
        let version = fields.get("version").and_then(Json::as_u64).and_then(|v| u32::try_from(v).ok());
        let version = version.filter(|version| (1..=collection.version).contains(version));
        let version = version.ok_or_else(|| error("its schema version is not supported".to_owned()))?;
        let Some(Json::Object(mut document)) = fields.shift_remove("document") else {
            return Err(error("it has no field `document`".to_owned()));
        };
        document.values_mut().for_each(restore_floats);
        let mut invalid = None;
        map_timestamps(collection, &mut document, |value| {
            let text = value.as_str()?;
            let read = parse_millis(text).filter(|ms| Timestamp::from_millis(*ms).to_rfc3339() == text);
            if read.is_none() {
                invalid = Some(format!("`{text}` is not a timestamp in the form of exports"));
            }
            read.map(Json::from)
        });
        if let Some(invalid) = invalid {
            return Err(error(invalid));
        }
        schema::check(collection, &document).map_err(|violation| error(violation.to_string()))?;
        let record = Self { collection, id: id.clone(), version, document: Arc::new(document) };
        if collection.name == COMMANDS.name {
            if record.text("id") != &*id {
                return Err(error("it is not a row of the command ledger".to_owned()));
            }
            CommandId::parse_stored(&id).map_err(|why| error(why.to_string()))?;
        }
        Ok(record)
    }

    /// A string field of a row of the ledger.
    pub(super) fn text(&self, field: &str) -> &str {
        self.document.get(field).and_then(Json::as_str).unwrap_or_default()
    }

    /// Whether it is a row of the ledger that has no meaning in another store.
    pub(super) fn is_local(&self) -> bool {
        let fingerprint = self.text("fingerprint");
        let is_local = fingerprint.starts_with(IMPORT_FINGERPRINT)
            || [DECLARATION_FINGERPRINT, ROTATION_FINGERPRINT].contains(&fingerprint);
        self.collection.name == COMMANDS.name && is_local
    }

    /// Whether it has expired at `now`, so that any store may have removed it.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.collection.ttl.as_ref().is_some_and(|ttl| {
            let since = runstate_value::get(&self.document, ttl.field).and_then(Json::as_i64);
            since.is_some_and(|since| Timestamp::from_millis(since) + ttl.after <= now)
        })
    }
}

/// The collection of this name, the ledger included.
pub(super) fn find_collection(catalog: &Catalog, name: &str) -> Option<&'static Collection> {
    if name == COMMANDS.name { Some(&COMMANDS) } else { catalog.get(name) }
}

fn parse_millis(text: &str) -> Option<i64> {
    Timestamp::from_rfc3339(text).map(Timestamp::as_millis)
}

/// Replaces the values of declared timestamps for which `change` returns another one.
fn map_timestamps(collection: &Collection, document: &mut Document, mut change: impl FnMut(&Json) -> Option<Json>) {
    for field in collection.fields.iter().filter(|field| field.kind == Kind::Timestamp) {
        let mut path = field.name.split('.');
        let mut value = path.next().and_then(|name| document.get_mut(name));
        for name in path {
            value = value.and_then(|value| value.as_object_mut()).and_then(|object| object.get_mut(name));
        }
        if let Some(value) = value
            && let Some(new) = change(value)
        {
            *value = new;
        }
    }
}

/// Large doubles are written without a fraction. Read back as integers, no store would accept them.
fn restore_floats(value: &mut Json) {
    match value {
        Json::Number(number) => {
            let exact = number.is_f64() || number.as_i64().is_some_and(|i| (-SAFE_INTEGER..=SAFE_INTEGER).contains(&i));
            if !exact && let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(restore_floats),
        Json::Object(map) => map.values_mut().for_each(restore_floats),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::Field;

    use super::*;

    const NOTES: Collection =
        Collection::new("demo.notes", 2).fields(&[Field::timestamp("at"), Field::timestamp("in.at").optional()]);

    fn record(document: Json) -> ExportRecord {
        let Json::Object(document) = document else { panic!("no object") };
        ExportRecord { collection: &NOTES, id: "n".into(), version: 1, document: Arc::new(document) }
    }

    #[test]
    fn an_exported_record_is_read_back_exactly() {
        let catalog = Catalog::new(&[&NOTES]).unwrap();
        for document in [
            json!({"at": 1_705_744_800_123i64, "in": {"at": -1, "x": 1e300}, "list": [9_007_199_254_740_992.0, 0.1, null]}),
            json!({"at": 9_007_199_254_740_991i64, "in": null, "é": "\u{0}\u{1F600}"}),
            json!({"at": 0, "in": {"at": null}, "n": 1.8446744073709552e19}),
        ] {
            let exported = record(document.clone()).line();
            let read = ExportRecord::read(&catalog, serde_json::from_str(&exported).unwrap()).unwrap();
            assert_eq!(Json::Object(read.document.as_ref().clone()), document);
            assert_eq!(read.line(), exported);
        }
        assert!(record(json!({"at": 0})).line().contains("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn invalid_records_are_rejected_with_a_reason() {
        let catalog = Catalog::new(&[&NOTES]).unwrap();
        let valid = record(json!({"at": 0})).to_json();
        let read_with = |path: &str, value: Json| {
            let mut exported = valid.clone();
            *exported.pointer_mut(path).unwrap() = value;
            ExportRecord::read(&catalog, exported).unwrap_err()
        };
        insta::assert_snapshot!([
            read_with("", json!(1)),
            read_with("/collection", json!("demo.nothing")),
            read_with("/id", json!("")),
            read_with("/version", json!(3)),
            read_with("/document", json!([])),
            read_with("/document/at", json!("yesterday")),
            read_with("/document/at", json!("1970-01-01T00:00:00.0001Z")),
            read_with("/document/at", json!(true)),
        ].join("\n"), @r#"
        it is not an object
        collection `demo.nothing` is not known
        demo.notes/: an id may not be empty
        demo.notes/n: its schema version is not supported
        demo.notes/n: it has no field `document`
        demo.notes/n: `yesterday` is not a timestamp in the form of exports
        demo.notes/n: `1970-01-01T00:00:00.0001Z` is not a timestamp in the form of exports
        demo.notes/n: at: is not a timestamp in milliseconds
        "#);
    }
}
