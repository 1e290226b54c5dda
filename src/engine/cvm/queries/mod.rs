//! What is asked of programs, executions and calls: one method of [`Cvm`](super::Cvm) for each question that people and tools ask again
//! and again. They read and change nothing, and finding nothing is no error. Which question goes to the store is told apart from
//! asking it, so that tests can count what it costs there.
//!
//! All that is shown is read from the fields it stands in, one by one: a document that is damaged elsewhere, or a newer program's, is
//! shown as far as it can be read and hides no other.

mod calls;
mod changes;
mod executions;
mod fields;
mod latency;
mod logs;
mod programs;
mod stats;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::code::Code;
use crate::engine::Error;
use crate::schema::Query;

pub use calls::{CallClaim, CallFault, CallListing, CallRow};
pub use changes::{ChangesOf, CvmChange, CvmChanges, Thing};
pub use executions::{Listing, Place, Summary};
pub use latency::Latency;
pub use logs::{LogListing, LogPage, LogRow};
pub use programs::{ProgramSummary, ProgramView, VersionSummary, VersionView};
pub use stats::{Spread, Stats};

/// Rows of a page where the caller does not say.
const PAGE_ROWS: u32 = 100;

/// Most rows of a page, whatever the caller says: rows may be large, and the next page is one call away.
const MOST_PAGE_ROWS: u32 = 1_000;

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// At most so many rows; `None`: 100. Never more than 1,000.
    pub limit: Option<u32>,
    /// Where to go on: [`Paged::next`] of the page before; `None`: the first page.
    pub cursor: Option<String>,
}

impl Paging {
    /// The page of `query`.
    fn of(&self, query: Query) -> Query {
        query.limit(rows(self.limit)).after(self.cursor.clone())
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Paged<T> {
    /// In the order of the list.
    pub rows: Vec<T>,
    /// Where the next page begins; `None`: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How many rows a page has.
fn rows(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE_ROWS).min(MOST_PAGE_ROWS)
}

/// What a store answered that is none of its answers.
fn odd_answer(what: &str) -> Error {
    Error::new(Code::Internal, format!("the store's answer has no {what}"))
}
