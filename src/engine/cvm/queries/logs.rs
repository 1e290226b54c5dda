//! What the log says of an execution.

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

/// A row of the log. Rows without a time are not shown: they have no place in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LogRow {
    /// Its id.
    pub id: String,
    /// When.
    pub timestamp: Timestamp,
    /// What: `instruction`, `cc_call`, `error`, `complete`; `history` of an entry that an older CVM recorded and that was imported.
    pub event: String,
    /// More, by what it is.
    pub details: Json,
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
        let place = after.map(Place::parse).transpose()?;
        let (mut found, mut more) = (Vec::new(), false);
        for collection in [&HISTORY, &EXECUTION_LOGS] {
            let page = self.engine.store().query(&logs(collection, execution, place.as_ref(), limit)).await?;
            more |= page.cursor.is_some();
            found.extend(page.rows.iter().map(|row| LogRow::read(collection, row)));
        }
        found.sort_by(|one, other| (one.timestamp, &one.id).cmp(&(other.timestamp, &other.id)));
        more |= found.len() > rows(limit) as usize;
        found.truncate(rows(limit) as usize);
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

pub(super) fn logs(
    collection: &'static Collection,
    execution: &str,
    after: Option<&Place>,
    limit: Option<u32>,
) -> Query {
    // What has no time has no place in the order, and who goes on behind it would begin anew.
    let timed = || Filter::Gte("timestamp".to_owned(), (-SAFE_INTEGER).into());
    let behind = after.map_or_else(timed, Place::behind);
    Query::of(collection).eq("executionId", execution).filter(behind).sort("timestamp", Ascending).limit(rows(limit))
}

impl LogRow {
    fn read(collection: &Collection, row: &Row) -> Self {
        let fields = Fields(&row.stored.document);
        let (event, details) = if collection.name == HISTORY.name {
            let names = ["step", "pc", "instruction", "stack", "variables"];
            let details = names.into_iter().map(|name| (name.to_owned(), fields.json(name).unwrap_or_default()));
            ("history".to_owned(), details.collect())
        } else {
            (fields.text("event").unwrap_or_default(), fields.json("details").unwrap_or_default())
        };
        Self { id: row.id.to_string(), timestamp: fields.time("timestamp").unwrap_or_default(), event, details }
    }
}
