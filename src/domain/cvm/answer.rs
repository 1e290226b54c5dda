//! Answers to calls, and the row of an early answer. A call is named by its id, by its key even before it exists, or
//! as the only open call. A call and its early answer use the same row, so neither can miss the other.

use serde::{Deserialize, Serialize};

use super::call::{CC_HISTORY, Call, CallOutcome};
use super::execution::{EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionStatus};
use super::{call_closing, claim, document, row_id};
use crate::decision::{Change, Command, Ctx, Decision, LoadedDocument, ReadSet, Rejection, View};
use crate::error_code::ErrorCode;
use crate::id;
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Json, check_plain};

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
    /// The open call, as the caller saw it. It is named, so that the later of two answers to one call does not answer the next call. The
    /// name is not part of the serialized command, so that a repeat of the command is recognized.
    Open {
        /// Id of the call that was open when the caller looked; `None`: none was open.
        #[serde(skip)]
        expected_call: Option<String>,
        /// Number of calls that were open then.
        #[serde(skip)]
        open_calls: u32,
    },
}

/// Answers a call. With the answer to the last open call, the execution runs to its next stop in the same commit, for at most one slice.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The execution.
    pub execution: String,
    /// The call.
    pub call: AnswerTarget,
    /// The answer.
    pub answer: Json,
    /// Name of the answerer, for the record.
    pub by: Option<String>,
}

impl Answer {
    fn key(&self) -> Option<Key> {
        let id = match &self.call {
            AnswerTarget::Call(id) | AnswerTarget::Claimed { call: id, .. } => id.clone(),
            AnswerTarget::Key { key, occurrence } => keyed_id(&self.execution, key, *occurrence),
            AnswerTarget::Open { expected_call, .. } => expected_call.clone()?,
        };
        Some(Key::new(&CC_HISTORY, &id))
    }

    /// Stores an answer to a call that does not exist yet.
    fn decide_early_answer(
        &self,
        key: &str,
        row: Key,
        view: &View,
        ctx: &Ctx,
    ) -> Result<Decision<ExecutionStatus>, Rejection> {
        let (head, execution) = ExecutionHead::find(view, &self.execution)?;
        id::check(key).map_err(|e| Rejection::Invalid { field: "key".to_owned(), reason: e.to_string() })?;
        if let AnswerTarget::Key { occurrence: 0, .. } = self.call {
            let reason = "the first call under a key is occurrence 1".to_owned();
            return Err(Rejection::Invalid { field: "occurrence".to_owned(), reason });
        }
        execution.next_state(ExecutionEvent::AnswerEarly)?;
        check_plain(&self.answer).map_err(|excess| {
            let message = format!("the answer is {excess}; nothing was changed");
            Rejection::Domain { code: ErrorCode::InvalidAnswer, message, details: Json::Null }
        })?;
        let early = EarlyAnswer {
            id: row.id.to_string(),
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            key: key.to_owned(),
            response: EarlyResponse { result: self.answer.clone(), timestamp: ctx.now, by: self.by.clone() },
            outcome: CallOutcome::Answered,
        };
        let insert = Change::Insert { key: row, document: document::write(&early)? };
        // The decision depends on the execution: it must exist, and it must still be able to make calls.
        Ok(Decision::new(execution.execution_status())
            .change(insert)
            .check(Key::new(&EXECUTIONS, &self.execution), head))
    }
}

impl Command for Answer {
    const NAME: &'static str = "cvm.answer";
    type Output = ExecutionStatus;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.execution))
    }

    fn reads(&self, view: &View) -> ReadSet {
        match self.key() {
            Some(call) => call_closing::reads(view, &self.execution, &call),
            None => ReadSet::key(Key::new(&EXECUTIONS, &self.execution)),
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>, Rejection> {
        if let AnswerTarget::Open { open_calls: open @ 2.., .. } = self.call {
            let message = format!("execution `{}` has {open} open calls; name the one to answer", self.execution);
            return Err(Rejection::domain(ErrorCode::AmbiguousCall, message));
        }
        claim::check_name("by", self.by.as_deref())?;
        // The call is checked before the execution: an answered call is reported as answered, whatever the execution does by now.
        let Some(key) = self.key() else {
            let (_, execution) = ExecutionHead::find(view, &self.execution)?;
            execution.require_waiting()?;
            return Err(Rejection::Stale {
                what: format!(
                    "the answer was not applied: execution `{}` made a call after it was read; read the execution again, then answer",
                    self.execution
                ),
            });
        };
        if let AnswerTarget::Key { key: name, .. } = &self.call {
            match view.get(&key).map(|found| CallHistoryRow::read(&key, found)).transpose()? {
                None => return self.decide_early_answer(name, key, view, ctx),
                Some(CallHistoryRow::EarlyAnswer(_)) => {
                    let message = format!("call `{name}` already has an early answer; nothing was changed");
                    return Err(Rejection::domain(ErrorCode::AlreadyAnswered, message));
                }
                Some(CallHistoryRow::Call(_)) => {}
            }
        }
        let (row, mut call) = Call::find(view, &key.id)?;
        if call.execution_id != self.execution {
            let hint = format!(" in execution `{}`; it belongs to `{}`", self.execution, call.execution_id);
            return Err(Rejection::NotFound { what: "call", id: call.id, hint });
        }
        if let AnswerTarget::Claimed { token, .. } = &self.call {
            claim::require_claim(&call, *token)?;
        }
        call.require_open()?;
        let (before, execution) = ExecutionHead::find_owned(view, &self.execution)?;
        execution.require_waiting()?;
        call.require_before_deadline(ctx.now)?;
        let result = call.coerce_answer(&self.answer)?;
        call.complete(result, self.by.clone(), ctx.now);
        call_closing::close_call(view, ctx, before, execution, row, call)
    }
}

/// An early answer: the row of a call without the fields that only the call knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EarlyAnswer {
    pub id: String,
    pub execution_id: String,
    pub program_name: String,
    pub key: String,
    pub response: EarlyResponse,
    /// Always [`CallOutcome::Answered`], so that no worker claims it.
    pub outcome: CallOutcome,
}

/// As [`Response`](super::call::Response), without the latency, which is not known yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EarlyResponse {
    pub result: Json,
    pub timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The id of a keyed call.
pub(super) fn keyed_id(execution: &str, key: &str, occurrence: u64) -> String {
    row_id(&["call", execution, key, &occurrence.to_string()])
}

/// The content of a row of `cvm.cc_history`.
pub(super) enum CallHistoryRow {
    /// A call that was made.
    Call(Box<Call>),
    /// An answer to a call that does not exist yet.
    EarlyAnswer(Box<EarlyAnswer>),
}

impl CallHistoryRow {
    pub fn read(key: &Key, found: &LoadedDocument) -> Result<Self, Rejection> {
        if found.document.contains_key("request") {
            return Ok(CallHistoryRow::Call(Box::new(document::read(key, found)?)));
        }
        Ok(CallHistoryRow::EarlyAnswer(Box::new(document::read(key, found)?)))
    }
}
