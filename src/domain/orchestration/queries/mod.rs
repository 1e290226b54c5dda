//! Queries of sessions, tasks, machines and projects. They change nothing, and an empty result is not an error.

mod machines;
mod projects;
mod sessions;
mod tasks;

pub use machines::{MachineListing, PickMachine, ShowMachine};
pub use projects::{ProjectCounts, ShowCounts};
pub use sessions::{
    FailedSessions, Health, RecoverableSessions, SessionHealth, SessionListing, ShowHealth, ShowSession, StaleSessions,
};
pub use tasks::{ShowProgress, TaskListing, TaskProgress};

use crate::schema::{Filter, Query};
use crate::value::Json;

/// The name of the query that reads the rows of a list.
const ROWS: &str = "rows";

/// Restricts a query to a value, if there is one.
fn filter_eq(query: Query, field: &str, value: Option<&str>) -> Query {
    match value {
        Some(value) => query.eq(field, value),
        None => query,
    }
}

fn is_one_of<'a>(field: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    Filter::In(field.to_owned(), values.into_iter().map(Json::from).collect())
}
