//! A call: a question that an execution asked, a tool it called or a timer it set, and what became of it. One row a call, written when it
//! is asked and completed when it is answered; it is also the history that the schema calls `cc_history`. What closing calls means for their
//! execution is in `close.rs`, answers are in `answer.rs`, those that come
//! before their question in `early.rs`, workers in `work.rs`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::document;
use super::early::{Row, keyed_id};
use super::execution::Execution;
use super::expected::{self, Schema};
use crate::code::Code;
use crate::decision::{Change, Ctx, Loaded, Rejection, View};
use crate::limits::PLAIN_VALUE_BYTES;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Collection, Field, Filter, Index, Key, Predicate, Reference};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, check_plain, json_bytes, json_text};
use crate::vm::{CallRequest, Reply};

/// The kind of `CC(...)`.
pub const COGNITIVE: &str = "cc";

/// The kind of `sleep` and `sleepUntil`: nobody answers these but the clock.
pub const TIMER: &str = "timer";

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its id. With a key it follows from execution, key and occurrence, so that who asks and who answers early write the same row.
    pub id: String,
    /// The execution that asks.
    pub execution_id: String,
    /// Its program's name, for queries.
    pub program_name: String,
    /// The how-manyth call of the execution, from 1.
    pub step: u64,
    /// Who is asked: `cc`, the name of a tool, `timer`, `fs.readFile`, `fs.listFiles`, `fs.writeFile`.
    pub kind: String,
    /// The name by which it can be answered before it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When a worker may take it: at once, when another's claim ends, when it is to be tried again. Missing for timers and once it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Timestamp>,
    /// The question.
    pub request: Request,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// How it ended; missing while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<CallOutcome>,
    /// The newest failure of a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
    /// Where the program stood.
    pub context: Context,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimState>,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// In words; empty for tools.
    pub prompt: String,
    /// What a tool is given.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub args: Json,
    /// The instruction that asks.
    pub instruction_id: u32,
    /// When it was asked.
    pub timestamp: Timestamp,
    /// The only answers it takes; missing: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Json>>,
    /// What an answer must look like; see [`Schema`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
    /// From here on no answer is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What the program gets when the deadline has passed; missing: a `TimeoutError`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::present")]
    pub default: Option<Json>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// What was answered.
    pub result: Json,
    /// When.
    pub timestamp: Timestamp,
    /// How long after the question.
    pub latency_ms: Millis,
    /// Who answered, where they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What a worker could not do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CallError {
    /// The error's name in the program; missing: `CallError`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In words.
    pub message: String,
    /// When.
    pub timestamp: Timestamp,
    /// Who tried, where they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// Somebody answered.
    Answered,
    /// Its deadline passed and its default was taken; of a timer: it is over.
    Defaulted,
    /// Its deadline passed; the program was thrown a `TimeoutError`.
    TimedOut,
    /// Its worker gave up; the program was thrown a `CallError`.
    Failed,
    /// Its execution was cancelled.
    Cancelled,
}

impl CallOutcome {
    /// All of them, as they stand on the wire.
    pub const ALL: &'static [&'static str] = &["answered", "defaulted", "timed_out", "failed", "cancelled"];

    /// What it says to somebody who comes with an answer.
    fn told(self) -> &'static str {
        match self {
            CallOutcome::Answered => "was answered already",
            CallOutcome::Defaulted => "was over: its deadline passed and its default was taken",
            CallOutcome::TimedOut => "was over: its deadline passed",
            CallOutcome::Failed => "had failed already",
            CallOutcome::Cancelled => "was cancelled",
        }
    }
}

/// A worker's claim on a call. While `owner` is there it is held until `until`; afterwards whoever claims the call next takes it over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimState {
    /// Who works on it; missing: nobody, it was given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The fencing token: greater with every claim of this call, and of any that had its id before it.
    pub token: u64,
    /// The end of the lease.
    pub until: Timestamp,
    /// How often it was tried, this time included.
    pub attempts: u32,
}

/// Where a program stood when it asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Program counter.
    pub pc: u32,
    /// Line of the source.
    pub line: u32,
    /// Visible variables by name, at most 4 KiB, cut with a mark.
    pub variables: Json,
}

/// `cvm.cc_history`. A row without `request` is an answer that came before its question.
pub const CC_HISTORY: Collection = Collection::new("cvm.cc_history", 1)
    .fields(&[
        Field::id("id"),
        Field::id("executionId"),
        Field::text("programName"),
        Field::int("step").optional(),
        Field::text("kind").optional(),
        Field::text("key").optional(),
        Field::timestamp("availableAt").optional(),
        Field::object("request").optional(),
        Field::text("request.prompt").optional(),
        Field::int("request.instructionId").optional(),
        Field::timestamp("request.timestamp").optional(),
        Field::timestamp("request.deadline").optional(),
        Field::object("response").optional(),
        Field::timestamp("response.timestamp").optional(),
        Field::text("outcome").optional().one_of(CallOutcome::ALL),
        Field::object("error").optional(),
        Field::timestamp("error.timestamp").optional(),
        Field::object("context").optional(),
        Field::object("claim").optional(),
        Field::timestamp("claim.until").optional(),
    ])
    .indexes(&[
        Index::by(&[("executionId", Ascending), ("step", Ascending)]),
        Index::by(&[("executionId", Ascending), ("request.deadline", Ascending)])
            .partial(Predicate::Missing("outcome")),
        Index::by(&[("programName", Ascending)]),
        Index::by(&[("request.timestamp", Descending)]),
        Index::by(&[("kind", Ascending), ("availableAt", Ascending)]).partial(Predicate::Missing("outcome")),
    ])
    .references(&[Reference { field: "executionId", collection: "cvm.executions" }]);

impl Call {
    /// The call that a program asks, its variables still to be told. `Err`: what is wrong with how it asks, in words for the program's author.
    pub(super) fn asked(execution: &Execution, request: CallRequest, step: u64, ctx: &mut Ctx) -> Result<Self, String> {
        let args = if request.args.is_null() { 0 } else { json_bytes(&request.args) };
        let bytes = json_bytes(&request.prompt) + args + json_bytes(&request.options);
        if bytes > PLAIN_VALUE_BYTES {
            return Err(format!("the question has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed"));
        }
        let options = &request.options;
        let mut call = Self {
            id: match &request.key {
                Some(keyed) => keyed_id(&execution.id, &keyed.key, keyed.occurrence),
                None => ctx.new_id(),
            },
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            step,
            available_at: (request.kind != TIMER).then_some(ctx.now),
            request: Request {
                instruction_id: request.instruction,
                timestamp: ctx.now,
                choices: choices(options)?,
                schema: options.get("schema").filter(|schema| !schema.is_null()).cloned(),
                deadline: deadline(options, ctx.now)?,
                default: options.get("default").cloned(),
                prompt: request.prompt,
                args: request.args,
            },
            kind: request.kind,
            key: request.key.map(|keyed| keyed.key),
            response: None,
            outcome: None,
            error: None,
            context: Context { pc: request.instruction, line: request.line, variables: json!({}) },
            claim: None,
        };
        let schema = call.schema()?;
        if let Some(default) = &mut call.request.default {
            *default = expected::fit(schema.as_ref(), call.request.choices.as_deref(), default)
                .map_err(|misfit| format!("the default is no answer that is taken: {misfit}"))?;
        }
        Ok(call)
    }

    fn schema(&self) -> Result<Option<Schema>, String> {
        self.request.schema.as_ref().map(Schema::parse).transpose()
    }

    pub(super) fn key(&self) -> Key {
        Key::new(&CC_HISTORY, &self.id)
    }

    /// The row of a new call.
    pub(super) fn insert(&self) -> Result<Change, Rejection> {
        Ok(Change::Insert { key: self.key(), document: document::write(self)? })
    }

    /// The row of this call instead of what was read of it.
    pub(super) fn update(&self, before: &Loaded) -> Result<Change, Rejection> {
        Ok(Change::Update { key: self.key(), before: before.clone(), after: document::write(self)? })
    }

    /// The call of that id as it was read.
    pub(super) fn find<'a>(view: &'a View, id: &str) -> Result<(&'a Loaded, Self), Rejection> {
        let key = Key::new(&CC_HISTORY, id);
        match view.get(&key).map(|found| Ok((found, Row::read(&key, found)?))).transpose()? {
            Some((found, Row::Asked(call))) => Ok((found, *call)),
            Some((_, Row::Early(_))) | None => {
                let hint = "; show lists the open calls of an execution".to_owned();
                Err(Rejection::NotFound { what: "call", id: id.to_owned(), hint })
            }
        }
    }

    /// Refuses where nothing can become of this call any more. That of a cancelled execution is left to the execution to tell.
    pub(super) fn must_be_open(&self) -> Result<(), Rejection> {
        match self.outcome {
            None | Some(CallOutcome::Cancelled) => Ok(()),
            Some(outcome) => {
                let (step, execution) = (self.step, &self.execution_id);
                let message = format!("call {step} of execution `{execution}` {}; nothing was changed", outcome.told());
                let details = json!({"outcome": outcome});
                Err(Rejection::Domain { code: Code::AlreadyAnswered, message, details })
            }
        }
    }

    /// Refuses what comes when nobody may answer any more.
    pub(super) fn must_be_in_time(&self, now: Timestamp) -> Result<(), Rejection> {
        match self.request.deadline {
            Some(deadline) if deadline <= now => {
                let message = format!(
                    "call {} of execution `{}` took answers until {deadline}; nothing was changed",
                    self.step, self.execution_id
                );
                Err(Rejection::Domain { code: Code::DeadlinePassed, message, details: json!({"deadline": deadline}) })
            }
            _ => Ok(()),
        }
    }

    /// What the program gets for this answer; or why it does not fit the question.
    pub(super) fn fit(&self, answer: &Json) -> Result<Json, Rejection> {
        let wrong = |message: String, details: Json| Rejection::Domain { code: Code::InvalidAnswer, message, details };
        if self.kind == TIMER {
            return Err(wrong("this is a timer: it takes no answer and goes on by itself".to_owned(), Json::Null));
        }
        check_plain(answer)
            .map_err(|excess| wrong(format!("the answer is {excess}; nothing was changed"), Json::Null))?;
        // A schema that was checked when it was asked.
        let schema = self.schema().map_err(|why| document::damaged(&self.key(), why.as_str()))?;
        let choices = self.request.choices.as_deref();
        expected::fit(schema.as_ref(), choices, answer).map_err(|misfit| {
            let mut details = Document::new();
            details.extend(choices.map(|choices| ("choices".to_owned(), json!(choices))));
            details.extend(self.request.schema.clone().map(|schema| ("schema".to_owned(), schema)));
            wrong(format!("{misfit}; nothing was changed"), details.into())
        })
    }

    /// Closes it with an answer.
    pub(super) fn complete(&mut self, result: Json, by: Option<String>, now: Timestamp) {
        let latency_ms = self.latency(now);
        self.response = Some(Response { result, timestamp: now, latency_ms, by });
        self.close(CallOutcome::Answered);
    }

    /// Closes it because its deadline has passed.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let over = match (&self.request.default, self.kind.as_str()) {
            (Some(default), _) => Some(default.clone()),
            (None, TIMER) => Some(Json::Null),
            (None, _) => None,
        };
        let Some(result) = over else { return self.close(CallOutcome::TimedOut) };
        let latency_ms = self.latency(now);
        self.response = Some(Response { result, timestamp: now, latency_ms, by: None });
        self.close(CallOutcome::Defaulted);
    }

    /// How long it has been open. The clock of another host may be behind.
    fn latency(&self, now: Timestamp) -> Millis {
        now.since(self.request.timestamp).max(Millis(0))
    }

    /// Closes it without an answer.
    pub(super) fn close(&mut self, outcome: CallOutcome) {
        self.outcome = Some(outcome);
        self.available_at = None;
    }

    /// Whether its deadline has passed.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.request.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// What the program is to be told of it.
    pub(super) fn reply(&self) -> Result<Reply, Rejection> {
        let error = |name: &str, message: String| Reply::Error { name: name.to_owned(), message };
        let response = || {
            let damaged = || document::damaged(&self.key(), "it has an outcome and no response");
            self.response.as_ref().map(|response| response.result.clone()).ok_or_else(damaged)
        };
        Ok(match self.outcome {
            Some(CallOutcome::Answered | CallOutcome::Defaulted) if self.is_silent() => Reply::Nothing,
            Some(CallOutcome::Answered | CallOutcome::Defaulted) => Reply::Value(response()?),
            Some(CallOutcome::TimedOut) => {
                let span = self.request.deadline.map_or(0, |at| at.since(self.request.timestamp).0);
                error("TimeoutError", format!("{} was not answered within {span} ms", self.named()))
            }
            Some(CallOutcome::Failed) => match &self.error {
                Some(CallError { name, message, .. }) => error(name.as_deref().unwrap_or("CallError"), message.clone()),
                None => error("CallError", format!("{} failed", self.named())),
            },
            Some(CallOutcome::Cancelled) => error("CallError", format!("{} was cancelled", self.named())),
            None => return Err(Rejection::Torn(format!("call {} of {} is open", self.step, self.execution_id))),
        })
    }

    /// Its value is `undefined`.
    fn is_silent(&self) -> bool {
        matches!(self.kind.as_str(), TIMER | "fs.writeFile")
    }

    fn named(&self) -> String {
        match self.kind.as_str() {
            COGNITIVE => format!("`{}`", shortened(&self.request.prompt, 80)),
            tool => format!("the call of {tool}"),
        }
    }

    /// What its execution's head says is waited for: the question, or what stands for it.
    pub(super) fn prompt_of_head(&self) -> String {
        match (self.kind.as_str(), self.request.deadline) {
            (COGNITIVE, _) => self.request.prompt.clone(),
            (TIMER, Some(until)) => format!("sleep until {until}"),
            (tool, _) => format!("{tool} {}", shortened(&json_text(&self.request.args), 200)),
        }
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// The choices in a call's options.
fn choices(options: &Json) -> Result<Option<Vec<Json>>, String> {
    match options.get("choices") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Array(choices)) if choices.is_empty() => Err("choices may not be empty".to_owned()),
        Some(Json::Array(choices)) if choices.iter().all(|c| c.is_string() || c.is_number() || c.is_boolean()) => {
            Ok(Some(choices.clone()))
        }
        Some(_) => Err("choices must be a list of texts, numbers or booleans".to_owned()),
    }
}

/// Longest a deadline may lie ahead: beyond it lies a mistake of units.
const LONGEST: Millis = Millis::days(366 * 100);

/// When a call asked now is over. A moment that has passed is over at once.
fn deadline(options: &Json, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let number = |name: &str| match options.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => value.as_f64().ok_or_else(|| format!("{name} must be a number")).map(Some),
    };
    let at = match (number("timeoutMs")?, number("until")?) {
        (Some(span), _) => now.as_millis() as f64 + span.ceil(),
        (None, Some(until)) => until.ceil(),
        (None, None) => return Ok(None),
    };
    let latest = (now + LONGEST).as_millis() as f64;
    if !at.is_finite() || at > latest {
        return Err("the deadline lies more than 100 years ahead".to_owned());
    }
    Ok(Some(Timestamp::from_millis(at.max(0.0) as i64)))
}

/// Calls that still take answers at `now`. Those of an execution that rests stay open when their deadline has passed, and there may be many.
pub fn in_time(now: Timestamp) -> Filter {
    let deadline = || "request.deadline".to_owned();
    Filter::Or(vec![Filter::Exists(deadline(), false), Filter::Gt(deadline(), now.as_millis().into())])
}
