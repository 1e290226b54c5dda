//! Data of the older CVM: the collections `programs`, `executions`, `cc_history` and `execution_logs`, and also
//! `outputs` and `history`, in a database or in a folder.
//!
//! A program is compiled anew for executions that are started later. Its original bytecode becomes its first version.
//! Executions that have not ended continue in that bytecode where they were: they wait for their answer, or run on from
//! their last save. A repeated import updates those that have advanced there and not here. Each item that cannot be
//! imported is reported by its id, with the reason. An implementation of [`LegacyDatabase`] provides the documents.

mod directory;
mod documents;
mod importer;
mod rows;
mod update;
mod values;

cfg_if::cfg_if! {
    if #[cfg(feature = "mongodb")] {
        mod mongodb;
        pub use self::mongodb::LegacyMongoDb;
        const SERVER: Option<ServerOpener> = Some(mongodb::open_server);
    } else {
        const SERVER: Option<ServerOpener> = None;
    }
}

use runstate_core::decision::Command;
use runstate_core::error_code::ErrorCode;
use runstate_core::id::{CommandId, hex, sha256};
use runstate_core::marker::{BoxFuture, MaybeSend, MaybeSync};
use runstate_domain_cvm::codes;
use runstate_engine::{Engine, Error};
use runstate_value::{Json, canonical_json};
use serde::Serialize;

pub use self::directory::LegacyDirectory;
pub use self::importer::import_legacy;
use self::values::FieldResult;

/// A query to a database of the older CVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyQuery<'a> {
    /// All programs.
    Programs,
    /// All executions.
    Executions,
    /// The rows of one execution.
    Rows(LegacyRowKind, &'a str),
    /// The executions that have rows of this kind: one document for each, with the number of its rows.
    Owners(LegacyRowKind),
}

/// The rows of an execution besides its own document. Each version of the older CVM stored some of these kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyRowKind {
    /// Calls, in the order of `request.timestamp`.
    Calls,
    /// Its log.
    Logs,
    /// Lines that it printed: rows with `lines`.
    Output,
    /// Its history, in the order of `timestamp` and `step`.
    History,
}

impl LegacyRowKind {
    /// Every kind.
    pub const ALL: [LegacyRowKind; 4] =
        [LegacyRowKind::Calls, LegacyRowKind::Logs, LegacyRowKind::Output, LegacyRowKind::History];

    /// The collection that contains them.
    pub const fn collection(self) -> &'static str {
        match self {
            LegacyRowKind::Calls => "cc_history",
            LegacyRowKind::Logs => "execution_logs",
            LegacyRowKind::Output => "outputs",
            LegacyRowKind::History => "history",
        }
    }
}

/// A document of the older CVM.
#[derive(Clone, Debug, PartialEq)]
pub struct LegacyDocument {
    /// Its id as text; of an ObjectId its 24 digits.
    pub id: String,
    /// All of it as JSON, with dates as RFC 3339 text and references as text; or why it cannot be read.
    pub document: Result<Json, String>,
}

/// A sequence of documents. Every iterator is one.
pub trait LegacyRows: MaybeSend {
    /// The next document.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LegacyDocument>, Error>>;
}

impl<I: Iterator<Item = Result<LegacyDocument, Error>> + MaybeSend> LegacyRows for I {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LegacyDocument>, Error>> {
        let next = Iterator::next(self).transpose();
        Box::pin(async move { next })
    }
}

/// A database of the older CVM.
pub trait LegacyDatabase: MaybeSync {
    /// Its name in errors, without any password.
    fn name(&self) -> &str;
    /// Runs a query. A collection that does not exist is empty.
    fn query<'a>(&'a self, query: LegacyQuery<'a>) -> BoxFuture<'a, Result<Box<dyn LegacyRows + 'a>, Error>>;
    /// The number of programs and executions, if known.
    fn total(&self) -> Option<u64> {
        None
    }
    /// Files that are not part of such a database.
    fn unknown_files(&self) -> Vec<SkippedItem> {
        Vec::new()
    }
}

type ServerOpener = fn(&str) -> BoxFuture<'_, Result<Box<dyn LegacyDatabase>, Error>>;

/// Opens a database of the older CVM on a MongoDB server: the one in the path of the URL, else `cvm`.
///
/// Errors: `unsupported` if this build has no driver.
pub async fn open_server(url: &str) -> Result<Box<dyn LegacyDatabase>, Error> {
    let Some(open) = SERVER else {
        let message = "cannot read a database on MongoDB: this build of runstate has no driver for it. Build one with `cargo install \
                       runstate-cli --features mongodb`, or with the feature `mongodb` of the crate `runstate`";
        return Err(Error::new(ErrorCode::UNSUPPORTED, message));
    };
    open(url).await
}

/// The result of an import from the older CVM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LegacyImportReport {
    /// Programs that are in this store now.
    pub programs: Vec<ImportedProgram>,
    /// Executions that had ended and are here now.
    pub executions: Vec<String>,
    /// Items that were not imported.
    pub left: Vec<SkippedItem>,
}

/// A program that was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedProgram {
    /// Its id.
    pub id: String,
    /// Its name in this store.
    pub name: String,
}

/// An item that was not imported, or was imported with changes, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedItem {
    /// Its kind: `program`, `compilation`, `execution`, `fields`, `call`, `history`, `file` and the like.
    pub what: &'static str,
    /// Its id or name.
    pub id: String,
    /// The reason.
    pub why: String,
}

/// Executes under an id derived from the imported data, so that a repeat returns the first result.
async fn import_once<C: Command>(engine: &Engine, command: &C) -> Result<C::Output, Error> {
    let digest = hex(&sha256(&[C::NAME.as_bytes(), command_text(command)?.as_bytes()])[..16]);
    Ok(engine.execute_as(command, Some(&CommandId::new(&format!("carry-{digest}"))?)).await?.output)
}

/// The canonical JSON of a command: equal for equal data.
fn command_text(command: &impl Command) -> Result<String, Error> {
    serde_json::to_value(command).map(|json| canonical_json(&json)).map_err(|e| Error::internal(e.to_string()))
}

/// The item that `error` concerns. An error of the store is returned instead, and ends the import.
fn skipped_item(what: &'static str, id: &str, error: Error) -> Result<SkippedItem, Error> {
    let concerns_item = matches!(
        error.code,
        ErrorCode::COMPILE_ERROR
            | ErrorCode::UNSUPPORTED
            | ErrorCode::INVALID
            | codes::INVALID_BYTECODE
            | ErrorCode::ALREADY_EXISTS
            | ErrorCode::NOT_FOUND
            | ErrorCode::TOO_LARGE
            | ErrorCode::COMMAND_ID_REUSED
    );
    if concerns_item { Ok(SkippedItem { what, id: id.to_owned(), why: error.message }) } else { Err(error) }
}
