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
    /// The rows of one execution.
    Rows(RowKind, &'a str),
    /// The executions that have rows: one document for each, with the number of its rows.
    Owners(RowKind),
}

/// The rows that an execution has beside its own document. Each version of the older CVM kept some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Calls, in the order of `request.timestamp`.
    Calls,
    /// Its log.
    Logs,
    /// Lines that it printed: rows with `lines`.
    Output,
    /// Its history, in the order of `timestamp` and `step`.
    History,
}

impl RowKind {
    /// Every kind.
    pub const ALL: [RowKind; 4] = [RowKind::Calls, RowKind::Logs, RowKind::Output, RowKind::History];

    /// The collection that holds them.
    pub const fn collection(self) -> &'static str {
        match self {
            RowKind::Calls => "cc_history",
            RowKind::Logs => "execution_logs",
            RowKind::Output => "outputs",
            RowKind::History => "history",
        }
    }
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
    /// How many programs and executions there are, where that is known.
    fn total(&self) -> Option<u64> {
        None
    }
    /// Files that are not part of such a database.
    fn unknown_files(&self) -> Vec<Left> {
        Vec::new()
    }
}
