//! Which calls were asked, and what became of them.

use serde::Serialize;

use super::super::Cvm;
use super::fields::Fields;
use super::{Paged, Paging};
use crate::domain::cvm::{CC_HISTORY, TIMER};
use crate::engine::Error;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Filter, Query};
use crate::store::Row;
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json};

/// Which calls to list.
///
/// | asked for | in which order |
/// |---|---|
/// | those of one execution | by step, the first one first |
/// | open ones | by kind, then the one that may be taken first |
/// | all others | newest first |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallListing {
    /// Only of this execution.
    pub execution: Option<String>,
    /// Only of executions of this program.
    pub program: Option<String>,
    /// Only of this kind: `cc`, a tool's name, `timer`, `fs.readFile`, ….
    pub kind: Option<String>,
    /// Only open ones.
    pub open: bool,
    /// At most so many; `None`: 100. Never more than 1,000.
    pub limit: Option<u32>,
    /// [`Paged::next`] of the page before; `None`: the first page.
    pub cursor: Option<String>,
}

/// A call as it stands in a list. What it has not, or cannot be read, is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CallRow {
    /// Its id.
    pub id: String,
    /// The execution that asks.
    pub execution_id: String,
    /// Its program.
    pub program_name: String,
    /// The how-manyth call of the execution, from 1. An answer that came before its question has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Who is asked.
    pub kind: String,
    /// The name under which it may be answered before it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What a tool is called with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Json>,
    /// The only answers it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Json>,
    /// What an answer must look like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
    /// The answer it gets where nobody gives one in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// Line of the source that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// When it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// When it may be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Timestamp>,
    /// Until when it may be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// How it ended: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled`. Missing while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The answer, null included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// How long after the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Millis>,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<CallClaim>,
    /// The newest failure of a worker; the call may be open all the same, to be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CallFault>,
}

/// What a worker could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CallFault {
    /// The error's name in the program, where the worker gave it one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// Who tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Who works on a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CallClaim {
    /// The worker; missing between two attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The fencing token: greater with every claim of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// Until when it is the worker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How often it was claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u64>,
}

impl Cvm {
    /// Calls, page by page; see [`CallListing`]. Answers that were given before their question was asked are shown with those of one
    /// execution, before the first step, and after all that were asked where the newest come first; they are not open.
    pub async fn calls(&self, listing: &CallListing) -> Result<Paged<CallRow>, Error> {
        let page = self.engine.store().query(&listing.query()).await?;
        Ok(Paged { rows: page.rows.iter().map(CallRow::of).collect(), next: page.cursor })
    }

    /// The answered calls that took longest, the longest first: of a program or of all, at most `limit`. Timers are not among them:
    /// nobody is slow there.
    ///
    /// Looks at all calls of the program, or of all.
    pub async fn slowest(&self, program: Option<&str>, limit: u32) -> Result<Vec<CallRow>, Error> {
        let query = Query::of(&CC_HISTORY)
            .filter(asked_of_somebody(program))
            .eq("outcome", "answered")
            .filter(Filter::Exists("response.latencyMs".to_owned(), true))
            .sort("response.latencyMs", Descending)
            .limit(limit);
        let page = self.engine.store().query(&query).await?;
        Ok(page.rows.iter().map(CallRow::of).collect())
    }
}

/// Holds for calls that were asked.
pub(super) fn asked(program: Option<&str>) -> Filter {
    let mut all = vec![Filter::Exists("request".to_owned(), true)];
    all.extend(program.map(|program| Filter::Eq("programName".to_owned(), program.into())));
    Filter::And(all)
}

/// Holds for calls that were asked and are no timers.
pub(super) fn asked_of_somebody(program: Option<&str>) -> Filter {
    Filter::And(vec![asked(program), Filter::Ne("kind".to_owned(), TIMER.into())])
}

impl CallListing {
    pub(super) fn query(&self) -> Query {
        let equal = |path: &str, value: &String| Filter::Eq(path.to_owned(), value.as_str().into());
        // Open calls are few and a history is long: among alternatives a condition chooses no index, and that of open calls is taken.
        let beside = |filter: Filter| if self.open { Filter::Or(vec![filter]) } else { filter };
        let mut query = Query::of(&CC_HISTORY);
        if let Some(program) = &self.program {
            query = query.filter(beside(equal("programName", program)));
        }
        if let Some(kind) = &self.kind {
            let kind = equal("kind", kind);
            query = query.filter(if self.execution.is_some() { beside(kind) } else { kind });
        }
        if self.open {
            query = query.filter(Filter::And(vec![
                Filter::Exists("outcome".to_owned(), false),
                Filter::Exists("request".to_owned(), true),
            ]));
        }
        query = match &self.execution {
            // The order of steps, said so that it does not choose the index of all steps.
            Some(execution) if self.open => query
                .filter(equal("executionId", execution))
                .sort("request.timestamp", Ascending)
                .sort("step", Ascending),
            Some(execution) => query.filter(equal("executionId", execution)).sort("step", Ascending),
            None if self.open => query.sort("kind", Ascending).sort("availableAt", Ascending),
            None => query.sort("request.timestamp", Descending),
        };
        Paging { limit: self.limit, cursor: self.cursor.clone() }.of(query)
    }
}

impl CallRow {
    fn of(row: &Row) -> Self {
        let fields = Fields(&row.stored.document);
        Self {
            id: row.id.to_string(),
            execution_id: fields.text("executionId").unwrap_or_default(),
            program_name: fields.text("programName").unwrap_or_default(),
            step: fields.count("step"),
            kind: fields.text("kind").unwrap_or_default(),
            key: fields.text("key"),
            prompt: fields.text("request.prompt"),
            args: fields.json("request.args"),
            choices: fields.json("request.choices"),
            schema: fields.json("request.schema"),
            default: fields.json("request.default"),
            line: fields.small("context.line"),
            asked_at: fields.time("request.timestamp"),
            available_at: fields.time("availableAt"),
            deadline: fields.time("request.deadline"),
            outcome: fields.text("outcome"),
            result: fields.json("response.result"),
            answered_at: fields.time("response.timestamp"),
            latency_ms: fields.span("response.latencyMs"),
            by: fields.text("response.by"),
            claim: CallClaim::of(&row.stored.document),
            error: CallFault::of(&row.stored.document),
        }
    }
}

impl CallClaim {
    fn of(call: &Document) -> Option<Self> {
        let fields = Fields(call.get("claim")?.as_object()?);
        Some(Self {
            owner: fields.text("owner"),
            token: fields.count("token"),
            until: fields.time("until"),
            attempts: fields.count("attempts"),
        })
    }
}

impl CallFault {
    fn of(call: &Document) -> Option<Self> {
        let fields = Fields(call.get("error")?.as_object()?);
        Some(Self {
            name: fields.text("name"),
            message: fields.text("message"),
            timestamp: fields.time("timestamp"),
            by: fields.text("by"),
        })
    }
}
