//! Lists of calls.

use runstate_core::decision::{Ctx, DomainQuery, ReadSet, Rejection, View};
use runstate_core::operation::Operation;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Filter, Page, Query, Wire};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FieldReader, ROWS, page};
use crate::call::{CC_HISTORY, TIMER};

/// Lists calls page by page.
///
/// | selection | order |
/// |---|---|
/// | calls of one execution | by step, the first one first |
/// | open calls | by kind, then by the time from which they may be claimed |
/// | all others | newest first |
///
/// Early answers are listed with the calls of one execution, before the first step, and after all calls if the newest
/// come first. They are not open.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.calls", cli = "calls", query)]
pub struct CallListing {
    /// Only calls of this execution.
    pub execution: Option<String>,
    /// Only calls of executions of this program.
    pub program: Option<String>,
    /// Only calls of this kind: `cc`, a tool's name, `timer`, `fs.readFile`, ….
    pub kind: Option<String>,
    /// Only open calls.
    pub open: bool,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// Lists the answered calls with the greatest latency, the greatest first. Timers are left out: they are not answered.
///
/// Scans all calls of the program, or of all programs.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.slowest", cli = "slowest", query)]
pub struct SlowestCalls {
    /// Only calls of executions of this program.
    pub program: Option<String>,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// A call in a list. A field is missing if the call does not have it, or if it cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallRow {
    /// Its id.
    pub id: String,
    /// The execution that made it.
    pub execution_id: String,
    /// The name of the execution's program.
    pub program_name: String,
    /// Its number among the calls of the execution, from 1. An early answer has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Its kind: `cc`, a tool's name, `timer`, ….
    pub kind: String,
    /// The key under which it may be answered before it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The arguments of a tool.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub args: Option<Json>,
    /// The only answers that it accepts.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub choices: Option<Json>,
    /// The schema that an answer must match.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub schema: Option<Json>,
    /// The answer that it gets if its deadline passes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub default: Option<Json>,
    /// The source line that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// The time from which it may be claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Timestamp>,
    /// The time until which it may be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Its outcome: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled`. Missing while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The answer, null included.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub result: Option<Json>,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// The time between the call and its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Millis>,
    /// The person, model or worker that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The claim of a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<CallClaim>,
    /// The last failure of a worker. The call may still be open, to be retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<CallFailure>,
    /// Why a budget refused its cost: no worker gets it until the budget has it. The name is the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<CallFailure>,
}

/// A failure to complete a call, or the refusal of its cost.
#[derive(Wire, Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFailure {
    /// The error's name in the program, if the worker named one.
    pub name: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// When it failed.
    pub timestamp: Option<Timestamp>,
    /// The worker.
    pub by: Option<String>,
}

/// The claim of a call.
#[derive(Wire, Clone, Debug, Default, PartialEq, Eq)]
pub struct CallClaim {
    /// The worker; missing between two attempts.
    pub owner: Option<String>,
    /// The fencing token: greater with every claim of the call.
    pub token: Option<u64>,
    /// When the lease ends.
    pub until: Option<Timestamp>,
    /// Number of claims, without those that were released.
    pub attempts: Option<u64>,
}

impl DomainQuery for CallListing {
    const NAME: &'static str = "cvm.calls";
    type Output = Page<CallRow>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(ROWS, self.query())
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<CallRow>, Rejection> {
        Ok(page(view, CallRow::from_document))
    }
}

impl DomainQuery for SlowestCalls {
    const NAME: &'static str = "cvm.slowest";
    type Output = Page<CallRow>;

    fn reads(&self, _: &View) -> ReadSet {
        let query = Query::of(&CC_HISTORY)
            .filter(asked_non_timer_calls(self.program.as_deref()))
            .eq("outcome", "answered")
            .filter(Filter::Exists("response.latencyMs".to_owned(), true))
            .sort("response.latencyMs", Descending);
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<CallRow>, Rejection> {
        Ok(page(view, CallRow::from_document))
    }
}

/// Matches calls that were made, as opposed to early answers.
pub(super) fn asked_calls(program: Option<&str>) -> Filter {
    let mut all = vec![Filter::Exists("request".to_owned(), true)];
    all.extend(program.map(|program| Filter::Eq("programName".to_owned(), program.into())));
    Filter::And(all)
}

/// Matches calls that were made, except timers.
pub(super) fn asked_non_timer_calls(program: Option<&str>) -> Filter {
    Filter::And(vec![asked_calls(program), Filter::Ne("kind".to_owned(), TIMER.into())])
}

impl CallListing {
    pub(super) fn query(&self) -> Query {
        let equal = |path: &str, value: &String| Filter::Eq(path.to_owned(), value.as_str().into());
        // An execution has few open calls and a long history. A condition within an `Or` does not select an index, so
        // the index of open calls is used.
        let unindexed = |filter: Filter| if self.open { Filter::Or(vec![filter]) } else { filter };
        let mut query = Query::of(&CC_HISTORY);
        if let Some(program) = &self.program {
            query = query.filter(unindexed(equal("programName", program)));
        }
        if let Some(kind) = &self.kind {
            let kind = equal("kind", kind);
            query = query.filter(if self.execution.is_some() { unindexed(kind) } else { kind });
        }
        if self.open {
            query = query.filter(Filter::And(vec![
                Filter::Exists("outcome".to_owned(), false),
                Filter::Exists("request".to_owned(), true),
            ]));
        }
        query = match &self.execution {
            // Equivalent to the order by step, but it does not select the index of all steps.
            Some(execution) if self.open => query
                .filter(equal("executionId", execution))
                .sort("request.timestamp", Ascending)
                .sort("step", Ascending),
            Some(execution) => query.filter(equal("executionId", execution)).sort("step", Ascending),
            None if self.open => query.sort("kind", Ascending).sort("availableAt", Ascending),
            None => query.sort("request.timestamp", Descending),
        };
        query.page(self.limit, self.cursor.as_ref())
    }
}

impl CallRow {
    fn from_document(id: &str, document: &Document) -> Self {
        let fields = FieldReader(document);
        Self {
            id: id.to_owned(),
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
            line: fields.count_u32("context.line"),
            asked_at: fields.time("request.timestamp"),
            available_at: fields.time("availableAt"),
            deadline: fields.time("request.deadline"),
            outcome: fields.text("outcome"),
            result: fields.json("response.result"),
            answered_at: fields.time("response.timestamp"),
            latency_ms: fields.duration("response.latencyMs"),
            by: fields.text("response.by"),
            claim: CallClaim::from_document(document),
            error: CallFailure::from_field(document, "error"),
            refusal: CallFailure::from_field(document, "refusal"),
        }
    }
}

impl CallClaim {
    fn from_document(call: &Document) -> Option<Self> {
        let fields = FieldReader(call.get("claim")?.as_object()?);
        Some(Self {
            owner: fields.text("owner"),
            token: fields.count("token"),
            until: fields.time("until"),
            attempts: fields.count("attempts"),
        })
    }
}

impl CallFailure {
    fn from_field(call: &Document, name: &str) -> Option<Self> {
        let fields = FieldReader(call.get(name)?.as_object()?);
        Some(Self {
            name: fields.text("name"),
            message: fields.text("message"),
            timestamp: fields.time("timestamp"),
            by: fields.text("by"),
        })
    }
}
