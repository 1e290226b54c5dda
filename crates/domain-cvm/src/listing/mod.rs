//! Queries about programs, executions and calls: rows of lists, logs and statistics. They change nothing, and an empty
//! result is not an error.
//!
//! Each field is read on its own. So a document that is damaged elsewhere, or that a newer version wrote, is shown as
//! far as possible, and hides no other document.

mod calls;
mod executions;
mod logs;
mod programs;
mod stats;
#[cfg(test)]
mod tests;

use runstate_core::decision::{Rejection, View};
use runstate_core::error_code::ErrorCode;
use runstate_core::schema::Page;
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{self as value, Document, Json};

pub use calls::{CallClaim, CallFailure, CallListing, CallRow, SlowestCalls};
pub use executions::{
    ActiveExecutions, CountFinished, ExecutionListing, ExecutionSummary, Overview, ProgramHistory, ShowOverview,
    ShowSummary,
};
pub use logs::{LogListing, LogRow};
pub use programs::{
    ProgramListing, ProgramSummary, ProgramView, ShowProgram, ShowProgramById, ShowVersion, ShowVersionOf,
    VersionListing, VersionSummary, VersionView,
};
pub use stats::{CountStatuses, Latency, LatencyByKind, LatencyByProgram, MetricStats, ShowLatency, ShowStats, Stats};

/// The name of the query that reads the rows of a list.
const ROWS: &str = "rows";

/// The page that the query [`ROWS`] found.
fn page<T>(view: &View, row: impl Fn(&str, &Document) -> T) -> Page<T> {
    let rows = view.rows(ROWS).unwrap_or_default();
    let items = rows.iter().map(|(key, found)| row(&key.id, &found.document)).collect();
    view.page_of(ROWS, items)
}

/// The first row of the query `name`.
fn first_row<'a>(view: &'a View, name: &str) -> Option<(&'a str, &'a Document)> {
    let (key, found) = view.rows(name)?.first()?;
    Some((&key.id, &found.document))
}

/// The rejection of a result that a store must not return.
fn malformed_result(what: &str) -> Rejection {
    Rejection::domain(ErrorCode::INTERNAL, format!("the result of the store has no {what}"))
}

/// Reads single fields of one document by their paths.
#[derive(Clone, Copy)]
struct FieldReader<'a>(&'a Document);

impl FieldReader<'_> {
    /// A value of any type, null included.
    fn json(self, path: &str) -> Option<Json> {
        value::get(self.0, path).cloned()
    }

    /// A string.
    fn text(self, path: &str) -> Option<String> {
        value::get(self.0, path)?.as_str().map(str::to_owned)
    }

    /// A list of strings, without the elements of other types.
    fn texts(self, path: &str) -> Vec<String> {
        let list = value::get(self.0, path).and_then(Json::as_array);
        list.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    /// A count.
    fn count(self, path: &str) -> Option<u64> {
        value::get(self.0, path)?.as_u64()
    }

    /// A 32-bit count: a version, a line.
    fn count_u32(self, path: &str) -> Option<u32> {
        u32::try_from(self.count(path)?).ok()
    }

    /// A timestamp.
    fn time(self, path: &str) -> Option<Timestamp> {
        self.integer(path).map(Timestamp::from_millis)
    }

    /// A duration.
    fn duration(self, path: &str) -> Option<Millis> {
        self.integer(path).map(Millis)
    }

    /// An integer. A double is rounded to the nearest one, because stores may return doubles.
    fn integer(self, path: &str) -> Option<i64> {
        let number = value::get(self.0, path)?;
        // The cast saturates.
        number.as_i64().or_else(|| number.as_f64().map(|double| double.round() as i64))
    }

    /// A number.
    fn double(self, path: &str) -> Option<f64> {
        value::get(self.0, path)?.as_f64()
    }
}
