//! Which executions there are.

use serde::{Deserialize, Serialize};

use super::super::Cvm;
use crate::code::Code;
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::engine::Error;
use crate::schema::Direction::Descending;
use crate::schema::{Filter, Key, Query};
use crate::time::Timestamp;
use crate::value::{self, Document, Json};

/// One line of a list of executions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "ExecutionSummary"))]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// The program.
    pub program_name: String,
    /// The version it runs.
    pub program_version: u32,
    /// What it is doing; see [`Status`].
    pub status: String,
    /// What it waits for.
    pub prompt: Option<String>,
    /// How many calls are open, paused or not.
    pub open_calls: u32,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
}

impl Summary {
    /// Where it stands in a list.
    pub fn place(&self) -> Place {
        Place { started: self.started, id: self.id.clone() }
    }

    /// From the fields it shows alone: a document that is damaged elsewhere, or a newer program's, must not hide all others.
    pub(in crate::engine) fn of(id: &str, document: &Document) -> Self {
        let text = |path| value::get(document, path).and_then(Json::as_str);
        let time = |path| Timestamp::from_millis(value::get(document, path).and_then(Json::as_i64).unwrap_or_default());
        let prompt = text("ccWaiting.prompt").or(text("pausedFrom.ccWaiting.prompt"));
        let number = |path| value::get(document, path).and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
        let open = number("ccWaiting.openCalls").or(number("pausedFrom.ccWaiting.openCalls"));
        Self {
            id: id.to_owned(),
            program_name: text("programName").unwrap_or_default().to_owned(),
            program_version: number("programVersion").unwrap_or_default(),
            status: text("state.status").unwrap_or_default().to_owned(),
            prompt: prompt.map(str::to_owned),
            open_calls: open.unwrap_or_default(),
            started: time("started"),
            last_modified: time("lastModified"),
        }
    }
}

/// Where an execution stands in a list of executions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "ExecutionPlace"))]
pub struct Place {
    /// When it was started.
    pub started: Timestamp,
    /// Its id.
    pub id: String,
}

/// Which executions to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Only of this status.
    pub status: Option<Status>,
    /// Only of this program.
    pub program: Option<String>,
    /// At most so many, newest first.
    pub limit: Option<u32>,
    /// Only what comes behind this one: [`Summary::place`] of the last one of the page before.
    pub after: Option<Place>,
}

/// What has not come to its end.
const ACTIVE: [Status; 3] = [Status::Running, Status::WaitingCc, Status::Paused];

impl Cvm {
    /// Executions, newest first; without those that are being deleted.
    pub async fn list(&self, listing: &Listing) -> Result<Vec<Summary>, Error> {
        self.summaries(&listed(listing)).await
    }

    /// One line of a list. [`Code::NotFound`]: there is no such execution.
    pub async fn summary(&self, execution: &str) -> Result<Summary, Error> {
        let found = self.engine.store().get(&[Key::new(&EXECUTIONS, execution)]).await?.into_iter().next().flatten();
        let none = || Error::new(Code::NotFound, format!("there is no execution `{execution}`"));
        Ok(Summary::of(execution, &found.ok_or_else(none)?.document))
    }

    /// Executions that have not come to their end, newest first: running, waiting for an answer, paused. At most `limit`.
    ///
    /// Reads what is active and nothing that has ended, however much that is.
    pub async fn active(&self, limit: u32) -> Result<Vec<Summary>, Error> {
        self.summaries(&active(limit)).await
    }

    /// Executions of a program, newest first, at most `limit`. An execution that is being deleted is not among them.
    pub async fn history(&self, program: &str, limit: u32) -> Result<Vec<Summary>, Error> {
        self.summaries(&history(program, limit)).await
    }

    async fn summaries(&self, query: &Query) -> Result<Vec<Summary>, Error> {
        let page = self.engine.store().query(query).await?;
        Ok(page.rows.iter().map(|row| Summary::of(&row.id, &row.stored.document)).collect())
    }
}

pub(super) fn listed(listing: &Listing) -> Query {
    let mut query = Query::of(&EXECUTIONS).sort("started", Descending);
    if let Some(status) = listing.status {
        query = query.eq("state.status", status.as_str());
    }
    if let Some(program) = &listing.program {
        query = query.eq("programName", program.as_str());
    }
    if let Some(place) = &listing.after {
        query = query.filter(place.behind());
    }
    query = query.filter(Filter::Exists("deleting".to_owned(), false));
    query.limit = listing.limit;
    query
}

impl Place {
    /// Holds for what comes behind it. Not a store's cursor: whoever has a row of a list can go on there, whenever.
    fn behind(&self) -> Filter {
        let (path, time) = (|| "started".to_owned(), self.started.as_millis());
        let same_time = vec![Filter::Eq(path(), time.into()), Filter::Gt("id".to_owned(), self.id.as_str().into())];
        Filter::And(vec![
            // Said beside the rest, which no index can serve.
            Filter::Lte(path(), time.into()),
            Filter::Or(vec![Filter::Lt(path(), time.into()), Filter::And(same_time)]),
        ])
    }
}

pub(super) fn active(limit: u32) -> Query {
    let statuses = ACTIVE.iter().map(|status| status.as_str().into()).collect();
    Query::of(&EXECUTIONS)
        .filter(Filter::In("state.status".to_owned(), statuses))
        .sort("started", Descending)
        .limit(limit)
}

pub(super) fn history(program: &str, limit: u32) -> Query {
    Query::of(&EXECUTIONS).eq("programName", program).filter(still_there()).sort("started", Descending).limit(limit)
}

/// Holds for executions that are not being deleted.
pub(super) fn still_there() -> Filter {
    Filter::Ne("deleting".to_owned(), true.into())
}
