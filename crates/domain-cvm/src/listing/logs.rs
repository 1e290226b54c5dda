//! Lists of the log of executions.

use runstate_core::limits::SAFE_INTEGER;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Page, page_rows};
use runstate_value::{json_text, sort_by};
use serde_json::json;

use crate::child_rows::{EXECUTION_LOGS, HISTORY, HistoryRow, LOG_EVENTS, LogRow};

/// The event of rows of `cvm.history`.
const HISTORY_EVENT: &str = "history";

/// Lists the log of one execution or of all page by page, ordered by time, then by id.
///
/// The order is the time of the host that wrote a row. A row that is written later with an earlier time, or in the same
/// millisecond as the last one, may come before rows already read. A caller that must not miss a row reads the change
/// feed (`store.changes`). Without an execution it reads all rows of the event, or of the log.
///
/// Errors: `invalid` (the cursor is not of a log), `usage` (the event is unknown).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.logs", cli = "logs", query)]
pub struct ListLogs {
    /// Only rows of this execution; by default of all.
    pub execution: Option<String>,
    /// Only this event: `instruction`, `cc_call`, `approval`, `error`, `complete`, `history`.
    pub event: Option<String>,
    /// Only rows at or after this time.
    pub since: Option<Timestamp>,
    /// Only rows before this time.
    pub before: Option<Timestamp>,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before, or `timestamp:id` of the last row read, to continue with rows written since; by
    /// default the first page.
    pub cursor: Option<String>,
}

/// The position of a row in the log.
struct LogCursor {
    timestamp: Timestamp,
    id: String,
}

impl ListLogs {
    /// The log of one execution.
    pub fn of_execution(id: &str) -> Self {
        Self { execution: Some(id.to_owned()), ..Self::default() }
    }

    /// The collections that contain such rows.
    fn collections(&self) -> &'static [&'static Collection] {
        match self.event.as_deref() {
            None => &[&HISTORY, &EXECUTION_LOGS],
            Some(HISTORY_EVENT) => &[&HISTORY],
            Some(_) => &[&EXECUTION_LOGS],
        }
    }

    /// The position after which the page begins.
    fn position(&self) -> Result<Option<LogCursor>> {
        self.cursor.as_deref().map(LogCursor::parse).transpose()
    }

    pub(super) fn query(&self, collection: &Collection) -> Result<Query> {
        // A row without a timestamp has no position: a cursor after it would start again at the first row.
        let has_timestamp = || Filter::Gte("timestamp".to_owned(), (-SAFE_INTEGER).into());
        let position = self.position()?.map_or_else(has_timestamp, |cursor| cursor.rows_after());
        let millis = |at: Timestamp| Json::from(at.as_millis());
        let mut query = Query::of(collection);
        if let Some(execution) = &self.execution {
            query = query.eq("executionId", execution.as_str());
        }
        if let Some(event) = self.event.as_deref().filter(|event| *event != HISTORY_EVENT) {
            query = query.eq("event", event);
        }
        if let Some(since) = self.since {
            query = query.filter(Filter::Gte("timestamp".to_owned(), millis(since)));
        }
        if let Some(before) = self.before {
            query = query.filter(Filter::Lt("timestamp".to_owned(), millis(before)));
        }
        Ok(query.filter(position).sort("timestamp", Ascending).page(self.limit, None))
    }
}

impl DomainQuery for ListLogs {
    type Output = Page<LogRow>;

    fn check(&self) -> Result<()> {
        let known = [LOG_EVENTS, &[HISTORY_EVENT]].concat();
        if let Some(event) = self.event.as_deref().filter(|event| !known.contains(event)) {
            let known: Vec<String> = known.into_iter().map(|event| format!("`{event}`")).collect();
            let known = known.join(", ");
            return Err(Rejection::Usage(format!(
                "cvm.logs: `event` must be one of {known}, not {}",
                json_text(&event.into())
            )));
        }
        self.position().map(drop)
    }

    fn reads(&self, _: &View) -> ReadSet {
        let collections = self.collections().iter();
        let queries = collections.filter_map(|collection| Some((collection.name, self.query(collection).ok()?)));
        queries.fold(ReadSet::empty(), |reads, (name, query)| reads.query(name, query))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<LogRow>> {
        let (mut page, mut is_last) = (Page::default(), true);
        for collection in self.collections() {
            let found: Page<LogRow> = match collection.name == HISTORY.name {
                true => view.page::<HistoryRow>(collection.name).map(LogRow::from),
                false => view.page(collection.name),
            };
            page.items.extend(found.items);
            page.more_damaged |= found.more_damaged;
            found.damaged.into_iter().for_each(|one| page.add_damaged(one));
            is_last &= found.next.is_none();
        }
        sort_by(&mut page.items, |one: &LogRow, other| (one.timestamp, &one.id).cmp(&(other.timestamp, &other.id)));
        let limit = page_rows(self.limit) as usize;
        is_last &= page.items.len() <= limit;
        page.items.truncate(limit);
        page.next = page.items.last().filter(|_| !is_last).map(LogRow::cursor);
        Ok(page)
    }
}

impl LogRow {
    /// Its position in the log, as [`ListLogs::cursor`] takes it.
    pub fn cursor(&self) -> String {
        format!("{}:{}", self.timestamp.as_millis(), self.id)
    }
}

impl LogCursor {
    fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once(':').and_then(|(time, id)| Some((time.parse().ok()?, id)));
        let (time, id) = parts.ok_or_else(|| Rejection::Invalid {
            field: "cursor".to_owned(),
            reason: "the text is not a cursor of a log; use `next` of the page before".to_owned(),
        })?;
        Ok(Self { timestamp: Timestamp::from_millis(time), id: id.to_owned() })
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

impl From<HistoryRow> for LogRow {
    fn from(row: HistoryRow) -> Self {
        let HistoryRow { id, execution_id, step, pc, instruction, stack, variables, timestamp } = row;
        let details =
            json!({"step": step, "pc": pc, "instruction": instruction, "stack": stack, "variables": variables});
        Self { id, execution_id, timestamp, event: HISTORY_EVENT.to_owned(), details }
    }
}
