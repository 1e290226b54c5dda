//! A database of the older CVM: `programs`, `executions`, `cc_history` and `execution_logs`, written by other programs or by hand.
//!
//! A program is compiled anew for what is started from now on; the bytecode it came with stays as its first version, and executions that
//! have not ended go on in it, where they stood: they wait for their answer, or run on from their last save. What cannot be taken over is
//! told, each by its id, with the reason. Where the documents come from is the business of who implements [`OlderDatabase`].

mod carry;
mod fields;
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
}
