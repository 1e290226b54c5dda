//! Queries of sessions, tasks, machines and projects. They change nothing, and an empty result is not an error.

mod counts;
mod machines;
mod sessions;

use runstate_core::schema::Filter;
use runstate_value::Json;

pub use counts::{ProjectCounts, ShowCounts, ShowProgress, TaskProgress};
pub use machines::{FreeMachines, PickMachine};
pub use sessions::{FailedSessions, Health, RecoverableSessions, SessionHealth, ShowHealth, StaleSessions};

/// The name of the query that reads the rows of a list.
const ROWS: &str = "rows";

fn is_one_of<'a>(field: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    Filter::In(field.to_owned(), values.into_iter().map(Json::from).collect())
}
