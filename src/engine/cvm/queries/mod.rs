//! Queries about programs, executions and calls: each is a method of [`Cvm`](super::Cvm). They change nothing, and an empty result is not
//! an error. The functions that build store queries are separate from those that run them, so that tests can count the documents examined.
//!
//! Each field is read on its own. So a document that is damaged elsewhere, or that a newer version wrote, is shown as far as possible, and
//! hides no other document.

use serde::Serialize;

use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::schema::Query;
use crate::time::{Millis, Timestamp};
use crate::value::{self, Document, Json};

mod calls;
mod changes;
mod executions;
mod logs;
mod programs;
mod stats;
#[cfg(test)]
mod tests;

pub use calls::{CallClaim, CallFailure, CallListing, CallRow};
pub use changes::{ChangeFilter, ChangeSubject, CvmChange, CvmChanges};
pub use executions::{ExecutionCursor, ExecutionListing, ExecutionSummary};
pub use logs::{LogListing, LogPage, LogRow};
pub use programs::{ProgramSummary, ProgramView, VersionSummary, VersionView};
pub use stats::{Latency, MetricStats, Stats};

/// Rows per page, if the caller names no number.
const DEFAULT_PAGE_ROWS: u32 = 100;

/// Maximum number of rows per page, whatever the caller requests: rows may be large, and the next page is one call away.
const MAX_PAGE_ROWS: u32 = 1_000;

/// Selects a page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Maximum number of rows; `None`: 100. Never more than 1,000.
    pub limit: Option<u32>,
    /// [`ListPage::next`] of the page before; `None`: the first page.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// Restricts `query` to the page.
    fn apply(&self, query: Query) -> Query {
        query.limit(page_size(self.limit)).after(self.cursor.clone())
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ListPage<T> {
    /// In the order of the list.
    pub rows: Vec<T>,
    /// The cursor of the next page; `None`: this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Number of rows per page.
fn page_size(limit: Option<u32>) -> u32 {
    limit.unwrap_or(DEFAULT_PAGE_ROWS).min(MAX_PAGE_ROWS)
}

/// The error for a result that a store must not return.
fn malformed_result(what: &str) -> Error {
    Error::new(ErrorCode::Internal, format!("the result of the store has no {what}"))
}

/// Reads single fields of one document by their paths.
#[derive(Clone, Copy)]
pub(super) struct FieldReader<'a>(pub &'a Document);

impl FieldReader<'_> {
    /// A value of any type, null included.
    pub fn json(self, path: &str) -> Option<Json> {
        value::get(self.0, path).cloned()
    }

    /// A string.
    pub fn text(self, path: &str) -> Option<String> {
        value::get(self.0, path)?.as_str().map(str::to_owned)
    }

    /// A list of strings, without the elements of other types.
    pub fn texts(self, path: &str) -> Vec<String> {
        let list = value::get(self.0, path).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    /// A count.
    pub fn count(self, path: &str) -> Option<u64> {
        value::get(self.0, path)?.as_u64()
    }

    /// A 32-bit count: a version, a line.
    pub fn count_u32(self, path: &str) -> Option<u32> {
        u32::try_from(self.count(path)?).ok()
    }

    /// A timestamp.
    pub fn time(self, path: &str) -> Option<Timestamp> {
        self.integer(path).map(Timestamp::from_millis)
    }

    /// A duration.
    pub fn duration(self, path: &str) -> Option<Millis> {
        self.integer(path).map(Millis)
    }

    /// An integer. A double is rounded to the nearest one, because stores may return doubles.
    pub fn integer(self, path: &str) -> Option<i64> {
        let number = value::get(self.0, path)?;
        // The cast saturates.
        number.as_i64().or_else(|| number.as_f64().map(|double| double.round() as i64))
    }

    /// A number.
    pub fn double(self, path: &str) -> Option<f64> {
        value::get(self.0, path)?.as_f64()
    }
}
