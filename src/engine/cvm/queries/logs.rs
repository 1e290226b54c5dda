//! Queries about the log of executions.

use serde::Serialize;

use super::super::Cvm;
use super::FieldReader;
use super::page_size;
use crate::domain::cvm::{EXECUTION_LOGS, HISTORY};
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::limits::SAFE_INTEGER;
use crate::schema::Direction::Ascending;
use crate::schema::{Collection, Filter, Query};
use crate::store::Row;
use crate::time::Timestamp;
use crate::value::Json;

/// The event of rows of `cvm.history`.
const HISTORY_EVENT: &str = "history";

/// A row of the log. Rows without a timestamp have no position in it and are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LogRow {
    /// Its id.
    pub id: String,
    /// The execution.
    pub execution_id: String,
    /// Its time.
    pub timestamp: Timestamp,
    /// The event: `instruction`, `cc_call`, `error`, `complete`; `history` for an imported entry that an older CVM recorded.
    pub event: String,
    /// Details of the event.
    pub details: Json,
}

/// Selects rows of the log, ordered by time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogListing {
    /// Only rows of this execution; `None`: of all.
    pub execution: Option<String>,
    /// Only this event: `instruction`, `cc_call`, `error`, `complete`, `history`.
    pub event: Option<String>,
    /// Only rows at or after this time.
    pub since: Option<Timestamp>,
    /// Only rows before this time.
    pub before: Option<Timestamp>,
    /// [`LogPage::next`] of an earlier page; `None`: from the first row.
    pub after: Option<String>,
    /// Maximum number of rows; `None`: 100. Never more than 1,000.
    pub limit: Option<u32>,
}

impl LogListing {
    /// The collections that contain such rows.
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
    /// Ordered by time, then by id.
    pub rows: Vec<LogRow>,
    /// The cursor for later rows, also if there are none yet; missing before the first row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether more rows exist already.
    pub more: bool,
}

impl Cvm {
    /// The log of an execution, ordered by time: at most `limit` rows (`None`: 100; never more than 1,000). `after` is [`LogPage::next`] of
    /// an earlier page; `None`: from the first row.
    ///
    /// The order is the time of the host that wrote a row. A row that is written later with an earlier time, or in the same millisecond as
    /// the last one, may come before rows already read. A caller that must not miss a row uses [`Cvm::changes`].
    pub async fn logs(&self, execution: &str, after: Option<&str>, limit: Option<u32>) -> Result<LogPage, Error> {
        let (execution, after) = (Some(execution.to_owned()), after.map(str::to_owned));
        self.list_logs(&LogListing { execution, after, limit, ..LogListing::default() }).await
    }

    /// As [`Cvm::logs`], of one execution or of all, of one event or of all, between two times.
    ///
    /// Without an execution it reads all rows of the event, or of the log.
    pub async fn list_logs(&self, listing: &LogListing) -> Result<LogPage, Error> {
        let cursor = listing.after.as_deref().map(LogCursor::parse).transpose()?;
        let (mut rows, mut more) = (Vec::new(), false);
        for collection in listing.collections() {
            let page = self.engine.store().query(&logs(collection, listing, cursor.as_ref())).await?;
            more |= page.next.is_some();
            rows.extend(page.items.iter().map(|row| LogRow::read(collection, row)));
        }
        rows.sort_by(|one, other| (one.timestamp, &one.id).cmp(&(other.timestamp, &other.id)));
        let limit = page_size(listing.limit) as usize;
        more |= rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|row| LogCursor { timestamp: row.timestamp, id: row.id.clone() });
        Ok(LogPage { next: last.or(cursor).map(|cursor| cursor.to_text()), rows, more })
    }
}

/// A position in the log. Unlike a store's cursor it exists even if no row follows.
pub(super) struct LogCursor {
    timestamp: Timestamp,
    id: String,
}

impl LogCursor {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let parts = text.split_once(':').and_then(|(time, id)| Some((time.parse().ok()?, id)));
        let (time, id) = parts.ok_or_else(|| {
            Error::new(ErrorCode::Invalid, "the log cursor is not valid; use `next` of an earlier page")
        })?;
        Ok(Self { timestamp: Timestamp::from_millis(time), id: id.to_owned() })
    }

    fn to_text(&self) -> String {
        format!("{}:{}", self.timestamp.as_millis(), self.id)
    }

    /// Matches the rows after it.
    fn rows_after(&self) -> Filter {
        let (path, time) = (|| "timestamp".to_owned(), self.timestamp.as_millis());
        let same_time = vec![Filter::Eq(path(), time.into()), Filter::Gt("id".to_owned(), self.id.as_str().into())];
        Filter::And(vec![
            // Redundant, but an index serves it, which it cannot do for the alternatives.
            Filter::Gte(path(), time.into()),
            Filter::Or(vec![Filter::Gt(path(), time.into()), Filter::And(same_time)]),
        ])
    }
}

pub(super) fn logs(collection: &'static Collection, listing: &LogListing, after: Option<&LogCursor>) -> Query {
    // A row without a timestamp has no position: a cursor after it would start again at the first row.
    let has_timestamp = || Filter::Gte("timestamp".to_owned(), (-SAFE_INTEGER).into());
    let position = after.map_or_else(has_timestamp, LogCursor::rows_after);
    let millis = |at: Timestamp| Json::from(at.as_millis());
    let mut query = Query::of(collection);
    if let Some(execution) = &listing.execution {
        query = query.eq("executionId", execution.as_str());
    }
    if let Some(event) = listing.event.as_deref().filter(|event| *event != HISTORY_EVENT) {
        query = query.eq("event", event);
    }
    if let Some(since) = listing.since {
        query = query.filter(Filter::Gte("timestamp".to_owned(), millis(since)));
    }
    if let Some(before) = listing.before {
        query = query.filter(Filter::Lt("timestamp".to_owned(), millis(before)));
    }
    query.filter(position).sort("timestamp", Ascending).limit(page_size(listing.limit))
}

impl LogRow {
    fn read(collection: &Collection, row: &Row) -> Self {
        let fields = FieldReader(&row.stored.document);
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
