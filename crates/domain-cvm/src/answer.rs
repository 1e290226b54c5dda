//! Answers to calls, and the row of an early answer. A call is named by its id, by its key even before it exists, or
//! as the only open call. A call and its early answer use the same row, so neither can miss the other.

use std::sync::OnceLock;

use runstate_core::decision::{
    AnyCommand, Command, Ctx, Decision, Lifecycle, LoadedDocument, LoadedEntity, Ports, ReadSet, Rejection, View,
};
use runstate_core::id;
use runstate_core::lease;
use runstate_core::operation::Operation;
use runstate_core::schema::{Entity, Fields, Freshness, Key};
use runstate_value::time::Timestamp;
use runstate_value::{Json, check_plain};
use serde::Serialize;

use super::call::{CC_HISTORY, Call, CallOutcome};
use super::execution::{EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionStatus, RunSlice};
use super::{call_cost, claim, row_id, waiting};
use crate::codes;

/// The call that an answer is for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerTarget {
    /// The call with this id.
    Call(String),
    /// The call with this id, answered by the worker that claimed it under this fencing token.
    Claimed {
        /// The call.
        call: String,
        /// The token.
        token: u64,
    },
    /// The call under this key, which may not exist yet.
    Key {
        /// The key.
        key: String,
        /// Number of the call among those of the execution under that key, from 1.
        occurrence: u64,
    },
    /// The only open call, as this process last read or wrote the execution: an answer is meant for the call that its
    /// caller has seen. It does not change while the command is decided again, so the later of two answers to one call
    /// does not answer the next call.
    Open {
        /// Id of the open call, once it is known: the only one when the execution was first read, from the cache if it
        /// has it.
        #[serde(skip)]
        seen: OnceLock<String>,
    },
}

impl AnswerTarget {
    /// The only open call.
    pub fn open() -> Self {
        Self::Open { seen: OnceLock::new() }
    }
}

/// Answers a call. With the answer to the last open call, the execution runs to its next stop in the same commit, for
/// at most one slice.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerCall {
    /// The execution.
    pub execution: String,
    /// The call.
    pub call: AnswerTarget,
    /// The answer.
    pub answer: Json,
    /// Name of the answerer, for the record.
    pub by: Option<String>,
    /// The actual cost of the answer, as decimal text in the unit of the call's cost; `None`: the cost that the call
    /// names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
}

impl AnswerCall {
    /// The row of the call; `None`: it is not known which call is open.
    fn key(&self, view: &View) -> Option<Key> {
        let id = match &self.call {
            AnswerTarget::Call(id) | AnswerTarget::Claimed { call: id, .. } => id.clone(),
            AnswerTarget::Key { key, occurrence } => keyed_id(&self.execution, key, *occurrence),
            AnswerTarget::Open { seen } => {
                let execution = view.peek_entity::<ExecutionHead>(&self.execution);
                let waiting = execution.as_deref().and_then(ExecutionHead::waiting);
                if let Some(waiting) = waiting.filter(|waiting| waiting.answerable_calls() == 1) {
                    seen.get_or_init(|| waiting.call_id.clone());
                }
                seen.get()?.clone()
            }
        };
        Some(Key::new(&CC_HISTORY, &id))
    }

    /// Stores an answer to a call that does not exist yet.
    fn decide_early_answer(
        &self,
        key: &str,
        id: &str,
        view: &View,
        ctx: &Ctx,
    ) -> Result<Decision<ExecutionStatus>, Rejection> {
        let head = ExecutionHead::load(view, &self.execution)?;
        let execution = &head.entity;
        if self.cost.is_some() {
            let reason = "is not expected: an early answer costs nothing".to_owned();
            return Err(Rejection::Invalid { field: "cost".to_owned(), reason });
        }
        id::check(key).map_err(|e| Rejection::Invalid { field: "key".to_owned(), reason: e.to_string() })?;
        if let AnswerTarget::Key { occurrence: 0, .. } = self.call {
            let reason = "the first call under a key is occurrence 1".to_owned();
            return Err(Rejection::Invalid { field: "occurrence".to_owned(), reason });
        }
        execution.next_state(ExecutionEvent::AnswerEarly)?;
        let early = EarlyAnswer {
            id: id.to_owned(),
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            key: key.to_owned(),
            response: EarlyResponse { result: self.answer.clone(), timestamp: ctx.now, by: self.by.clone() },
            outcome: CallOutcome::Answered,
        };
        // The decision depends on the execution: it must exist, and it must still be able to make calls.
        Decision::new(execution.execution_status()).check_entity(&head).and_insert(&early)
    }
}

impl Command for AnswerCall {
    const NAME: &'static str = "cvm.answer";
    type Output = ExecutionStatus;

    fn check(&self) -> Result<(), Rejection> {
        // First of all, because a value built in memory may be nested deeper than recursive code can handle.
        check_plain(&self.answer).map_err(|excess| {
            Rejection::domain(codes::INVALID_ANSWER, format!("the answer is {excess}; nothing was changed"))
        })?;
        call_cost::check_amount(self.cost.as_deref())?;
        lease::check_name("by", self.by.as_deref())
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.execution))
    }

    fn reads(&self, view: &View) -> ReadSet {
        match self.key(view) {
            Some(call) => waiting::reads(view, &self.execution, &call),
            // The open call of an older state may be one that no caller has read.
            None => ReadSet::key(Key::new(&EXECUTIONS, &self.execution)).with_freshness(Freshness::Linearizable),
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        // The call is checked before the execution: an answered call is reported as answered, whatever the execution
        // does by now.
        let Some(key) = self.key(view) else {
            let execution = ExecutionHead::find(view, &self.execution)?;
            let waiting = execution.require_waiting(ctx.now)?;
            match waiting.answerable_calls() {
                // A paused execution whose call is answered resumes only when it is unpaused.
                0 => Call::load(view, &waiting.call_id)?.entity.require_open()?,
                open if open > 1 => {
                    let id = &self.execution;
                    let message = format!("execution `{id}` has {open} open calls; name the one to answer");
                    return Err(Rejection::domain(codes::AMBIGUOUS_CALL, message));
                }
                _ => {}
            }
            return Err(Rejection::Stale {
                what: format!(
                    "the answer was not applied: execution `{}` made a call after it was read; read the execution again, then answer",
                    self.execution
                ),
            });
        };
        if let AnswerTarget::Key { key: name, .. } = &self.call {
            if EarlyAnswer::find(view, &key.id)?.is_some() {
                let message = format!("call `{name}` already has an early answer; nothing was changed");
                return Err(Rejection::domain(codes::ALREADY_ANSWERED, message));
            }
            if Call::find(view, &key.id)?.is_none() {
                return self.decide_early_answer(name, &key.id, view, ctx);
            }
        }
        let mut row = Call::load(view, &key.id)?;
        let call = &mut row.entity;
        if call.execution_id != self.execution {
            let hint = format!(" in execution `{}`; it belongs to `{}`", self.execution, call.execution_id);
            return Err(Rejection::NotFound { what: "call", id: call.id.clone(), hint });
        }
        if let AnswerTarget::Claimed { token, .. } = &self.call {
            claim::require_claim(call, *token)?;
        }
        call.require_open()?;
        let head = ExecutionHead::load(view, &self.execution)?;
        head.entity.require_waiting(ctx.now)?;
        call.require_awaited()?;
        call.require_before_deadline(ctx.now)?;
        let result = call.coerce_answer(&self.answer)?;
        let settled = call_cost::settle(view, ctx, call, self.cost.as_deref())?;
        call.complete(result, self.by.clone(), ctx.now);
        waiting::close_call(view, ctx, head, row, settled)
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}

/// Answers a call and runs its execution to its next stop. If several calls are open, `call` or `key` names one.
///
/// Errors: `not_found`, `already_answered`, `invalid_answer` (`details` has the choices or the schema),
/// `ambiguous_call`, `deadline_passed`, `illegal_transition` (the execution has ended), `stale`, `invalid` (the cost),
/// and those of budgets (`budget_exceeded`) for a call with a cost that no worker has claimed.
#[derive(Debug, Operation)]
#[operation(name = "cvm.answer", cli = "answer", command = AnswerCall)]
pub struct AnswerParameters {
    /// The execution.
    #[operation(subject)]
    id: String,
    /// The answer: a plain value that the call accepts.
    answer: Json,
    /// The id of the call; by default the only open one.
    call: Option<String>,
    /// The key of the call, which may be made later: an early answer is kept until then.
    key: Option<String>,
    /// The number of the call among those with that key, from 1; by default 1.
    occurrence: Option<u64>,
    /// The person, model or worker that answers.
    by: Option<String>,
    /// The actual cost of the answer, a decimal number in the unit of the call's cost; by default the cost that the
    /// call names.
    cost: Option<String>,
}

impl TryFrom<AnswerParameters> for AnswerCall {
    type Error = Rejection;

    fn try_from(parameters: AnswerParameters) -> Result<Self, Rejection> {
        let AnswerParameters { id, answer, call, key, occurrence, by, cost } = parameters;
        let target = match (call, key, occurrence) {
            (Some(_), Some(_), _) => {
                return Err(Rejection::Usage("cvm.answer: pass either `call` or `key`, not both".to_owned()));
            }
            (_, None, Some(_)) => {
                return Err(Rejection::Usage(
                    "cvm.answer: `occurrence` counts the calls with a `key`; pass the key".to_owned(),
                ));
            }
            (Some(call), None, None) => AnswerTarget::Call(call),
            (None, Some(key), occurrence) => AnswerTarget::Key { key, occurrence: occurrence.unwrap_or(1) },
            (None, None, None) => AnswerTarget::open(),
        };
        Ok(Self { execution: id, call: target, answer, by, cost })
    }
}

/// Completes a claimed call with its answer and runs its execution to its next stop.
///
/// Errors: `stale_claim` (another worker has claimed the call since, or it is closed), `already_answered`,
/// `invalid_answer`.
#[derive(Debug, Operation)]
#[operation(name = "cvm.complete", command = AnswerCall)]
pub struct CompleteParameters {
    /// The call.
    #[operation(subject)]
    call: String,
    /// The execution.
    execution: String,
    /// The fencing token of the claim.
    token: u64,
    /// The answer: a plain value that the call accepts.
    answer: Json,
    /// The person, model or worker that answers.
    by: Option<String>,
    /// The actual cost of the answer, a decimal number in the unit of the call's cost; by default the reserved amount.
    cost: Option<String>,
}

impl TryFrom<CompleteParameters> for AnswerCall {
    type Error = Rejection;

    fn try_from(parameters: CompleteParameters) -> Result<Self, Rejection> {
        let CompleteParameters { call, execution, token, answer, by, cost } = parameters;
        Ok(Self { execution, call: AnswerTarget::Claimed { call, token }, answer, by, cost })
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
    pub response: EarlyResponse,
    /// Always [`CallOutcome::Answered`], so that no worker claims it.
    pub outcome: CallOutcome,
}

/// As [`Response`](super::call::Response), without the latency, which is not known yet.
#[derive(Fields, Clone, Debug, PartialEq)]
pub(super) struct EarlyResponse {
    pub result: Json,
    pub timestamp: Timestamp,
    pub by: Option<String>,
}

/// The id of a keyed call.
pub(super) fn keyed_id(execution: &str, key: &str, occurrence: u64) -> String {
    row_id(&["call", execution, key, &occurrence.to_string()])
}

impl EarlyAnswer {
    /// The early answer in the row of this id; `None`: there is none, or the call was made.
    pub(super) fn find(view: &View, id: &str) -> Result<Option<LoadedEntity<Self>>, Rejection> {
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
