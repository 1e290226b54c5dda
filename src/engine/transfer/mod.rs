//! Moving what a store holds into another one, whatever kind either is: all goes through the port.
//!
//! An export is a [`Header`], then every document of every declared collection by collection and id, then the rows of the ledger, so that
//! a command that is repeated after the move is still answered from its first result, then counts and hashes. It comes as lines of JSON
//! ([`LineWriter`], [`LineReader`]) or as a folder to be read by people. Declared timestamps are RFC 3339 text in it. Revisions are not
//! part of it: a document begins a new life where it is imported. Of one execution it holds the execution, its rows and the version of the program
//! that it runs ([`Selection`]).
//!
//! An import first reads all of it and checks it ([`check`]), then compares it with what is in the store, and only then writes
//! ([`Engine::import`](super::Engine::import)): nothing that is there is ever overwritten, and an import that was cut off goes on where it was
//! when it is repeated.

#[cfg(not(target_family = "wasm"))]
pub mod database;
#[cfg(not(target_family = "wasm"))]
pub mod disk;
mod export;
mod import;
mod lines;
mod record;
mod select;
mod tally;
mod undo;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Error;
use crate::code::Code;
use crate::schema::Catalog;
use crate::store;
use crate::value::{self, Json, tree};

pub use import::{Checked, Checking, Imported, check};
pub use lines::{LineReader, LineWriter};
pub use record::Record;
pub(super) use record::collections;
pub use select::Selection;
pub(super) use select::is_deep;
pub use tally::Summary;

/// The format of exports that this version writes, and the newest that it reads.
pub const FORMAT: u64 = 1;

/// Begins the fingerprints under which imports stand in the ledger. They say nothing anywhere else and are not exported.
const OWN: &str = "runstate.import:";

/// What an export begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the file is.
    pub runstate: Is,
    /// [`FORMAT`] of the version that wrote it.
    pub format: u64,
    /// When it was made, RFC 3339.
    pub at: String,
    /// The schema versions of its collections.
    pub collections: BTreeMap<String, u32>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Is {
    /// An export.
    Export,
}

impl Header {
    fn of(catalog: &Catalog, at: crate::time::Timestamp) -> Self {
        let collections = tree(record::collections(catalog).into_iter().map(|c| (c.name.to_owned(), c.version)));
        Self { runstate: Is::Export, format: FORMAT, at: at.to_rfc3339(), collections }
    }

    /// Reads a header; what is newer is told as such, even where it reads otherwise.
    fn read(header: &Json, name: &str) -> Result<Self, Error> {
        if header.get("runstate") != Some(&json!(Is::Export)) {
            return Err(Error::new(Code::Corrupt, format!("{name} is no export of runstate")));
        }
        match header.get("format").and_then(Json::as_u64) {
            Some(found) if found > FORMAT => {
                Err(store::Error::NewerVersion { what: name.to_owned(), found, supported: FORMAT }.into())
            }
            _ => value::read(header)
                .map_err(|e| Error::new(Code::Corrupt, format!("{name}: its header is damaged ({e})"))),
        }
    }

    /// Whether all its collections can be kept here.
    fn fits(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        for (collection, version) in &self.collections {
            let Some(known) = record::known(catalog, collection) else {
                let message = format!("{name} has documents of `{collection}`, which this program does not know");
                return Err(Error::new(Code::Unsupported, message));
            };
            if *version > known.version {
                let (found, supported) = (u64::from(*version), u64::from(known.version));
                let what = format!("collection `{collection}` of {name}");
                return Err(store::Error::NewerVersion { what, found, supported }.into());
            }
        }
        Ok(())
    }
}

/// Where an export goes.
pub trait Sink {
    /// Begins; called again where the store did not hold still: what came before is void.
    fn begin(&mut self, header: &Header) -> Result<(), Error>;
    /// Takes the next document; `line` is its one form as text.
    fn put(&mut self, record: &Record, line: &str) -> Result<(), Error>;
    /// All has been told, and the store held still.
    fn end(&mut self, summary: &Summary) -> Result<(), Error>;
}

/// Where an import comes from.
pub trait Source {
    /// How it is called in errors.
    fn name(&self) -> &str;
    /// Goes to its beginning.
    fn rewind(&mut self) -> Result<Header, Error>;
    /// Goes to the first document of `collection`, as seen when all was read before; `false`: there is none.
    fn seek(&mut self, collection: &'static str) -> Result<bool, Error>;
    /// The next document, by collection and id; after the last one the end.
    fn next(&mut self) -> Result<Item, Error>;
}

/// What comes next of a [`Source`].
#[derive(Debug)]
pub enum Item {
    /// A document.
    Record(Record),
    /// No more; what it should all have been.
    End(Summary),
}

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Documents so far.
    pub done: u64,
    /// Of so many, where that is known.
    pub of: Option<u64>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Phase {
    /// The store is read.
    Export,
    /// What comes is read and checked; nothing is written yet.
    Check,
    /// It is compared with what is there; nothing is written yet.
    Compare,
    /// It is written.
    Write,
    /// What was written is read again and compared.
    Verify,
}
