//! What the log says of an execution, or of all.

use serde::Serialize;

use super::super::Cvm;
use super::fields::Fields;
use super::rows;
use crate::code::Code;
use crate::domain::cvm::{EXECUTION_LOGS, HISTORY};
use crate::engine::Error;
use crate::limits::SAFE_INTEGER;
use crate::schema::Direction::Ascending;
use crate::schema::{Collection, Filter, Query};
use crate::store::Row;
use crate::time::Timestamp;
use crate::value::Json;

/// The event of the rows of `cvm.history`.
const HISTORY_EVENT: &str = "history";

/// A row of the log. Rows without a time are not shown: they have no place in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LogRow {
    /// Its id.
    pub id: String,
    /// The execution.
    pub execution_id: String,
    /// When.
    pub timestamp: Timestamp,
    /// What: `instruction`, `cc_call`, `error`, `complete`; `history` of an entry that an older CVM recorded and that was imported.
    pub event: String,
    /// More, by what it is.
    pub details: Json,
}

/// Which rows of the log, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogListing {
    /// Only of this execution; `None`: of all.
    pub execution: Option<String>,
    /// Only of this event: `instruction`, `cc_call`, `error`, `complete`, `history`.
    pub event: Option<String>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub before: Option<Timestamp>,
    /// [`LogPage::next`] of an earlier page; `None`: from the first row on.
    pub after: Option<String>,
    /// At most so many; `None`: 100. Never more than 1,000.
    pub limit: Option<u32>,
}

impl LogListing {
    /// The collections that hold such rows.
    fn collections(&self) -> &'static [&'static Collection] {
        match self.event.as_deref() {
            None => &[&HISTORY, &EXECUTION_LOGS],
            Some(HISTORY_EVENT) => &[&HISTORY],
            Some(_) => &[&EXECUTION_LOGS],
        }
    }
}

/// One page of a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LogPage {
    /// In the order of time, then of the id.
    pub rows: Vec<LogRow>,
    /// Where to go on, also where nothing more is there yet; missing before the first row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether more is there already.
    pub more: bool,
}

impl Cvm {
    /// The log of an execution in the order of time: at most `limit` rows (100 where it does not say, never more than 1,000) after
    /// [`LogPage::next`] of an earlier page; from the first one on where `after` is none.
    ///
    /// Rows come by the time of the host that wrote them: a row that is written later under an earlier time, or under the very
    /// millisecond of the last one, may stand before what was seen. Who must not miss one takes [`Cvm::changes`].
    pub async fn logs(&self, execution: &str, after: Option<&str>, limit: Option<u32>) -> Result<LogPage, Error> {
        let (execution, after) = (Some(execution.to_owned()), after.map(str::to_owned));
        self.list_logs(&LogListing { execution, after, limit, ..LogListing::default() }).await
    }

    /// As [`Cvm::logs`], of one execution or of all, of one event or of all, between two moments.
    ///
    /// What is not asked of one execution reads all rows of the event, or of the log.
    pub async fn list_logs(&self, listing: &LogListing) -> Result<LogPage, Error> {
        let place = listing.after.as_deref().map(Place::parse).transpose()?;
        let (mut found, mut more) = (Vec::new(), false);
        for collection in listing.collections() {
            let page = self.engine.store().query(&logs(collection, listing, place.as_ref())).await?;
            more |= page.cursor.is_some();
            found.extend(page.rows.iter().map(|row| LogRow::read(collection, row)));
        }
        found.sort_by(|one, other| (one.timestamp, &one.id).cmp(&(other.timestamp, &other.id)));
        let most = rows(listing.limit) as usize;
        more |= found.len() > most;
        found.truncate(most);
        let last = found.last().map(|row| Place { timestamp: row.timestamp, id: row.id.clone() });
        Ok(LogPage { next: last.or(place).map(|place| place.to_text()), rows: found, more })
    }
}

/// A place in a log. Not a store's cursor, which is there only while more follows.
pub(super) struct Place {
    timestamp: Timestamp,
    id: String,
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let parts = text.split_once(':').and_then(|(time, id)| Some((time.parse().ok()?, id)));
        let (time, id) = parts.ok_or_else(|| {
            Error::new(Code::Invalid, "the place in the log is none; it is told with each page as `next`")
        })?;
        Ok(Self { timestamp: Timestamp::from_millis(time), id: id.to_owned() })
    }

    fn to_text(&self) -> String {
        format!("{}:{}", self.timestamp.as_millis(), self.id)
    }

    /// Holds for rows behind it.
    fn behind(&self) -> Filter {
        let (path, time) = (|| "timestamp".to_owned(), self.timestamp.as_millis());
        let same_time = vec![Filter::Eq(path(), time.into()), Filter::Gt("id".to_owned(), self.id.as_str().into())];
        Filter::And(vec![
            // Said beside the rest, which no index can serve.
            Filter::Gte(path(), time.into()),
            Filter::Or(vec![Filter::Gt(path(), time.into()), Filter::And(same_time)]),
        ])
    }
}

pub(super) fn logs(collection: &'static Collection, listing: &LogListing, after: Option<&Place>) -> Query {
    // What has no time has no place in the order, and who goes on behind it would begin anew.
    let timed = || Filter::Gte("timestamp".to_owned(), (-SAFE_INTEGER).into());
    let behind = after.map_or_else(timed, Place::behind);
    let moment = |at: Timestamp| Json::from(at.as_millis());
    let mut query = Query::of(collection);
    if let Some(execution) = &listing.execution {
        query = query.eq("executionId", execution.as_str());
    }
    if let Some(event) = listing.event.as_deref().filter(|event| *event != HISTORY_EVENT) {
        query = query.eq("event", event);
    }
    if let Some(since) = listing.since {
        query = query.filter(Filter::Gte("timestamp".to_owned(), moment(since)));
    }
    if let Some(before) = listing.before {
        query = query.filter(Filter::Lt("timestamp".to_owned(), moment(before)));
    }
    query.filter(behind).sort("timestamp", Ascending).limit(rows(listing.limit))
}

impl LogRow {
    fn read(collection: &Collection, row: &Row) -> Self {
        let fields = Fields(&row.stored.document);
        let (event, details) = if collection.name == HISTORY.name {
            let names = ["step", "pc", "instruction", "stack", "variables"];
            let details = names.into_iter().map(|name| (name.to_owned(), fields.json(name).unwrap_or_default()));
            (HISTORY_EVENT.to_owned(), details.collect())
        } else {
            (fields.text("event").unwrap_or_default(), fields.json("details").unwrap_or_default())
        };
        Self {
            id: row.id.to_string(),
            execution_id: fields.text("executionId").unwrap_or_default(),
            timestamp: fields.time("timestamp").unwrap_or_default(),
            event,
            details,
        }
    }
}
