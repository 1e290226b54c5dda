//! Lists of executions.

use serde::{Deserialize, Serialize};

use super::super::Cvm;
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::schema::Direction::Descending;
use crate::schema::{Filter, Key, Query};
use crate::time::Timestamp;
use crate::value::{self, Document, Json};

/// An execution in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "ExecutionSummary"))]
pub struct ExecutionSummary {
    /// Its id.
    pub id: String,
    /// The name of the program.
    pub program_name: String,
    /// The version it runs.
    pub program_version: u32,
    /// Its status; see [`Status`].
    pub status: String,
    /// The prompt of the call that it waits for.
    pub prompt: Option<String>,
    /// Number of open calls, also while it is paused.
    pub open_calls: u32,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
}

impl ExecutionSummary {
    /// Its position in a list.
    pub fn cursor(&self) -> ExecutionCursor {
        ExecutionCursor { started: self.started, id: self.id.clone() }
    }

    /// Reads only the fields that a list has: a document that is damaged elsewhere, or that a newer version wrote, must not hide others.
    pub(in crate::engine) fn from_document(id: &str, document: &Document) -> Self {
        let text = |path| value::get(document, path).and_then(Json::as_str);
        let time = |path| Timestamp::from_millis(value::get(document, path).and_then(Json::as_i64).unwrap_or_default());
        let prompt = text("ccWaiting.prompt").or(text("pausedFrom.ccWaiting.prompt"));
        let number = |path| value::get(document, path).and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
        let open_calls = number("ccWaiting.openCalls").or(number("pausedFrom.ccWaiting.openCalls"));
        Self {
            id: id.to_owned(),
            program_name: text("programName").unwrap_or_default().to_owned(),
            program_version: number("programVersion").unwrap_or_default(),
            status: text("state.status").unwrap_or_default().to_owned(),
            prompt: prompt.map(str::to_owned),
            open_calls: open_calls.unwrap_or_default(),
            started: time("started"),
            last_modified: time("lastModified"),
        }
    }
}

/// The position of an execution in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "ExecutionPlace"))]
pub struct ExecutionCursor {
    /// When it was started.
    pub started: Timestamp,
    /// Its id.
    pub id: String,
}

/// Selects executions.
#[derive(Clone, Debug, Default)]
pub struct ExecutionListing {
    /// Only executions with this status.
    pub status: Option<Status>,
    /// Only executions of this program.
    pub program: Option<String>,
    /// Maximum number, newest first.
    pub limit: Option<u32>,
    /// Only executions after this one: [`ExecutionSummary::cursor`] of the last one of the page before.
    pub after: Option<ExecutionCursor>,
}

/// Statuses of executions that have not ended.
const ACTIVE_STATUSES: [Status; 3] = [Status::Running, Status::WaitingCc, Status::Paused];

impl Cvm {
    /// Executions, newest first; without those that are being deleted.
    pub async fn list(&self, listing: &ExecutionListing) -> Result<Vec<ExecutionSummary>, Error> {
        self.summaries(&list_query(listing)).await
    }

    /// One row of a list. [`ErrorCode::NotFound`]: the execution does not exist.
    pub async fn summary(&self, execution: &str) -> Result<ExecutionSummary, Error> {
        let found = self.engine.store().get(&[Key::new(&EXECUTIONS, execution)]).await?.into_iter().next().flatten();
        let missing = || {
            Error::new(
                ErrorCode::NotFound,
                format!("execution `{execution}` does not exist; `list` shows all executions"),
            )
        };
        Ok(ExecutionSummary::from_document(execution, &found.ok_or_else(missing)?.document))
    }

    /// Executions that have not ended, newest first: running, waiting for an answer, paused. At most `limit`.
    ///
    /// Reads active executions only, however many have ended.
    pub async fn active(&self, limit: u32) -> Result<Vec<ExecutionSummary>, Error> {
        self.summaries(&active(limit)).await
    }

    /// Executions of a program, newest first, at most `limit`, except those that are being deleted.
    pub async fn history(&self, program: &str, limit: u32) -> Result<Vec<ExecutionSummary>, Error> {
        self.summaries(&history(program, limit)).await
    }

    async fn summaries(&self, query: &Query) -> Result<Vec<ExecutionSummary>, Error> {
        let page = self.engine.store().query(query).await?;
        Ok(page.items.iter().map(|row| ExecutionSummary::from_document(&row.id, &row.stored.document)).collect())
    }
}

pub(super) fn list_query(listing: &ExecutionListing) -> Query {
    let mut query = Query::of(&EXECUTIONS).sort("started", Descending);
    if let Some(status) = listing.status {
        query = query.eq("state.status", status.as_str());
    }
    if let Some(program) = &listing.program {
        query = query.eq("programName", program.as_str());
    }
    if let Some(cursor) = &listing.after {
        query = query.filter(cursor.rows_after());
    }
    query = query.filter(Filter::Exists("deleting".to_owned(), false));
    query.limit = listing.limit;
    query
}

impl ExecutionCursor {
    /// Matches the executions after this one. Unlike a store's cursor it can be made from any row of a list, and does not expire.
    fn rows_after(&self) -> Filter {
        let (path, time) = (|| "started".to_owned(), self.started.as_millis());
        let same_time = vec![Filter::Eq(path(), time.into()), Filter::Gt("id".to_owned(), self.id.as_str().into())];
        Filter::And(vec![
            // Redundant, but an index serves it, which it cannot do for the alternatives.
            Filter::Lte(path(), time.into()),
            Filter::Or(vec![Filter::Lt(path(), time.into()), Filter::And(same_time)]),
        ])
    }
}

pub(super) fn active(limit: u32) -> Query {
    let statuses = ACTIVE_STATUSES.iter().map(|status| status.as_str().into()).collect();
    Query::of(&EXECUTIONS)
        .filter(Filter::In("state.status".to_owned(), statuses))
        .sort("started", Descending)
        .limit(limit)
}

pub(super) fn history(program: &str, limit: u32) -> Query {
    Query::of(&EXECUTIONS).eq("programName", program).filter(not_deleted()).sort("started", Descending).limit(limit)
}

/// Matches executions that are not being deleted.
pub(super) fn not_deleted() -> Filter {
    Filter::Ne("deleting".to_owned(), true.into())
}
