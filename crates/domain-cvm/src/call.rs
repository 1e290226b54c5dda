//! A call: a question that an execution asks, a tool that it uses or a timer that it sets. A call has one row in
//! `cc_history`, written when it is made and completed when it is closed. `waiting.rs` closes calls and resumes
//! their executions. Answers, also early ones, are in `answer.rs`, workers in `claim.rs`.

use runstate_core::decision::{Cost, Hint, Shortfall};
use runstate_core::limits::PLAIN_VALUE_BYTES;
use runstate_core::prelude::*;
use runstate_core::schema::FieldType;
use runstate_value::{json_bytes, json_text};
use runstate_vm::{CallRequest, Reply};
use schemars::JsonSchema;
use serde_json::json;

use super::answer::{EarlyAnswer, keyed_id};
use super::answer_schema::{self, Schema};
use super::approval::Approval;
use super::call_cost;
use super::execution::ExecutionHead;
use super::request_text;
use crate::codes;

/// The kind of `CC(...)`.
pub const COGNITIVE: &str = "cc";

/// The kind of `sleep` and `sleepUntil`. Only the clock completes these calls.
pub const TIMER: &str = "timer";

/// The hint that a call of this kind waits for a worker.
pub(super) fn open_hint(kind: &str) -> Hint {
    Hint::Domain { name: "cvm.call_open", subject: kind.to_owned() }
}

/// A call.
#[derive(Entity, Clone, Debug, Default, PartialEq)]
#[entity(
    collection = "cvm.cc_history",
    version = 1,
    rename_all = "camelCase",
    noun = "call",
    when = "exists(request)",
    show(name = "cvm.call", row = CallView, complete = request_text::complete),
    list(name = "cvm.calls", row = CallView)
)]
#[index(execution_id, step)]
#[index(execution_id, "request.deadline", when = "missing(outcome)")]
#[index(program_name)]
#[index("request.timestamp" desc)]
#[index(kind, available_at, when = "missing(outcome)")]
#[index(execution_id, key, occurrence, when = "exists(key)")]
#[index(awaits_approval, "request.timestamp", when = "exists(awaitsApproval)")]
#[index(execution_id, queued, step, when = "exists(queued)")]
pub struct Call {
    /// Its id. The id of a keyed call is derived from execution, key and occurrence, so the call and an early answer
    /// use the same row.
    #[entity(id, shard)]
    pub id: String,
    /// The execution that makes the call.
    #[entity(part_of = "cvm.executions")]
    pub execution_id: String,
    /// Its program's name, for queries.
    pub program_name: String,
    /// Number of the call in its execution, from 1.
    #[entity(optional)]
    pub step: u64,
    /// The kind: `cc`, the name of a tool, `timer`, `fs.readFile`, `fs.listFiles`, `fs.writeFile`.
    #[entity(optional)]
    pub kind: String,
    /// The key by which it can be answered before it is made.
    pub key: Option<String>,
    /// Its number among the calls of the execution under its key, from 1.
    pub occurrence: Option<u64>,
    /// When a worker may claim it: at once, when another claim expires, or when a retry is due. Missing for timers,
    /// calls that are queued or await an approval, and closed calls.
    pub available_at: Option<Timestamp>,
    /// Whether it is open, but beyond the calls that may be open at once: no worker gets it until an earlier one is
    /// closed.
    #[entity(omit_default)]
    pub queued: bool,
    /// Whether it waits for an approval: until then no worker gets it. Unless it waits for that of its cost, no answer
    /// closes it.
    #[entity(omit_default)]
    pub awaits_approval: bool,
    /// The decision on it, if it awaited an approval.
    #[entity(declared("timestamp"))]
    pub approval: Option<Approval>,
    /// What budgets lack for its cost, if it waits for the approval of that.
    #[entity(omit_default)]
    pub shortfall: Vec<Shortfall>,
    /// The newest decision on its cost, if budgets lacked it.
    #[entity(declared("timestamp"))]
    pub cost_approval: Option<Approval>,
    /// The request.
    #[entity(optional, declared("prompt", "instructionId", "timestamp", "deadline"))]
    pub request: Request,
    /// The response.
    #[entity(declared("timestamp"))]
    pub response: Option<Response>,
    /// An answer that was there before the call, and waits for its approval.
    #[entity(declared("timestamp"))]
    pub early_answer: Option<Response>,
    /// The outcome; missing while the call is open.
    pub outcome: Option<CallOutcome>,
    /// The newest failure of a worker.
    #[entity(declared("timestamp"))]
    pub error: Option<CallError>,
    /// Why a budget refused the cost of the call, whose code is the name: no worker gets it until the budget has the
    /// cost.
    #[entity(declared("timestamp"))]
    pub refusal: Option<CallError>,
    /// The position of the program.
    #[entity(optional, declared())]
    pub context: Context,
    /// The claim of a worker.
    #[entity(declared("until"))]
    pub claim: Option<ClaimState>,
}

/// The request of a call.
#[derive(Fields, Clone, Debug, Default, PartialEq)]
#[entity(rename_all = "camelCase")]
pub struct Request {
    /// The question in words; empty for tools. A long one is cut with a mark.
    pub prompt: String,
    /// The arguments of a tool.
    #[entity(omit_default)]
    pub args: Json,
    /// The instruction that makes the call.
    pub instruction_id: u32,
    /// When the call was made.
    pub timestamp: Timestamp,
    /// The only valid answers; missing: any.
    pub choices: Option<Vec<Json>>,
    /// The schema of valid answers; see [`Schema`].
    pub schema: Option<Json>,
    /// From this time on, answers are rejected.
    pub deadline: Option<Timestamp>,
    /// The value that the program gets when the deadline has passed; missing: a `TimeoutError`.
    pub default: Option<Json>,
    /// Its cost.
    pub cost: Option<Cost>,
    /// What happens when a budget lacks the cost; missing: it waits.
    pub on_refused: Option<OnRefused>,
    /// Where prompt and arguments are, if they are long; here are only their beginnings then.
    pub text: Option<Json>,
}

/// What happens to a call when a budget lacks its cost.
#[derive(FieldType, Wire, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefused {
    /// It waits until the budget has the cost.
    Wait,
    /// It waits for an approval, which raises the budget by what it lacks.
    Ask,
}

/// The response to a call.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
#[entity(rename_all = "camelCase")]
pub struct Response {
    /// The answer.
    pub result: Json,
    /// When it was given.
    pub timestamp: Timestamp,
    /// Time since the call was made; missing for an early answer until then.
    pub latency_ms: Option<Millis>,
    /// Name of the answerer, if given.
    pub by: Option<String>,
}

/// The failure of a worker to complete a call.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
pub struct CallError {
    /// The error's name in the program; missing: `CallError`.
    pub name: Option<String>,
    /// The error's `code` in the program; missing: it has none.
    pub code: Option<String>,
    /// The message.
    pub message: String,
    /// When the attempt failed.
    pub timestamp: Timestamp,
    /// Name of the worker, if given.
    pub by: Option<String>,
}

/// A call as callers see it.
#[derive(Fields, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(rename_all = "camelCase", upgrade = CallView::with_waits_for)]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// Its id.
    pub id: String,
    /// The execution that makes it.
    pub execution_id: String,
    /// The name of the execution's program.
    pub program_name: String,
    /// Its number among the calls of the execution, from 1. An early answer has none.
    pub step: Option<u64>,
    /// The kind: `cc`, the name of a tool, `timer`, `fs.readFile` and others.
    #[entity(default)]
    pub kind: String,
    /// The key by which it can be answered before it is made.
    pub key: Option<String>,
    /// The question; empty for tools and timers.
    #[entity(path = "request.prompt", default)]
    pub prompt: String,
    /// The arguments of a tool.
    #[entity(path = "request.args", default)]
    pub args: Json,
    /// Where prompt and arguments are stored, if they are long. A result has the whole of them instead.
    #[serde(skip)]
    #[entity(path = "request.text")]
    pub request_text: Option<Json>,
    /// The only valid answers; missing: any.
    #[entity(path = "request.choices")]
    pub choices: Option<Vec<Json>>,
    /// The schema of valid answers; missing: any.
    #[entity(path = "request.schema")]
    pub schema: Option<Json>,
    /// The value that the program gets when the deadline has passed; missing: it gets a `TimeoutError`.
    #[entity(path = "request.default")]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub default: Option<Json>,
    /// Its cost.
    #[entity(path = "request.cost")]
    pub cost: Option<Cost>,
    /// What happens when a budget lacks the cost; missing: it waits.
    #[entity(path = "request.onRefused")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_refused: Option<OnRefused>,
    /// When it was made. An early answer waits for that.
    #[entity(path = "request.timestamp")]
    pub requested_at: Option<Timestamp>,
    /// When a worker may claim it.
    pub available_at: Option<Timestamp>,
    /// From this time on, answers are rejected.
    #[entity(path = "request.deadline")]
    pub deadline: Option<Timestamp>,
    /// What it waits for; missing: it is closed, or an early answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// Whether it waits for an approval, as stored; `waits_for` shows it.
    #[serde(skip)]
    #[entity(default)]
    pub awaits_approval: bool,
    /// Whether it is queued, as stored; `waits_for` shows it.
    #[serde(skip)]
    #[entity(default)]
    pub queued: bool,
    /// The decision on it, if it awaited an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What budgets lack for its cost: its approval raises them by that, and by less if they lack less then.
    #[entity(default)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortfall: Vec<Shortfall>,
    /// The newest decision on its cost, if budgets lacked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_approval: Option<Approval>,
    /// An answer that was there before the call: its approval closes the call with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_answer: Option<Response>,
    /// The claim of a worker.
    pub claim: Option<ClaimState>,
    /// Why a budget refused its cost, with the code as its name: the call waits until the budget has it, or for an
    /// approval. Then the message says what is missing: `needs 2 USD more in the daily budget of money`.
    pub refusal: Option<CallError>,
    /// The newest failure of a worker. The call may still be open, to be retried.
    pub error: Option<CallError>,
    /// The outcome; missing while it is open.
    pub outcome: Option<CallOutcome>,
    /// The response.
    pub response: Option<Response>,
    /// Line of the source that makes it.
    #[entity(path = "context.line", default)]
    pub line: u32,
    /// The variables visible there by name, truncated with a mark.
    #[entity(path = "context.variables", default)]
    pub variables: Json,
    /// The functions that await it, innermost first, as lines of a stack trace: `at async f (line:column)`. Missing:
    /// the whole program waits for it.
    #[entity(path = "context.stack", default)]
    pub stack: Vec<String>,
}

impl CallView {
    /// No document has what a call waits for: it follows from other fields.
    fn with_waits_for(mut self) -> Self {
        let waits_for = match &*self.kind {
            _ if self.awaits_approval => WaitsFor::Approval,
            _ if self.queued => WaitsFor::Queue,
            TIMER => WaitsFor::Time,
            COGNITIVE => WaitsFor::Person,
            _ => WaitsFor::Worker,
        };
        // An early answer waits for its call, which has no step yet.
        self.waits_for = (self.outcome.is_none() && self.step.is_some()).then_some(waits_for);
        self
    }

    /// What budgets lack for its cost, if it awaits the approval of that: `needs 2 USD more in the daily budget of
    /// money`.
    pub fn needs(&self) -> Option<&str> {
        self.refusal.as_ref().filter(|_| !self.shortfall.is_empty()).map(|refusal| refusal.message.as_str())
    }

    /// Names it for people: `run call 2`.
    pub fn label(&self) -> String {
        format!("{} call {}", self.execution_id, self.step.unwrap_or_default())
    }

    /// The worker that holds the call at that time.
    pub fn owner(&self, now: Timestamp) -> Option<&str> {
        self.claim.as_ref().filter(|claim| claim.until > now)?.owner.as_deref()
    }
}

/// What an open call waits for.
#[derive(FieldType, Wire, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// An approval: `cvm.approve` or `cvm.reject`.
    Approval,
    /// The answer of a person, or of a model that answers in its place.
    Person,
    /// A worker that serves its kind.
    Worker,
    /// The end of a timer.
    Time,
    /// The end of an earlier call: so many calls of its execution are open as may be at once.
    Queue,
}

/// The outcome of a call.
#[derive(FieldType, Wire, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was answered.
    Answered,
    /// Its deadline passed and its default was used; for a timer: it has ended.
    Defaulted,
    /// Its deadline passed, and the program got a `TimeoutError`.
    TimedOut,
    /// Its worker gave up, and the program got a `CallError`.
    Failed,
    /// Its execution was cancelled.
    Cancelled,
}

impl CallOutcome {
    /// The reason in the rejection of a late answer.
    fn refusal_phrase(self) -> &'static str {
        match self {
            CallOutcome::Answered => "was already answered",
            CallOutcome::Defaulted => "is closed: its deadline passed and its default was used",
            CallOutcome::TimedOut => "is closed: its deadline passed",
            CallOutcome::Failed => "has already failed",
            CallOutcome::Cancelled => "was cancelled",
        }
    }
}

/// A worker's claim on a call. While `owner` is set, the claim is exclusive until `until`. After that, the next claim
/// of the call replaces it.
#[derive(Fields, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimState {
    /// Name of the worker; missing: the call was released, or the attempt failed.
    pub owner: Option<String>,
    /// The fencing token. It is greater than that of every earlier claim of this call, and of every earlier call with
    /// this id.
    pub token: u64,
    /// The end of the lease.
    pub until: Timestamp,
    /// Number of attempts, this one included.
    pub attempts: u32,
    /// The open reservation of the call's cost.
    pub reservation: Option<String>,
    /// The newest earlier attempt whose worker has vanished: it may have been executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<u32>,
}

impl ClaimState {
    /// The newest attempt whose outcome is not known once this claim has ended.
    pub(super) fn unknown_attempt(&self) -> Option<u32> {
        if self.owner.is_some() && self.attempts > 0 { Some(self.attempts) } else { self.unknown }
    }
}

/// The position of a program when it made a call.
#[derive(Fields, Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// Program counter.
    pub pc: u32,
    /// Line of the source.
    pub line: u32,
    /// Visible variables by name, at most 4 KiB, truncated with a mark.
    pub variables: Json,
    /// The functions that awaited it when the program had stopped, innermost first, as lines of a stack trace.
    #[entity(omit_default)]
    pub stack: Vec<String>,
}

impl Context {
    /// A position that nothing awaits.
    pub fn new(pc: u32, line: u32, variables: Json) -> Self {
        Self { pc, line, variables, stack: Vec::new() }
    }
}

/// `cvm.cc_history`. A row without `request` is an early answer: it lacks what only the call knows, so that is declared
/// optional.
pub const CC_HISTORY: Collection = Call::COLLECTION;

impl Call {
    /// Creates the call that a program makes, its variables still missing. The error describes an invalid request to
    /// the program's author.
    pub(super) fn from_request(
        execution: &ExecutionHead,
        request: CallRequest,
        step: u64,
        view: &View,
        ctx: &mut Ctx,
    ) -> Result<Self, String> {
        let args = if request.args.is_null() { 0 } else { json_bytes(&request.args) };
        let bytes = json_bytes(&request.prompt) + args + json_bytes(&request.options);
        if bytes > PLAIN_VALUE_BYTES {
            return Err(format!("the request has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed"));
        }
        let options = &request.options;
        let (cost, on_refused) = call_cost::from_options(options, view)?;
        let mut call = Self {
            id: match &request.key {
                Some(keyed) => keyed_id(&execution.id, &keyed.key, keyed.occurrence),
                None => ctx.new_id(),
            },
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            step,
            awaits_approval: execution.needs_approval(&request.kind),
            request: Request {
                instruction_id: request.instruction,
                timestamp: ctx.now,
                choices: choices(options)?,
                schema: options.get("schema").filter(|schema| !schema.is_null()).cloned(),
                deadline: deadline(options, ctx.now)?,
                default: options.get("default").cloned(),
                cost,
                on_refused,
                prompt: request.prompt,
                args: request.args,
                text: None,
            },
            kind: request.kind,
            occurrence: request.key.as_ref().map(|keyed| keyed.occurrence),
            key: request.key.map(|keyed| keyed.key),
            context: Context::new(request.instruction, request.line, json!({})),
            ..Self::default()
        };
        call.make_available(ctx.now);
        let schema = call.request.schema.as_ref().map(Schema::parse).transpose()?;
        if let Some(default) = &mut call.request.default {
            *default = answer_schema::coerce_answer(schema.as_ref(), call.request.choices.as_deref(), default)
                .map_err(|error| format!("the default is not a valid answer: {error}"))?;
        }
        Ok(call)
    }

    pub(super) fn key(&self) -> Key {
        Key::new(&CC_HISTORY, &self.id)
    }

    /// The call of that id, if it was made. An early answer may be in its place.
    pub(super) fn find(view: &View, id: &str) -> Result<Option<LoadedEntity<Self>>> {
        if EarlyAnswer::is_in(view, &Key::new(&CC_HISTORY, id)) { Ok(None) } else { view.find_entity(id) }
    }

    /// The call of that id, which must have been made.
    pub(super) fn load(view: &View, id: &str) -> Result<LoadedEntity<Self>> {
        Self::find(view, id)?.ok_or_else(|| Rejection::not_found::<Self>(id))
    }

    /// The call of that id, which must have been made by this execution.
    pub(super) fn load_of(view: &View, id: &str, execution: &str) -> Result<LoadedEntity<Self>> {
        let row = Self::load(view, id)?;
        row.entity.require_of(execution)?;
        Ok(row)
    }

    /// Rejects a call that another execution has made.
    pub(super) fn require_of(&self, execution: &str) -> Result<()> {
        if self.execution_id == execution {
            return Ok(());
        }
        let hint = format!(" in execution `{execution}`; it belongs to `{}`", self.execution_id);
        Err(Rejection::NotFound { what: "call", id: self.id.clone(), hint })
    }

    /// Rejects a closed call. A cancelled call passes here: its execution then rejects the command.
    pub(super) fn require_open(&self) -> Result<()> {
        if self.outcome == Some(CallOutcome::Cancelled) { Ok(()) } else { self.require_awaited() }
    }

    /// Rejects a closed call of an execution that waits. The program may have cancelled it.
    pub(super) fn require_awaited(&self) -> Result<()> {
        match self.outcome {
            None => Ok(()),
            Some(outcome) => {
                let (step, execution) = (self.step, &self.execution_id);
                let mut decisions = [&self.approval, &self.cost_approval].into_iter().flatten();
                let is_rejected = decisions.any(|approval| !approval.approved);
                let phrase = if is_rejected { "was rejected" } else { outcome.refusal_phrase() };
                let message = format!("call {step} of execution `{execution}` {phrase}; nothing was changed");
                let details = json!({"outcome": outcome});
                Err(Rejection::Domain { code: codes::ALREADY_ANSWERED, message, details })
            }
        }
    }

    /// Rejects an answer after the deadline.
    pub(super) fn require_before_deadline(&self, now: Timestamp) -> Result<()> {
        match self.request.deadline {
            Some(deadline) if deadline <= now => {
                let message = format!(
                    "call {} of execution `{}` accepted answers until {deadline}; nothing was changed",
                    self.step, self.execution_id
                );
                Err(Rejection::Domain { code: codes::DEADLINE_PASSED, message, details: json!({"deadline": deadline}) })
            }
            _ => Ok(()),
        }
    }

    /// Whether it is a question to a person, which awaits no approval.
    pub(super) fn is_question(&self) -> bool {
        self.kind == COGNITIVE && !self.awaits_approval
    }

    /// Whether it awaits the approval that the policy of its execution asks for. It has no place among the open calls
    /// until then. One that awaits the approval of its cost has had it.
    pub(super) fn is_unapproved(&self) -> bool {
        self.awaits_approval && self.shortfall.is_empty()
    }

    /// Rejects an answer to a call that its policy does not allow yet.
    pub(super) fn require_approved(&self) -> Result<()> {
        if !self.is_unapproved() {
            return Ok(());
        }
        let message = format!(
            "call {} of execution `{}` awaits an approval, and gets no answer before; nothing was changed",
            self.step, self.execution_id
        );
        Err(Rejection::domain(codes::AWAITING_APPROVAL, message))
    }

    /// The arguments that the program passed.
    pub(super) fn original_args(&self) -> &Json {
        let replaced = self.approval.as_ref().and_then(|approval| approval.original_args.as_ref());
        replaced.unwrap_or(&self.request.args)
    }

    /// Returns the value that the program gets for this answer, or the reason why the answer is not valid.
    pub(super) fn coerce_answer(&self, answer: &Json) -> Result<Json> {
        let invalid =
            |message: String, details: Json| Rejection::Domain { code: codes::INVALID_ANSWER, message, details };
        if self.kind == TIMER {
            let message = format!(
                "call {} of execution `{}` is a timer, which takes no answer: it completes by itself; nothing was changed",
                self.step, self.execution_id
            );
            return Err(invalid(message, Json::Null));
        }
        // The schema was checked when the call was made.
        let schema = self
            .request
            .schema
            .as_ref()
            .map(Schema::parse_stored)
            .transpose()
            .map_err(|why| Rejection::damaged(&self.key(), &why))?;
        let choices = self.request.choices.as_deref();
        answer_schema::coerce_answer(schema.as_ref(), choices, answer).map_err(|error| {
            let mut details = Document::new();
            details.extend(choices.map(|choices| ("choices".to_owned(), json!(choices))));
            details.extend(self.request.schema.clone().map(|schema| ("schema".to_owned(), schema)));
            invalid(format!("{error}; nothing was changed"), details.into())
        })
    }

    /// Closes the call with an answer.
    pub(super) fn complete(&mut self, result: Json, by: Option<String>, now: Timestamp) {
        self.respond(result, by, now);
        self.close(CallOutcome::Answered);
    }

    /// Closes the call with an answer that was there before it, and takes no time.
    pub(super) fn complete_early(&mut self, response: Response) {
        self.response = Some(Response { latency_ms: Some(Millis(0)), ..response });
        self.close(CallOutcome::Answered);
    }

    /// Closes the call with the early answer that has waited for its approval, and returns whether there is one.
    pub(super) fn take_early_answer(&mut self) -> bool {
        self.early_answer.take().map(|response| self.complete_early(response)).is_some()
    }

    /// Closes the call because its deadline has passed.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let result = match (&self.request.default, self.kind.as_str()) {
            (Some(default), _) => Some(default.clone()),
            (None, TIMER) => Some(Json::Null),
            (None, _) => None,
        };
        let Some(result) = result else { return self.close(CallOutcome::TimedOut) };
        self.respond(result, None, now);
        self.close(CallOutcome::Defaulted);
    }

    /// The clock of another host may be behind.
    fn respond(&mut self, result: Json, by: Option<String>, now: Timestamp) {
        let latency_ms = Some(now.since(self.request.timestamp).max(Millis(0)));
        self.response = Some(Response { result, timestamp: now, latency_ms, by });
    }

    /// Closes the call without an answer.
    pub(super) fn close(&mut self, outcome: CallOutcome) {
        self.outcome = Some(outcome);
        self.available_at = None;
        (self.queued, self.awaits_approval) = (false, false);
        self.shortfall.clear();
        self.refusal = None;
    }

    /// Lets workers claim the call, unless only the clock completes it, it is queued, or it awaits an approval.
    pub(super) fn make_available(&mut self, now: Timestamp) {
        self.available_at = (self.kind != TIMER && !self.queued && !self.awaits_approval).then_some(now);
    }

    /// Queues the call behind others, unless it is a timer or awaits an approval. Returns whether it is queued.
    pub(super) fn enqueue(&mut self) -> bool {
        self.queued = self.kind != TIMER && !self.awaits_approval;
        self.available_at = None;
        self.queued
    }

    /// Takes the call out of the queue.
    pub(super) fn dequeue(&mut self, now: Timestamp) {
        self.queued = false;
        self.make_available(now);
    }

    /// The hint to those that can complete it, if it is open for them.
    pub(super) fn hint(&self) -> Option<Hint> {
        match (self.outcome, &*self.kind) {
            (Some(_), _) => None,
            (None, TIMER) => Some(Hint::Due),
            (None, kind) => self.available_at.map(|_| open_hint(kind)),
        }
    }

    /// Whether its deadline has passed.
    pub(super) fn is_past_deadline(&self, now: Timestamp) -> bool {
        self.request.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The reply that the program gets.
    pub(super) fn reply(&self) -> Result<Reply> {
        let coded = |name: &str, message: String, code: Json| Reply::Error { name: name.to_owned(), message, code };
        let error = |name: &str, message: String| coded(name, message, Json::Null);
        let response = || {
            let damaged = || Rejection::damaged(&self.key(), &"it has an outcome but no response");
            self.response.as_ref().map(|response| response.result.clone()).ok_or_else(damaged)
        };
        Ok(match self.outcome {
            Some(CallOutcome::Answered | CallOutcome::Defaulted) if self.returns_undefined() => Reply::Nothing,
            Some(CallOutcome::Answered | CallOutcome::Defaulted) => Reply::Value(response()?),
            Some(CallOutcome::TimedOut) => {
                let timeout = self.request.deadline.map_or(0, |at| at.since(self.request.timestamp).0);
                error("TimeoutError", format!("{} was not answered within {timeout} ms", self.label()))
            }
            Some(CallOutcome::Failed) => match &self.error {
                Some(CallError { name, message, code, .. }) => {
                    let code = code.clone().map_or(Json::Null, Json::String);
                    coded(name.as_deref().unwrap_or("CallError"), message.clone(), code)
                }
                None => error("CallError", format!("{} failed", self.label())),
            },
            Some(CallOutcome::Cancelled) => error("CallError", format!("{} was cancelled", self.label())),
            None => return Err(Rejection::Torn(format!("call {} of {} is open", self.step, self.execution_id))),
        })
    }

    /// Whether its value is `undefined`.
    fn returns_undefined(&self) -> bool {
        matches!(self.kind.as_str(), TIMER | "fs.writeFile")
    }

    pub(super) fn label(&self) -> String {
        match self.kind.as_str() {
            COGNITIVE => format!("`{}`", truncate(&self.request.prompt, 80)),
            tool => format!("the call of {tool}"),
        }
    }

    /// The prompt in the head of its execution: the question, or a description of the tool call or timer.
    pub(super) fn prompt_of_head(&self) -> String {
        match (&self.request.text, &self.request.args) {
            // The JSON of long arguments is cut already.
            (Some(_), Json::String(args)) if self.kind != COGNITIVE => format!("{} {}", self.kind, truncate(args, 200)),
            (_, args) => prompt_of_head(&self.kind, &self.request.prompt, args, self.request.deadline),
        }
    }

    /// Opens the call again, which was cancelled when its program failed. It keeps its approval. Without one it awaits
    /// one, if calls of its kind need one now, and what a worker has done without it does not count.
    pub(super) fn reopen(&mut self, execution: &ExecutionHead, now: Timestamp) -> Result<()> {
        if let Some(problem) = execution.policy.as_ref().and_then(|policy| policy.refusal(&self.kind)) {
            return Err(Rejection::invalid("policy.kinds", format!("{} is open again, but {problem}", self.label())));
        }
        self.outcome = None;
        self.awaits_approval = self.approval.is_none() && execution.needs_approval(&self.kind);
        if self.awaits_approval {
            self.claim.iter_mut().for_each(|claim| claim.owner = None);
        }
        self.make_available(now);
        Ok(())
    }
}

/// Characters of a prompt in the head of its execution, which is written at every turn. The call has the whole of it.
const HEAD_PROMPT_CHARS: usize = 1_000;

/// The prompt in the head of an execution that waits for such a call.
pub(super) fn prompt_of_head(kind: &str, prompt: &str, args: &Json, deadline: Option<Timestamp>) -> String {
    match (kind, deadline) {
        (COGNITIVE, _) => truncate(prompt, HEAD_PROMPT_CHARS),
        (TIMER, Some(until)) => format!("sleep until {until}"),
        (tool, _) => format!("{tool} {}", truncate(&json_text(args), 200)),
    }
}

pub(super) fn truncate(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
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

/// Largest distance of a deadline. A later deadline is taken for a mistake of units.
const MAX_DEADLINE_AHEAD: Millis = Millis::days(366 * 100);

/// The deadline of a call that is made now. A time in the past is due at once.
fn deadline(options: &Json, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let number = |name: &str| match options.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => value.as_f64().ok_or_else(|| format!("{name} must be a number")).map(Some),
    };
    let at = match (number("timeoutMs")?, number("until")?) {
        (Some(timeout), _) => now.as_millis() as f64 + timeout.ceil(),
        (None, Some(until)) => until.ceil(),
        (None, None) => return Ok(None),
    };
    let latest = (now + MAX_DEADLINE_AHEAD).as_millis() as f64;
    if !at.is_finite() || at > latest {
        return Err("the deadline is more than 100 years ahead".to_owned());
    }
    Ok(Some(Timestamp::from_millis(at.max(0.0) as i64)))
}

/// Calls that still accept answers at `now`. Calls of paused executions stay open after their deadline, and there may
/// be many of them.
pub(super) fn before_deadline(now: Timestamp) -> Filter {
    let deadline = || "request.deadline".to_owned();
    Filter::Or(vec![Filter::Exists(deadline(), false), Filter::Gt(deadline(), now.as_millis().into())])
}
