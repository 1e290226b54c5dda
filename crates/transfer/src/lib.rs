//! Transfer of the contents of a store into another store of any kind, through the [`Store`](runstate_store::Store)
//! interface.
//!
//! An export is an [`ExportHeader`], which also declares the collections that were declared at run time, then every
//! document of every declared collection, by collection and id, then the rows of the command ledger, then counts and
//! hashes. Two exports with the same hash have the same contents. Because of the ledger, a command that is repeated
//! after the transfer still returns its first result. The form is lines of JSON ([`LineWriter`], [`LineReader`]) or a
//! folder for people, with declared timestamps as RFC 3339 text. Revisions are not part of it: a document begins a new
//! incarnation where it is imported. The export of one execution contains the execution, its rows and the version of
//! the program that it runs ([`Selection`]).
//!
//! An import has three phases. It *plans*: it reads the whole source once and checks it ([`check`]), and compares the
//! collections of which the store has documents already. It *applies* the plan: it inserts what the store lacks, and
//! updates what an earlier import wrote, nothing else has changed since, and the source has changed. It *verifies*: it
//! reads everything again from the store ([`import()`]). It overwrites no other document. If it was interrupted, a
//! repeat continues it.
//!
//! | file | contents |
//! |---|---|
//! | `export.rs` | exports, and selections of documents |
//! | `import.rs` | the phases of an import; verification |
//! | `source_check.rs` | the check of the source |
//! | `plan.rs` | the comparison with the store and with earlier imports |
//! | `aggregate.rs` | documents with their parts, which are updated together |
//! | `taken_entry.rs` | unique values that pass from one document to another |
//! | `imported_row.rs` | what a store knows of the documents that imports wrote |
//! | `apply.rs` | the insertions, and their roll-back if the store rejects one |
//! | `update.rs` | the updates |
//! | `record.rs`, `lines.rs`, `disk/` | the forms of exports: a document, lines, files and folders |
//! | `foreign/` | documents of another program that has the collections of a domain, as the source of an import |
//! | `window.rs` | changes that belong together, from the change feed |
//! | `backup/` | a backup that follows the change feed, and its state at a point in time |
//! | `mirror/` | a second store that is kept equal to a store, and its comparison |

// The derive macros name the library by its path.
extern crate runstate_core as runstate;

mod aggregate;
mod apply;
#[cfg(all(feature = "object-store", not(target_family = "wasm")))]
pub mod backup;
#[cfg(not(target_family = "wasm"))]
pub mod disk;
mod export;
#[cfg(not(target_family = "wasm"))]
pub mod foreign;
mod import;
mod imported_row;
mod lines;
#[cfg(not(target_family = "wasm"))]
pub mod mirror;
mod plan;
mod record;
mod source_check;
mod taken_entry;
mod update;
// Mirrors use a part of it.
#[cfg_attr(not(feature = "object-store"), allow(dead_code))]
#[cfg(not(target_family = "wasm"))]
mod window;

use std::collections::BTreeMap;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::hex;
use runstate_core::operation::Parameter;
use runstate_core::schema::{Catalog, Key, Wire};
use runstate_engine::{CollectionDeclaration, Engine, Error, VersionChoice, exported_collections};
pub use runstate_engine::{Phase, Progress};
use runstate_store as store;
use runstate_store::COMMANDS;
use runstate_value as value;
use runstate_value::{Document, Json, SortedSet, collect_btree_map};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

pub use export::Selection;
pub use import::ImportReport;
pub use imported_row::{is_imported_from, record_imported};
pub use lines::{LineReader, LineWriter};
pub use record::ExportRecord;
pub use source_check::{CheckedSource, SourceChecker, check};

/// The format of exports that this version writes, and the newest that it reads.
pub const FORMAT: u64 = 1;

/// Prefix of the fingerprints of imports in the ledger. These rows have no meaning in another store, so they are not
/// exported.
const IMPORT_FINGERPRINT: &str = "runstate.import:";

/// The first part of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeader {
    /// The kind of the file.
    pub runstate: FileKind,
    /// [`FORMAT`] of the version that wrote it.
    pub format: u64,
    /// The time of the export, RFC 3339.
    pub at: String,
    /// The id of the exported store, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The schema versions of its collections.
    pub collections: BTreeMap<String, u32>,
    /// The declarations of those collections that were declared at run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declarations: Vec<Document>,
}

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// An export.
    Export,
}

impl ExportHeader {
    async fn new(engine: &Engine) -> Result<Self, Error> {
        let (catalog, at) = (engine.catalog(), engine.now().to_rfc3339());
        let collections =
            collect_btree_map(exported_collections(&catalog).into_iter().map(|c| (c.name.to_owned(), c.version)));
        let declarations = engine.exported_declarations(&catalog).await?;
        let store = engine.store().store_id();
        Ok(Self { runstate: FileKind::Export, format: FORMAT, at, store, collections, declarations })
    }

    /// The declarations of collections that were declared at run time. `name` is that of the source.
    fn declarations(&self, name: &str) -> Result<Vec<(CollectionDeclaration, VersionChoice)>, Error> {
        let read = |document: &Document| {
            let declaration = CollectionDeclaration::from_document(document.clone());
            declaration
                .map_err(|why| Error::new(ErrorCode::CORRUPT, format!("{name}: a declaration is damaged ({why})")))
        };
        self.declarations.iter().map(read).collect()
    }

    /// `catalog` with the collections as they were declared where the export was made.
    fn extend_catalog(&self, catalog: &Catalog, name: &str) -> Result<Catalog, Error> {
        let declared = self.declarations(name)?;
        let declared =
            declared.iter().map(|(declaration, _)| declaration.collection()).collect::<Result<Vec<_>, Error>>()?;
        catalog.with(&declared).map_err(|error| Error::new(ErrorCode::CORRUPT, format!("{name}: {error}")))
    }

    /// Reads a header. A newer format is reported as such, even if the header cannot be read otherwise.
    fn read(header: &Json, name: &str) -> Result<Self, Error> {
        if header.get("runstate") != Some(&json!(FileKind::Export)) {
            return Err(Error::new(ErrorCode::CORRUPT, format!("{name} is not an export of runstate")));
        }
        match header.get("format").and_then(Json::as_u64) {
            Some(found) if found > FORMAT => {
                Err(store::StoreError::NewerVersion { what: name.to_owned(), found, supported: FORMAT }.into())
            }
            _ => value::from_value(header)
                .map_err(|e| Error::new(ErrorCode::CORRUPT, format!("{name}: its header is damaged ({e})"))),
        }
    }

    /// Checks that the catalog has all its collections, in these versions or newer ones.
    fn check_supported(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        for (collection, version) in &self.collections {
            let Some(declared) = record::find_collection(catalog, collection) else {
                let message = format!(
                    "{name} has documents of collection `{collection}`, which this version of runstate does not support. Use a newer version"
                );
                return Err(Error::new(ErrorCode::UNSUPPORTED, message));
            };
            if *version > declared.version {
                let (found, supported) = (u64::from(*version), u64::from(declared.version));
                let what = format!("collection `{collection}` of {name}");
                return Err(store::StoreError::NewerVersion { what, found, supported }.into());
            }
        }
        Ok(())
    }
}

/// Writes all documents of the store to `sink`; see [`export_selection`].
pub async fn export<S: ExportSink>(
    engine: &Engine,
    sink: &mut S,
    progress: impl FnMut(Progress),
) -> Result<ExportSummary, Error> {
    export_selection(engine, &Selection::All, sink, progress).await
}

/// Writes the selected documents to `sink`, as of one moment. If they are written to meanwhile, the export begins
/// again, a few times. An import accepts the export of any selection. Encrypted secrets stay encrypted, and need no
/// key.
///
/// The undamaged part of a damaged store is exported;
/// [`StoreAdmin::read_only_reason`](runstate_store::StoreAdmin::read_only_reason) reports the damage. A store that a
/// newer version wrote is rejected, and so is an export of all documents if the store has documents of a domain that
/// this program does not have ([`ErrorCode::UNSUPPORTED`]): they would be missing.
pub async fn export_selection<S: ExportSink>(
    engine: &Engine,
    selection: &Selection,
    sink: &mut S,
    progress: impl FnMut(Progress),
) -> Result<ExportSummary, Error> {
    export::export_selection(&engine.at_rest(), selection, Secrets::Encrypted, sink, progress).await
}

/// As [`export_selection`], with secrets in plain text. [`ErrorCode::KEY_MISSING`]: a key is not given.
pub async fn export_plain_text<S: ExportSink>(
    engine: &Engine,
    selection: &Selection,
    sink: &mut S,
    progress: impl FnMut(Progress),
) -> Result<ExportSummary, Error> {
    export::export_selection(engine, selection, Secrets::PlainText, sink, progress).await
}

/// Writes the documents of `source` into the store, with the default options; see [`import_with`].
pub async fn import<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    checked: &CheckedSource,
    progress: impl FnMut(Progress),
) -> Result<ImportReport, Error> {
    import::import(engine, source, checked, &ImportOptions::default(), progress).await
}

/// Writes the documents of `source` into the store. `checked` is the result of [`check`] on it.
///
/// A document that the store has already is skipped, so a repeat continues an interrupted import. A source that went on
/// is imported again: what is new there is inserted, and a document that has changed there is updated, if an import
/// wrote it and nothing else has changed it since. A document that has changed or was deleted only in this store is kept
/// so. What was deleted in the source stays, except for parts of an updated document. An execution and its parts count
/// as one document, and are updated in one commit, or in a few if they exceed a batch. An older export updates
/// nothing, and neither does an export of another store than the one that was imported before, if both have ids.
///
/// A source may have left documents out ([`ImportSource::is_complete`]). A document with such parts is not updated, and
/// is reported as a conflict that was kept.
///
/// If the store has another document, because it was not imported or has changed on both sides, the error is
/// [`ErrorCode::ALREADY_EXISTS`], before anything is written; see [`ConflictPolicy`]. A document that is too large for
/// the store is also rejected then. If the store rejects an insertion only when it is written, the documents inserted
/// before are removed. At the end all documents are read again from the store, and their hash is compared.
pub async fn import_with<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    checked: &CheckedSource,
    options: &ImportOptions,
    progress: impl FnMut(Progress),
) -> Result<ImportReport, Error> {
    import::import(engine, source, checked, options, progress).await
}

/// The options of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// What happens to documents that have changed on both sides.
    pub conflicts: ConflictPolicy,
    /// Inserts documents again that an import wrote and that were deleted in this store since.
    pub restore_deleted: bool,
    /// Whether every difference is a conflict, also one that a repeated import would update or keep. A restore wants
    /// the state of its source, and overwrites nothing.
    pub exact: bool,
}

/// What an import does if a document has changed both in its source and in the store since it was imported, or was not
/// imported and differs.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq, Parameter)]
pub enum ConflictPolicy {
    /// It fails, and changes nothing.
    #[default]
    Refuse,
    /// It keeps the document of the store with its parts, imports the others, and reports it.
    Keep,
}

/// The form of secrets in an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Secrets {
    /// As they are at rest.
    Encrypted,
    /// Decrypted.
    PlainText,
}

/// The destination of an export.
pub trait ExportSink {
    /// Begins an export. It is called again if the store was written to meanwhile; all that was written before is void.
    fn begin(&mut self, header: &ExportHeader) -> Result<(), Error>;
    /// Writes the next document; `line` is its line in an export.
    fn put(&mut self, record: &ExportRecord, line: &str) -> Result<(), Error>;
    /// Ends the export: all documents were written, and the store was not written to meanwhile.
    fn end(&mut self, summary: &ExportSummary) -> Result<(), Error>;
}

/// The source of an import.
pub trait ImportSource {
    /// Its name in errors.
    fn name(&self) -> &str;
    /// Goes to the beginning.
    fn rewind(&mut self) -> Result<ExportHeader, Error>;
    /// Goes to the first document of `collection`, as found when all was read before; `false`: there is none.
    fn seek(&mut self, collection: &'static str) -> Result<bool, Error>;
    /// The next document, by collection and id; after the last one the end.
    fn next(&mut self) -> Result<SourceItem, Error>;
    /// Whether it has this document and all parts of it that exist there, so that other parts have been removed.
    fn is_complete(&self, document: &Key) -> bool {
        _ = document;
        true
    }
}

/// An item of an [`ImportSource`].
#[derive(Debug)]
pub enum SourceItem {
    /// A document.
    Record(ExportRecord),
    /// The end, with the summary that all documents must have.
    End(ExportSummary),
}

/// Counts and hash of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ExportSummary")]
pub struct ExportSummary {
    /// Number of documents per collection, rows of the ledger included.
    pub counts: BTreeMap<String, u64>,
    /// SHA-256 over all documents in order: equal for equal contents, whatever the store and the form.
    pub contents: String,
}

impl ExportSummary {
    /// Number of documents, without the ledger.
    pub fn documents(&self) -> u64 {
        self.total() - self.ledger()
    }

    /// Number of rows of the ledger.
    pub fn ledger(&self) -> u64 {
        self.counts.get(COMMANDS.name).copied().unwrap_or_default()
    }

    /// Number of documents and of rows of the ledger.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The difference between this summary and the one `found`, in words; `None`: they are equal.
    fn difference(&self, found: &ExportSummary) -> Option<String> {
        if self == found {
            return None;
        }
        let names = SortedSet::of(self.counts.keys().chain(found.counts.keys()));
        let count = |summary: &ExportSummary, name: &String| summary.counts.get(name).copied().unwrap_or_default();
        let differing = names.keys().copied().find(|name| count(self, name) != count(found, name));
        Some(match differing {
            Some(name) => {
                format!("{} documents of {name} where {} were exported", count(found, name), count(self, name))
            }
            None => "a document differs from the exported one".to_owned(),
        })
    }
}

/// Counts and hashes documents.
#[derive(Clone, Default)]
struct ExportTally {
    counts: BTreeMap<String, u64>,
    hash: Sha256,
}

impl ExportTally {
    /// Adds a document of `collection`; `line` is its line.
    fn add(&mut self, collection: &str, line: &str) {
        match self.counts.get_mut(collection) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(collection.to_owned(), 1)),
        }
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
    }

    /// The counts and the hash.
    fn summary(self) -> ExportSummary {
        ExportSummary { counts: self.counts, contents: hash_text(self.hash) }
    }
}

fn hash_text(hash: Sha256) -> String {
    let digest: [u8; 32] = hash.finalize().into();
    hex(&digest)
}

#[cfg(test)]
mod tests {
    use runstate_core::operation::Registry;

    /// Domains with documents that belong to each other.
    pub fn registry() -> Registry {
        Registry::new(&[&runstate_domain_cvm::DOMAIN, &runstate_domain_fleet::DOMAIN]).unwrap()
    }
}
