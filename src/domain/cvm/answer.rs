//! Answering a call: the one that is named, the open one, or one by its key, asked already or not.

use serde::Serialize;

use super::call::{CC_HISTORY, Call, CallOutcome};
use super::close;
use super::document;
use super::early::{Early, EarlyResponse, Row, keyed_id};
use super::execution::{EXECUTIONS, Event, Execution, Reached};
use super::work;
use crate::code::Code;
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id;
use crate::schema::Key;
use crate::value::{Json, check_plain};

/// Which call an answer is for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The one of that id.
    Call(String),
    /// The one of that id, by the worker who claimed it under this fencing token.
    Claimed {
        /// The call.
        call: String,
        /// The token.
        token: u64,
    },
    /// The one under that key, asked already or not.
    Key {
        /// The key.
        key: String,
        /// The how-manyth call of the execution under that key, from 1.
        occurrence: u64,
    },
    /// The open one, as the answerer saw it. It is named, so that of two who answer the same question the later does not answer the next
    /// one; it is no part of what the command is, so that the repeat of a command is known as such.
    Open {
        /// Id of the call that was open when the answerer looked; `None`: there was none.
        #[serde(skip)]
        seen: Option<String>,
        /// How many were open then.
        #[serde(skip)]
        open: u32,
    },
}

/// Answers a call; with the last one that it waits for the execution runs on to its next stop in the same commit, a slice at the most.
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
    fn key(&self) -> Option<Key> {
        let id = match &self.call {
            Choice::Call(id) | Choice::Claimed { call: id, .. } => id.clone(),
            Choice::Key { key, occurrence } => keyed_id(&self.execution, key, *occurrence),
            Choice::Open { seen, .. } => seen.clone()?,
        };
        Some(Key::new(&CC_HISTORY, &id))
    }

    /// An answer to a question that was not asked yet.
    fn early(&self, key: &str, row: Key, view: &View, ctx: &Ctx) -> Result<Decision<Reached>, Rejection> {
        let (head, execution) = Execution::find(view, &self.execution)?;
        id::check(key).map_err(|e| Rejection::Invalid { field: "key".to_owned(), reason: e.to_string() })?;
        if let Choice::Key { occurrence: 0, .. } = self.call {
            let reason = "the first call under a key is occurrence 1".to_owned();
            return Err(Rejection::Invalid { field: "occurrence".to_owned(), reason });
        }
        execution.step(Event::AnswerEarly)?;
        check_plain(&self.answer).map_err(|excess| {
            let message = format!("the answer is {excess}; nothing was changed");
            Rejection::Domain { code: Code::InvalidAnswer, message, details: Json::Null }
        })?;
        let early = Early {
            id: row.id.to_string(),
            execution_id: execution.id.clone(),
            program_name: execution.program_name.clone(),
            key: key.to_owned(),
            response: EarlyResponse { result: self.answer.clone(), timestamp: ctx.now, by: self.by.clone() },
            outcome: CallOutcome::Answered,
        };
        let insert = Change::Insert { key: row, document: document::write(&early)? };
        // That the execution is there, and may still ask, is what it rests on.
        Ok(Decision::of(execution.reached()).change(insert).check(Key::new(&EXECUTIONS, &self.execution), head))
    }
}

impl Command for Answer {
    const NAME: &'static str = "cvm.answer";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.execution))
    }

    fn reads(&self, view: &View) -> ReadSet {
        match self.key() {
            Some(call) => close::reads(view, &self.execution, &call),
            None => ReadSet::key(Key::new(&EXECUTIONS, &self.execution)),
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        if let Choice::Open { open: open @ 2.., .. } = self.call {
            let message =
                format!("{open} calls of execution `{}` are open; name the one that is meant", self.execution);
            return Err(Rejection::domain(Code::AmbiguousCall, message));
        }
        work::check_name("by", self.by.as_deref())?;
        // The call is judged before the execution: an answered call is answered, whatever the execution does by now.
        let Some(key) = self.key() else {
            let (_, execution) = Execution::find(view, &self.execution)?;
            execution.must_wait()?;
            return Err(Rejection::Stale {
                what: format!("execution `{}` began to wait just now; look at its question first", self.execution),
            });
        };
        if let Choice::Key { key: name, .. } = &self.call {
            match view.get(&key).map(|found| Row::read(&key, found)).transpose()? {
                None => return self.early(name, key, view, ctx),
                Some(Row::Early(_)) => {
                    let message = format!("`{name}` was answered already, before it is asked; nothing was changed");
                    return Err(Rejection::domain(Code::AlreadyAnswered, message));
                }
                Some(Row::Asked(_)) => {}
            }
        }
        let (row, mut call) = Call::find(view, &key.id)?;
        if call.execution_id != self.execution {
            let hint = format!(" in execution `{}`; it belongs to `{}`", self.execution, call.execution_id);
            return Err(Rejection::NotFound { what: "call", id: call.id, hint });
        }
        if let Choice::Claimed { token, .. } = &self.call {
            work::must_hold(&call, *token)?;
        }
        call.must_be_open()?;
        let (before, execution) = Execution::find_owned(view, &self.execution)?;
        execution.must_wait()?;
        call.must_be_in_time(ctx.now)?;
        let result = call.fit(&self.answer)?;
        call.complete(result, self.by.clone(), ctx.now);
        close::one(view, ctx, before, execution, row, call)
    }
}
