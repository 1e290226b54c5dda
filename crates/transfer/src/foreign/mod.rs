//! Documents of another program that has the collections of a domain, as the source of an import.
//!
//! Each document is checked as the import checks it, and gets its id from the declaration of its collection
//! ([`Collection::id_fields`]). Another program may have them in any order, so they are sorted on disk: the memory that
//! is used does not depend on their number. Nothing is written to a store or to the other program's database.

#[cfg(feature = "mongodb")]
mod mongodb;
mod sorter;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, IntoInnerError};
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::id;
use runstate_core::limits::DOCUMENT_BYTES;
use runstate_core::schema::{Catalog, Collection};
use runstate_engine::Error;
use runstate_value::time::Timestamp;
use runstate_value::{self as value, Document, Json, canonical_json, json_bytes};
use serde::Serialize;

#[cfg(feature = "mongodb")]
pub use self::mongodb::read_server;
use self::sorter::ExternalSorter;
use super::aggregate::part_reference;
use super::{
    ExportHeader, ExportRecord, ExportSink, ExportSummary, ExportTally, FORMAT, FileKind, LineReader, LineWriter,
};

/// Fails as `unsupported`: this build has no driver.
#[cfg(not(feature = "mongodb"))]
pub async fn read_server(
    _: &str,
    _: &runstate_core::operation::Domain,
    _: Timestamp,
    _: impl FnMut(InvalidDocument),
    _: impl FnMut(runstate_engine::Progress),
) -> Result<ForeignSource, Error> {
    let message = "cannot read a database on MongoDB: this build of runstate has no driver for it. Build one with `cargo install \
                   runstate-cli --features mongodb`, or with the feature `mongodb` of the crate `runstate`";
    Err(Error::new(ErrorCode::UNSUPPORTED, message))
}

/// A document of another program that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvalidDocument {
    /// Its collection.
    pub collection: String,
    /// Its id there; of an ObjectId its 24 digits.
    pub id: String,
    /// The reason.
    pub reason: String,
}

/// Count and hash of the documents of one collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectionSummary {
    /// Its name.
    pub collection: String,
    /// The number of its documents.
    pub documents: u64,
    /// SHA-256 over its documents in order, as in an export: equal for equal documents, whatever the store.
    pub sha256: String,
}

/// The valid documents of another program, for [`import`](crate::import()).
pub struct ForeignSource {
    /// The documents. They are in a temporary file without a name.
    pub source: LineReader<BufReader<File>>,
    /// Their collections, in the order of their names.
    pub collections: Vec<CollectionSummary>,
    /// The number of documents that are not valid.
    pub invalid: u64,
}

/// Collects documents of another program.
///
/// ```
/// # use runstate::schema::{Collection, Field};
/// # use runstate::{time::Timestamp, transfer::foreign::ForeignDocuments, value::Document};
/// static NOTES: Collection = Collection::new("demo.notes", 1).fields(&[Field::text("title")]).id_fields(&["title"]);
/// let mut documents = ForeignDocuments::new("a program", &[&NOTES], Timestamp::from_millis(0))?;
/// let invalid = documents.add(&NOTES, "7", Ok(Document::new()))?.unwrap();
/// assert_eq!(invalid.reason, "its id is composed of `title`, which is neither a text nor a number");
/// assert_eq!(documents.finish(|_| {})?.invalid, 1);
/// # Ok::<(), runstate::engine::Error>(())
/// ```
pub struct ForeignDocuments {
    name: String,
    header: ExportHeader,
    catalog: Catalog,
    sorter: ExternalSorter,
    invalid: u64,
    /// The invalid documents, or those of which they are parts; without an id, where that is unknown.
    incomplete: BTreeSet<(String, Option<String>)>,
}

impl ForeignDocuments {
    /// Begins with no document. `name` is the name of the source in errors.
    pub fn new(name: impl Into<String>, collections: &[&'static Collection], at: Timestamp) -> Result<Self, Error> {
        let catalog = Catalog::new(collections).map_err(|error| Error::internal(error.to_string()))?;
        let versions = collections.iter().map(|collection| (collection.name.to_owned(), collection.version)).collect();
        let header = ExportHeader {
            runstate: FileKind::Export,
            format: FORMAT,
            at: at.to_rfc3339(),
            store: None,
            collections: versions,
            declarations: Vec::new(),
        };
        Ok(Self {
            name: name.into(),
            header,
            catalog,
            sorter: ExternalSorter::default(),
            invalid: 0,
            incomplete: BTreeSet::new(),
        })
    }

    /// Adds a document with its id in the source; `Err`: the reason why it has no JSON form. Returns the document if it
    /// cannot be imported.
    pub fn add(
        &mut self,
        collection: &'static Collection,
        id: &str,
        document: Result<Document, String>,
    ) -> Result<Option<InvalidDocument>, Error> {
        let document = document.map(Arc::new);
        match document.clone().and_then(|document| read(&self.catalog, collection, id, document)) {
            Ok((key, line)) => self.sorter.add(key, line).map(|()| None).map_err(|error| temporary_file(&error)),
            Err(reason) => {
                self.invalid += 1;
                self.incomplete.extend(find_whole(&self.catalog, collection, id, document.ok().as_deref()));
                Ok(Some(InvalidDocument { collection: collection.name.to_owned(), id: id.to_owned(), reason }))
            }
        }
    }

    /// Makes the source of an import. None of several documents with one id is in it.
    pub fn finish(self, mut on_invalid: impl FnMut(InvalidDocument)) -> Result<ForeignSource, Error> {
        let Self { name, header, catalog, sorter, mut invalid, mut incomplete } = self;
        let failed = |error: std::io::Error| temporary_file(&error);
        let mut output = LineWriter::new(BufWriter::new(tempfile::tempfile().map_err(failed)?), "a temporary file");
        output.begin(&header)?;
        let (mut tally, mut collections) = (ExportTally::default(), BTreeMap::<String, ExportTally>::new());
        let mut sorted = sorter.sort().map_err(failed)?;
        let mut next = sorted.next().map_err(failed)?;
        while let Some((key, line)) = next {
            let mut copies = 1;
            next = sorted.next().map_err(failed)?;
            while let Some((_, copy)) = next.take_if(|(other, _)| *other == key) {
                copies += 1;
                incomplete.extend(find_whole_of_line(&catalog, &copy));
                next = sorted.next().map_err(failed)?;
            }
            let (collection, id) = key.split_once(KEY_SEPARATOR).unwrap_or((&key, ""));
            if copies > 1 {
                invalid += copies;
                incomplete.extend(find_whole_of_line(&catalog, &line));
                let (collection, id) = (collection.to_owned(), id.to_owned());
                on_invalid(InvalidDocument { collection, id, reason: format!("{copies} documents have this id") });
                continue;
            }
            tally.add(collection, &line);
            collections.entry(collection.to_owned()).or_default().add(collection, &line);
            output.line(&line)?;
        }
        output.end(&tally.summary())?;
        let file = output.into_inner().into_inner().map_err(|error| failed(IntoInnerError::into_error(error)))?;
        let summary = |(collection, tally): (String, ExportTally)| {
            let ExportSummary { counts, contents } = tally.summary();
            CollectionSummary { collection, documents: counts.values().sum(), sha256: contents }
        };
        Ok(ForeignSource {
            source: LineReader::new(BufReader::new(file), name, catalog).with_incomplete(incomplete),
            collections: collections.into_iter().map(summary).collect(),
            invalid,
        })
    }
}

/// Separates collection and id in a sort key. It sorts before every character of a name, and no id has it.
const KEY_SEPARATOR: char = '\t';

/// The sort key of a document and its line in an export; `Err`: why it cannot be imported.
fn read(
    catalog: &Catalog,
    collection: &'static Collection,
    id: &str,
    document: Arc<Document>,
) -> Result<(String, String), String> {
    let bytes = json_bytes(&*document);
    if bytes > DOCUMENT_BYTES {
        return Err(format!("it has {bytes} bytes; at most {DOCUMENT_BYTES} are allowed"));
    }
    let id = document_id(collection, id, &document)?;
    let record = ExportRecord { collection, id: (*id).into(), version: collection.version, document };
    let line = record.line();
    // Read as the import reads it: whole doubles have become integers.
    let exported = value::parse_bytes(line.as_bytes()).map_err(|error| error.to_string())?;
    let prefix = format!("{}: ", record.key());
    ExportRecord::read(catalog, exported).map_err(|why| why.strip_prefix(&prefix).unwrap_or(&why).to_owned())?;
    Ok((format!("{}{KEY_SEPARATOR}{id}", collection.name), line))
}

/// The id of a document with the id `id` in the source.
fn document_id(collection: &Collection, id: &str, document: &Document) -> Result<String, String> {
    match collection.id_fields {
        [] => match collection.detached {
            Some(series) => row_id(document, series.time, id),
            None => Ok(id.to_owned()),
        },
        fields => Ok(fields.iter().map(|field| id_part(document, field)).collect::<Result<Vec<_>, _>>()?.join(":")),
    }
}

/// The document that an invalid one is or is a part of, by its collection and its id if that is known. `None`: it has
/// no parts.
fn find_whole(
    catalog: &Catalog,
    collection: &Collection,
    id: &str,
    document: Option<&Document>,
) -> Option<(String, Option<String>)> {
    if let Some(reference) = part_reference(collection) {
        let whole = document.and_then(|document| value::get(document, reference.field)).and_then(Json::as_str);
        return Some((reference.collection.to_owned(), whole.map(str::to_owned)));
    }
    let is_part_of_it =
        |one: &&Collection| part_reference(one).is_some_and(|whole| whole.collection == collection.name);
    catalog.iter().find(is_part_of_it)?;
    Some((collection.name.to_owned(), document_id(collection, id, document.unwrap_or(&Document::new())).ok()))
}

fn find_whole_of_line(catalog: &Catalog, line: &str) -> Option<(String, Option<String>)> {
    let record = ExportRecord::read(catalog, value::parse_bytes(line.as_bytes()).ok()?).ok()?;
    find_whole(catalog, record.collection, &record.id, Some(&record.document))
}

/// The id of a row of a time series: it begins with the time of the row, and is the same in every import.
fn row_id(document: &Document, time: &str, id: &str) -> Result<String, String> {
    let at = value::get(document, time).and_then(Json::as_i64).ok_or_else(|| format!("{time}: is not a timestamp"))?;
    let mut random = [0; 10];
    random.copy_from_slice(&id::sha256(&[id.as_bytes()])[..10]);
    Ok(id::uuid_v7(Timestamp::from_millis(at), random))
}

fn id_part(document: &Document, field: &str) -> Result<String, String> {
    match value::get(document, field) {
        Some(Json::String(text)) => Ok(text.clone()),
        Some(number @ Json::Number(_)) => Ok(canonical_json(number)),
        _ => Err(format!("its id is composed of `{field}`, which is neither a text nor a number")),
    }
}

fn temporary_file(error: &std::io::Error) -> Error {
    Error::new(ErrorCode::IO, format!("a temporary file cannot be written or read: {error}"))
}

#[cfg(test)]
mod tests;
