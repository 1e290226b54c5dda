//! Answers to calls, and the row of an early answer. A call is named by its id, by its key even before it exists, or
//! as the only open question. A call and its early answer use the same row, so neither can miss the other.

use std::sync::OnceLock;

use runstate_core::decision::LoadedDocument;
use runstate_core::error_code::ErrorCode;
use runstate_core::id;
use runstate_core::lease;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::Freshness;
use runstate_value::check_plain;
use serde_json::json;

use super::call::{CC_HISTORY, COGNITIVE, Call, CallOutcome, Response, TIMER};
use super::call_cost::LateReport;
use super::execution::{EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionStatus, RunSlice, Status};
use super::{call_cost, claim, row_id, waiting};
use crate::codes;

/// Answers a call, which `call` or `key` names, else the only open question to a person, and runs its execution to its
/// next stop.
///
/// Errors: `not_found` (retryable for an answer to a key: the execution may be started soon), `already_answered`,
/// `invalid_answer` (`details` has the choices or the schema),
/// `ambiguous_call`, `deadline_passed`, `awaiting_approval`, `illegal_transition` (the execution has ended, or asks no
/// question: `details.call` is the open call), `stale`, `invalid` (the cost),
/// and those of budgets (`budget_exceeded`) for a call with a cost that no worker has claimed.
#[derive(Clone, Debug, Default, Serialize, Operation)]
#[operation(name = "cvm.answer", cli = "answer", contends(EXECUTIONS, id))]
pub struct AnswerCall {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// The answer: a plain value that the call accepts.
    pub answer: Json,
    /// The id of the call; by default the only open question to a person.
    pub call: Option<String>,
    /// The key of the call, which may be made later: an early answer is kept until then, and until the approval of the
    /// call if it needs one.
    pub key: Option<String>,
    /// The number of the call among those with that key, from 1; by default the first one that is open, else the next
    /// one that is made and has no answer.
    pub occurrence: Option<u64>,
    /// The person, model or worker that answers.
    pub by: Option<String>,
    /// The actual cost of the answer, a decimal number in the unit of the call's cost; by default the cost that the
    /// call names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The open calls as this process last read or wrote the execution, once they are known: an answer without a name
    /// is meant for a question that its caller has seen. They do not change while the command is decided again, so the
    /// later of two answers to one call does not answer the next call.
    #[serde(skip)]
    #[operation(skip)]
    pub seen: OnceLock<SeenCalls>,
}

/// What a process knows of the open calls of an execution, besides timers.
#[derive(Clone, Debug)]
pub enum SeenCalls {
    /// The only one.
    One(String),
    /// Several, among so many calls that the execution has made.
    Several(u64),
}

impl AnswerCall {
    /// The row of the call, and its occurrence if it has a key; `None`: no question is the only open one.
    fn key(&self, view: &View) -> Option<(Key, u64)> {
        let (id, occurrence) = match (&self.call, &self.key) {
            (Some(id), _) => (id.clone(), 0),
            (None, Some(key)) => match self.occurrence {
                Some(occurrence) => (keyed_id(&self.id, key, occurrence), occurrence),
                None => return Some(next_call(view, &self.id, key)),
            },
            (None, None) => (self.question(view)?, 0),
        };
        Some((Key::new(&CC_HISTORY, &id), occurrence))
    }

    fn has_no_name(&self) -> bool {
        self.call.is_none() && self.key.is_none()
    }

    /// The open calls that the caller of an answer without a name has seen; `None`: they are not known yet.
    fn seen(&self, view: &View) -> Option<&SeenCalls> {
        let execution = view.peek_entity::<ExecutionHead>(&self.id);
        if let Some(execution) = execution.as_deref()
            && let Some(waiting) = execution.waiting().filter(|waiting| waiting.answerable_calls() > 0)
        {
            self.seen.get_or_init(|| match waiting.answerable_calls() {
                1 => SeenCalls::One(waiting.call_id.clone()),
                _ => SeenCalls::Several(execution.metrics.cc_calls_count),
            });
        }
        self.seen.get()
    }

    /// The call that an answer without a name is for. A single one may turn out not to be a question.
    fn question(&self, view: &View) -> Option<String> {
        match self.seen(view)? {
            SeenCalls::One(call) => Some(call.clone()),
            SeenCalls::Several(made) => {
                let [(key, row)] = view.rows(QUESTIONS)? else { return None };
                let step = row.document.get("step").and_then(Json::as_u64)?;
                (step <= *made).then(|| key.id.to_string())
            }
        }
    }

    /// Stores an answer to a call that does not exist yet.
    fn decide_early_answer(
        &self,
        key: &str,
        (id, occurrence): (&str, u64),
        view: &View,
        ctx: &Ctx,
    ) -> Result<Decision<ExecutionStatus>> {
        if view.find_entity::<ExecutionHead>(&self.id)?.is_none() {
            // A message may arrive before the start is committed of which it is a consequence.
            let remedy = "Send the answer again after its start";
            return Err(Rejection::NotYet { what: ExecutionHead::NOUN, id: self.id.clone(), remedy });
        }
        let head = ExecutionHead::load(view, &self.id)?;
        let execution = &head.entity;
        if self.cost.is_some() {
            return Err(Rejection::invalid("cost", "is not expected: an early answer costs nothing"));
        }
        id::check(key).map_err(|e| Rejection::invalid("key", e.to_string()))?;
        if self.occurrence == Some(0) {
            return Err(Rejection::invalid("occurrence", "the first call under a key is occurrence 1"));
        }
        execution.next_state(ExecutionEvent::AnswerEarly)?;
        let early = EarlyAnswer {
            id: id.to_owned(),
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            key: key.to_owned(),
            occurrence,
            response: Response {
                result: self.answer.clone(),
                timestamp: ctx.now,
                latency_ms: None,
                by: self.by.clone(),
            },
            outcome: CallOutcome::Answered,
        };
        // The decision depends on the execution: it must exist, and it must still be able to make calls.
        Decision::new(execution.execution_status()).check_entity(&head).and_insert(&early)
    }

    /// The rejection of an answer without a name, if no call can be the one that its caller has seen.
    fn refuse_unnamed(&self, view: &View, ctx: &Ctx) -> Result<Rejection> {
        let execution = ExecutionHead::find(view, &self.id)?;
        let waiting = execution.require_waiting(ctx.now)?;
        let open = waiting.answerable_calls();
        let questions = view.rows(QUESTIONS).unwrap_or_default().len();
        match self.seen.get() {
            // A paused execution whose call is answered resumes only when it is unpaused.
            _ if open == 0 => Call::load(view, &waiting.call_id)?.entity.require_open()?,
            Some(SeenCalls::Several(_)) if questions > 1 => {
                let message = format!("execution `{}` has {open} open calls; name the one to answer", self.id);
                return Err(Rejection::domain(codes::AMBIGUOUS_CALL, message));
            }
            Some(SeenCalls::Several(_)) if questions == 0 => return self.refuse_other(view, &waiting.call_id),
            Some(SeenCalls::One(call)) if open == 1 && *call == waiting.call_id => {
                return self.refuse_other(view, call);
            }
            _ => {}
        }
        let what = format!(
            "the answer was not applied: execution `{}` made a call after it was read; read the execution again, then answer",
            self.id
        );
        Ok(Rejection::Stale { what })
    }

    /// The rejection of an answer without a name while no question is open, but this call.
    fn refuse_other(&self, view: &View, call: &str) -> Result<Rejection> {
        let call = Call::load(view, call)?.entity;
        call.require_approved()?;
        if call.kind == TIMER {
            call.coerce_answer(&self.answer)?;
        }
        let state = if call.awaits_approval { "awaits the approval of its cost" } else { "is open" };
        let message = format!(
            "execution `{}` asks no question now: {} {state}; nothing was changed. To answer it, name it: `call` (`--call {}`)",
            self.id,
            call.label(),
            call.id
        );
        let details = json!({"call": call.id, "kind": call.kind});
        Ok(Rejection::Domain { code: ErrorCode::ILLEGAL_TRANSITION, message, details })
    }
}

/// The name of the query for the open questions of an execution.
const QUESTIONS: &str = "questions";

/// Reads the open questions of an execution: two of them are as ambiguous as more.
fn reads_of_questions(execution: &str) -> ReadSet {
    let open = waiting::open_calls(execution).filter(Filter::Exists("awaitsApproval".to_owned(), false));
    let questions = open.eq("kind", COGNITIVE).sort("step", Ascending).limit(2);
    ReadSet::entity::<ExecutionHead>(execution).query(QUESTIONS, questions)
}

/// The name of the query for the newest calls and early answers under a key.
const NEWEST: &str = "newest";

/// How many of the newest rows under a key are read at once. An older call under it is seldom open.
const NEWEST_CALLS: u32 = 32;

/// The name of the query for the first open call under a key, where it is none of the newest.
const FIRST_OPEN: &str = "first open";

type Row = (Key, LoadedDocument);

fn calls_under(execution: &str, key: &str) -> Query {
    Query::of(&CC_HISTORY).eq("executionId", execution).eq("key", key)
}

/// Whether a call is open for an answer. One whose early answer waits for its approval has an answer.
fn is_open((_, row): &&Row) -> bool {
    ["outcome", "earlyAnswer"].iter().all(|field| !row.document.contains_key(*field))
}

/// Reads the rows under a key by which [`next_call`] finds a call.
fn reads_of_key(view: &View, execution: &str, key: &str) -> ReadSet {
    let newest = calls_under(execution, key).sort("occurrence", Descending).limit(NEWEST_CALLS);
    let reads = ReadSet::entity::<ExecutionHead>(execution).query(NEWEST, newest);
    let head = view.peek_entity::<ExecutionHead>(execution);
    let open_calls = head.as_deref().and_then(ExecutionHead::waiting).map_or(usize::MAX, |one| one.open_calls as usize);
    match view.rows(NEWEST) {
        Some(rows) if view.next_cursor(NEWEST).is_some() && rows.iter().filter(is_open).count() < open_calls => {
            let lacks = |field: &str| Filter::Exists(field.to_owned(), false);
            let open = calls_under(execution, key).filter(lacks("outcome")).filter(lacks("earlyAnswer"));
            let open = open.sort("occurrence", Ascending).limit(1);
            reads.query(FIRST_OPEN, open)
        }
        _ => reads,
    }
}

/// The row that an answer to a key is for, and its occurrence: the first open call, else the next one that is made and
/// has no answer.
fn next_call(view: &View, execution: &str, key: &str) -> (Key, u64) {
    let rows = view.rows(NEWEST).unwrap_or_default();
    let occurrence = |(_, row): &Row| row.document.get("occurrence").and_then(Json::as_u64).unwrap_or_default();
    let first = view.rows(FIRST_OPEN).and_then(<[Row]>::first);
    let open = first.or_else(|| rows.iter().rev().find(is_open));
    if let Some(row) = open {
        return (row.0.clone(), occurrence(row));
    }
    let made = match rows.iter().find(|(_, row)| !EarlyAnswer::is(row)) {
        Some(row) => occurrence(row),
        // All of them are early answers.
        None if view.next_cursor(NEWEST).is_none() => 0,
        None => rows.last().map(occurrence).unwrap_or_default().saturating_sub(1),
    };
    let taken: Vec<u64> = rows.iter().map(occurrence).collect();
    let next = (made.saturating_add(1)..).find(|number| !taken.contains(number)).unwrap_or(u64::MAX);
    (Key::new(&CC_HISTORY, &keyed_id(execution, key, next)), next)
}

/// Checks the values of an answer.
fn check_answer(answer: &Json, cost: Option<&str>, by: Option<&str>) -> Result<()> {
    // First of all, because a value built in memory may be nested deeper than recursive code can handle.
    check_plain(answer).map_err(|excess| {
        Rejection::domain(codes::INVALID_ANSWER, format!("the answer is {excess}; nothing was changed"))
    })?;
    call_cost::check_amount(cost)?;
    lease::check_name("by", by)
}

/// Closes a call with its answer.
fn answer_call(
    view: &View,
    ctx: &mut Ctx,
    execution: &str,
    mut row: LoadedEntity<Call>,
    answer: &Json,
    by: Option<&String>,
    cost: Option<&str>,
) -> Result<Decision<ExecutionStatus>> {
    let call = &mut row.entity;
    // The call is checked before the execution: an answered call is reported as answered, whatever the execution does
    // by now.
    call.require_open()?;
    let head = ExecutionHead::load(view, execution)?;
    head.entity.require_waiting(ctx.now)?;
    call.require_awaited()?;
    call.require_before_deadline(ctx.now)?;
    call.require_approved()?;
    let result = call.coerce_answer(answer)?;
    let settled = call_cost::settle(view, ctx, call, cost, false)?;
    call.complete(result, by.cloned(), ctx.now);
    waiting::close_call(view, ctx, head, row, settled)
}

impl Command for AnswerCall {
    type Output = ExecutionStatus;

    fn check(&self) -> Result<()> {
        if self.call.is_some() && self.key.is_some() {
            return Err(Rejection::Usage("cvm.answer: pass either `call` or `key`, not both".to_owned()));
        }
        if self.key.is_none() && self.occurrence.is_some() {
            let message = "cvm.answer: `occurrence` counts the calls with a `key`; pass the key";
            return Err(Rejection::Usage(message.to_owned()));
        }
        check_answer(&self.answer, self.cost.as_deref(), self.by.as_deref())
    }

    fn reads(&self, view: &View) -> ReadSet {
        let candidates = match (&self.key, self.occurrence) {
            (Some(key), None) => reads_of_key(view, &self.id, key),
            _ if self.has_no_name() && matches!(self.seen(view), Some(SeenCalls::Several(_))) => {
                reads_of_questions(&self.id)
            }
            _ => ReadSet::empty(),
        };
        if !view.missing(candidates.clone()).is_empty() {
            return candidates;
        }
        match self.key(view) {
            Some((call, _)) => candidates.with(waiting::reads(view, &self.id, &call)),
            // The open call of an older state may be one that no caller has read.
            None => {
                let head = ReadSet::key(Key::new(&EXECUTIONS, &self.id));
                candidates.with(head).with_freshness(Freshness::Linearizable)
            }
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let Some((key, occurrence)) = self.key(view) else { return Err(self.refuse_unnamed(view, ctx)?) };
        // Another answer may take the call between the read of the rows under the key and that of the call.
        let is_taken = |call: &LoadedEntity<Call>| {
            let has_answer = call.entity.outcome.is_some() || call.entity.early_answer.is_some();
            self.key.is_some() && self.occurrence.is_none() && has_answer
        };
        if let Some(name) = &self.key {
            if EarlyAnswer::find(view, &key.id)?.is_some() {
                if self.occurrence.is_none() {
                    return Err(Rejection::Torn(format!("call `{name}` has an early answer")));
                }
                let message = format!("call `{name}` already has an early answer; nothing was changed");
                return Err(Rejection::domain(codes::ALREADY_ANSWERED, message));
            }
            if Call::find(view, &key.id)?.is_none() {
                return self.decide_early_answer(name, (&key.id, occurrence), view, ctx);
            }
        }
        let row = Call::load_of(view, &key.id, &self.id)?;
        if is_taken(&row) {
            return Err(Rejection::Torn(format!("call {} is answered", key.id)));
        }
        if self.has_no_name() && !row.entity.is_question() {
            return Err(self.refuse_unnamed(view, ctx)?);
        }
        answer_call(view, ctx, &self.id, row, &self.answer, self.by.as_ref(), self.cost.as_deref())
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}

/// Completes a claimed call with its answer and runs its execution to its next stop.
///
/// If the call has a cost and has ended without its worker, because the program has cancelled it or its deadline has
/// passed, the answer is rejected, and its cost is recorded.
///
/// Errors: `stale_claim` (another worker has claimed the call since, or it is closed), `already_answered`,
/// `deadline_passed`, `awaiting_approval`, `invalid_answer`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.complete", contends(EXECUTIONS, execution))]
pub struct CompleteCall {
    /// The call.
    #[operation(subject)]
    pub call: String,
    /// The execution.
    pub execution: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// The answer: a plain value that the call accepts.
    pub answer: Json,
    /// The person, model or worker that answers.
    pub by: Option<String>,
    /// The actual cost of the answer, a decimal number in the unit of the call's cost; by default the reserved amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
}

impl Command for CompleteCall {
    type Output = ExecutionStatus;

    fn check(&self) -> Result<()> {
        check_answer(&self.answer, self.cost.as_deref(), self.by.as_deref())
    }

    fn reads(&self, view: &View) -> ReadSet {
        waiting::reads(view, &self.execution, &Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let row = Call::load_of(view, &self.call, &self.execution)?;
        row.entity.require_approved()?;
        claim::require_claim(&row.entity, self.token)?;
        let cost = self.cost.as_deref();
        let recorded = call_cost::settle_late(&row, ctx, |ctx, call| call_cost::settle(view, ctx, call, cost, false))?;
        if let Some(recorded) = recorded {
            return Ok(recorded.map(|()| ExecutionStatus {
                id: String::new(),
                status: Status::Cancelled,
                warnings: Vec::new(),
            }));
        }
        answer_call(view, ctx, &self.execution, row, &self.answer, self.by.as_ref(), self.cost.as_deref())
    }

    fn is_refusal(&self, output: &ExecutionStatus) -> bool {
        output.id.is_empty()
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        // Its cost alone was recorded.
        if self.is_refusal(output) {
            return Some(LateReport::boxed(&self.call, self.token, true));
        }
        RunSlice::after(output)
    }
}

/// An early answer: the row of a call without the fields that only the call knows.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "cvm.cc_history", version = 1, rename_all = "camelCase")]
pub(super) struct EarlyAnswer {
    #[entity(id)]
    pub id: String,
    pub execution_id: String,
    pub program_name: String,
    pub key: String,
    #[entity(default)]
    pub occurrence: u64,
    pub response: Response,
    /// Always [`CallOutcome::Answered`], so that no worker claims it.
    pub outcome: CallOutcome,
}

/// The id of a keyed call.
pub(super) fn keyed_id(execution: &str, key: &str, occurrence: u64) -> String {
    row_id(&["call", execution, key, &occurrence.to_string()])
}

impl EarlyAnswer {
    /// The early answer in the row of this id; `None`: there is none, or the call was made.
    pub(super) fn find(view: &View, id: &str) -> Result<Option<LoadedEntity<Self>>> {
        let key = Key::new(&CC_HISTORY, id);
        view.require([key.clone()])?;
        if Self::is_in(view, &key) { view.find_entity(id) } else { Ok(None) }
    }

    /// Whether this row, as far as it was read, is an early answer.
    pub(super) fn is_in(view: &View, key: &Key) -> bool {
        view.get(key).is_some_and(Self::is)
    }

    /// Whether a row of `cvm.cc_history` is an early answer.
    pub(super) fn is(row: &LoadedDocument) -> bool {
        !row.document.contains_key("request")
    }
}
