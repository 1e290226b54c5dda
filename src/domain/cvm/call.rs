//! A call: a question that an execution asked, and its answer. One row a call, written when it is asked and completed when it
//! is answered; it is also the history that the schema calls `cc_history`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::execution::{EXECUTIONS, Event, Execution, Reached, State};
use super::live::{self, Live};
use super::{document, turn};
use crate::code::Code;
use crate::decision::{Change, Command, Ctx, Decision, Loaded, ReadSet, Rejection, View};
use crate::limits::PLAIN_VALUE_BYTES;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Collection, Field, Index, Key, Predicate, Reference};
use crate::time::{Millis, Timestamp};
use crate::value::{Json, check_plain, json_bytes, same};
use crate::vm::CallRequest;

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its id.
    pub id: String,
    /// The execution that asks.
    pub execution_id: String,
    /// Its program's name, for queries.
    pub program_name: String,
    /// The how-manyth call of the execution, from 1.
    pub step: u64,
    /// Who is asked: `cc`, or the name of a tool.
    pub kind: String,
    /// When it may be taken; missing once it is answered.
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
    /// Where the program stood.
    pub context: Context,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// In words.
    pub prompt: String,
    /// The instruction that asks.
    pub instruction_id: u32,
    /// When it was asked.
    pub timestamp: Timestamp,
    /// The only answers it takes; missing: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Json>>,
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

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// Somebody answered.
    Answered,
    /// Its execution was cancelled.
    Cancelled,
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

/// `cvm.cc_history`.
pub const CC_HISTORY: Collection = Collection::new("cvm.cc_history", 1)
    .fields(&[
        Field::id("id"),
        Field::id("executionId"),
        Field::text("programName"),
        Field::int("step"),
        Field::text("kind"),
        Field::timestamp("availableAt").optional(),
        Field::object("request"),
        Field::text("request.prompt"),
        Field::int("request.instructionId"),
        Field::timestamp("request.timestamp"),
        Field::object("response").optional(),
        Field::text("outcome").optional().one_of(&["answered", "defaulted", "timed_out", "failed", "cancelled"]),
        Field::object("context"),
    ])
    .indexes(&[
        Index::by(&[("executionId", Ascending), ("step", Ascending)]),
        Index::by(&[("programName", Ascending)]),
        Index::by(&[("request.timestamp", Descending)]),
        Index::by(&[("kind", Ascending), ("availableAt", Ascending)]).partial(Predicate::Missing("outcome")),
    ])
    .references(&[Reference { field: "executionId", collection: "cvm.executions" }]);

/// Which call an answer is for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The one of that id.
    Call(String),
    /// The open one, as the answerer saw it. It is named, so that of two who answer the same question the later does not answer the next
    /// one; it is no part of what the command is, so that the repeat of a command is known as such.
    Open {
        /// Id of the call that was open when the answerer looked; `None`: there was none.
        #[serde(skip)]
        seen: Option<String>,
    },
}

/// Answers a call; the execution runs on to its next stop in the same commit, a slice at the most.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The execution.
    pub execution: String,
    /// The call.
    pub call: Choice,
    /// The answer.
    pub answer: Json,
    /// Who answers, for the record.
    pub by: Option<String>,
}

impl Answer {
    fn call_id(&self) -> Option<&str> {
        match &self.call {
            Choice::Call(id) => Some(id),
            Choice::Open { seen } => seen.as_deref(),
        }
    }
}

impl Command for Answer {
    const NAME: &'static str = "cvm.answer";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.execution))
    }

    fn reads(&self, view: &View) -> ReadSet {
        let reads = live::reads(view, &self.execution);
        match self.call_id() {
            Some(call) => reads.and(Key::new(&CC_HISTORY, call)),
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        // The call is judged before the execution: an answered call is answered, whatever the execution does by now.
        let Some(id) = self.call_id() else {
            let (_, execution) = Execution::find(view, &self.execution)?;
            execution.step(Event::Answer)?;
            return Err(Rejection::Stale {
                what: format!("execution `{}` began to wait just now; look at its question first", self.execution),
            });
        };
        let (key, row, mut call) = Call::find(view, id)?;
        if call.execution_id != self.execution {
            let hint = format!(" in execution `{}`; it belongs to `{}`", self.execution, call.execution_id);
            return Err(Rejection::NotFound { what: "call", id: call.id, hint });
        }
        if call.outcome == Some(CallOutcome::Answered) {
            let message = format!(
                "call {} of execution `{}` was answered already; nothing was changed",
                call.step, self.execution
            );
            return Err(Rejection::domain(Code::AlreadyAnswered, message));
        }
        let (before, mut execution) = Execution::find(view, &self.execution)?;
        let next = execution.step(Event::Answer)?;
        call.judge(&self.answer)?;
        call.complete(&self.answer, self.by.clone(), ctx);
        let answered = Change::Update { key, before: row.clone(), after: document::write(&call)? };
        if let State::Paused(_) = next {
            // Kept for when it goes on, which reads the call and not this head: that it rests is what is relied on.
            let head = Key::new(&EXECUTIONS, &self.execution);
            return Ok(Decision::of(execution.reached()).change(answered).check(head, before));
        }
        let mut live = Live::of(view, &execution, ctx)?;
        live.answer(&self.answer)?;
        execution.state = next;
        turn::go_on(before, execution, live, ctx, vec![answered])
    }
}

impl Call {
    /// The call that a program asks. `Err`: what is wrong with how it asks, in words for the program's author.
    pub(super) fn asked(
        execution: &Execution,
        request: &CallRequest,
        variables: Json,
        ctx: &mut Ctx,
    ) -> Result<Self, String> {
        let bytes = json_bytes(&request.prompt) + json_bytes(&request.options);
        if bytes > PLAIN_VALUE_BYTES {
            return Err(format!("CC: the question has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed"));
        }
        Ok(Self {
            id: ctx.new_id(),
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            step: execution.metrics.cc_calls_count + 1,
            kind: request.kind.clone(),
            available_at: Some(ctx.now),
            request: Request {
                prompt: request.prompt.clone(),
                instruction_id: request.instruction,
                timestamp: ctx.now,
                choices: choices(&request.options)?,
            },
            response: None,
            outcome: None,
            context: Context { pc: request.instruction, line: request.line, variables },
        })
    }

    /// The row of a new call.
    pub(super) fn insert(&self) -> Result<Change, Rejection> {
        Ok(Change::Insert { key: Key::new(&CC_HISTORY, &self.id), document: document::write(self)? })
    }

    /// The call of that id as it was read.
    pub(super) fn find<'a>(view: &'a View, id: &str) -> Result<(Key, &'a Loaded, Self), Rejection> {
        let key = Key::new(&CC_HISTORY, id);
        let found = view.get(&key).ok_or_else(|| {
            let hint = "; show lists the open calls of an execution".to_owned();
            Rejection::NotFound { what: "call", id: id.to_owned(), hint }
        })?;
        let call = document::read(&key, found)?;
        Ok((key, found, call))
    }

    /// Whether the answer fits the question.
    fn judge(&self, answer: &Json) -> Result<(), Rejection> {
        let wrong =
            |message: String, details: Json| Err(Rejection::Domain { code: Code::InvalidAnswer, message, details });
        if let Err(excess) = check_plain(answer) {
            return wrong(format!("the answer is {excess}; nothing was changed"), Json::Null);
        }
        match &self.request.choices {
            Some(choices) if !choices.iter().any(|choice| same(choice, answer)) => {
                let names: Vec<String> = choices.iter().map(Json::to_string).collect();
                let message = format!("the answer must be one of {}; nothing was changed", names.join(", "));
                wrong(message, json!({"choices": choices}))
            }
            _ => Ok(()),
        }
    }

    fn complete(&mut self, answer: &Json, by: Option<String>, ctx: &Ctx) {
        let latency_ms = ctx.now.since(self.request.timestamp);
        self.response = Some(Response { result: answer.clone(), timestamp: ctx.now, latency_ms, by });
        self.outcome = Some(CallOutcome::Answered);
        self.available_at = None;
    }
}

/// The choices in a call's options.
fn choices(options: &Json) -> Result<Option<Vec<Json>>, String> {
    match options.get("choices") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Array(choices)) if choices.is_empty() => Err("CC: choices may not be empty".to_owned()),
        Some(Json::Array(choices)) if choices.iter().all(|c| c.is_string() || c.is_number() || c.is_boolean()) => {
            Ok(Some(choices.clone()))
        }
        Some(_) => Err("CC: choices must be a list of texts, numbers or booleans".to_owned()),
    }
}

/// `reads` and the row of the call that the execution waits for.
pub(super) fn with_open_call(reads: ReadSet, view: &View, execution: &str) -> ReadSet {
    let key = Key::new(&EXECUTIONS, execution);
    let head = view.get(&key).and_then(|head| Execution::from_document(&key, head).ok());
    match head.as_ref().and_then(Execution::open_call) {
        Some(waiting) => reads.and(Key::new(&CC_HISTORY, &waiting.call_id)),
        None => reads,
    }
}

/// The change that ends an open call because its execution ends; none where it was answered meanwhile.
pub(super) fn cancel(view: &View, id: &str) -> Result<Option<Change>, Rejection> {
    let (key, row, mut call) = Call::find(view, id)?;
    if call.outcome.is_some() {
        return Ok(None);
    }
    call.outcome = Some(CallOutcome::Cancelled);
    call.available_at = None;
    Ok(Some(Change::Update { key, before: row.clone(), after: document::write(&call)? }))
}
