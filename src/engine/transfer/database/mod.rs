//! What an older CVM stored: `programs`, `executions`, `cc_history` and `execution_logs`, and beside them `outputs` and `history`, in a
//! database or in a folder.
//!
//! A program is compiled anew for what is started from now on; the bytecode it came with stays as its first version, and executions that
//! have not ended go on in it, where they stood: they wait for their answer, or run on from their last save. What cannot be taken over is
//! told, each by its id, with the reason. Where the documents come from is the business of who implements [`OlderDatabase`].

mod carry;
mod fields;
mod heap;
mod history;
mod read;
mod rows;

cfg_if::cfg_if! {
    if #[cfg(feature = "mongodb")] {
        mod mongodb;
    } else {
        #[path = "no_mongodb.rs"]
        mod mongodb;
    }
}

use crate::engine::Error;
use crate::engine::transfer::disk::Left;
use crate::marker::{BoxFuture, MaybeSend, MaybeSync};
use crate::value::Json;

pub use self::mongodb::OlderMongoDb;

/// What is asked of such a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// All programs.
    Programs,
    /// All executions.
    Executions,
    /// The calls of one execution, in the order of `request.timestamp`.
    Calls(&'a str),
    /// The log of one execution.
    Logs(&'a str),
    /// Which executions the calls are of: one row for each, with how many as its document.
    CallOwners,
    /// The same of the log.
    LogOwners,
}

/// What some versions of the older CVM kept beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside<'a> {
    /// Lines that one execution printed: rows with `lines`.
    Output(&'a str),
    /// The history of one execution, in the order of `timestamp` and `step`.
    History(&'a str),
    /// Which executions the output is of, as [`Ask::CallOwners`].
    OutputOwners,
    /// Which executions the history is of.
    HistoryOwners,
}

/// A document that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its id as text; of an ObjectId its 24 digits.
    pub id: String,
    /// All of it as JSON, dates as RFC 3339 text, references as text; or why it has none.
    pub document: Result<Json, String>,
}

/// Documents, one after the other.
pub trait Rows: MaybeSend {
    /// The next one.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Found>, Error>>;
}

/// A database of the older CVM.
pub trait OlderDatabase: MaybeSync {
    /// How it is called in errors; without any password.
    fn name(&self) -> &str;
    /// Asks it. A collection that is not there is empty.
    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Box<dyn Rows + 'a>, Error>>;
    /// Asks for what may be kept beside.
    fn beside<'a>(&'a self, _: Beside<'a>) -> BoxFuture<'a, Result<Box<dyn Rows + 'a>, Error>> {
        Box::pin(async { Ok(Box::new(Nothing) as Box<dyn Rows>) })
    }
    /// How many programs and executions there are, where that is known.
    fn total(&self) -> Option<u64> {
        None
    }
    /// What is there and is not part of such a database.
    fn strangers(&self) -> Vec<Left> {
        Vec::new()
    }
}

/// No rows.
struct Nothing;

impl Rows for Nothing {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Found>, Error>> {
        Box::pin(async { Ok(None) })
    }
}
