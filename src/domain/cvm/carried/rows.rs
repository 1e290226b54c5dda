//! Rows of an execution that is taken over: the calls it made, its log and its history. They are written before their execution, so that what is there
//! has all its rows.

use serde::Serialize;

use super::super::call::{CC_HISTORY, COGNITIVE, Call, CallOutcome, Context, Request, Response};
use super::super::document;
use super::super::rows::{EXECUTION_LOGS, HISTORY};
use super::absent;
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id;
use crate::schema::Key;
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, check_plain};

/// Takes over rows of an execution that is not here yet. Those that are here already are left as they are.
#[derive(Clone, Debug, Serialize)]
pub struct CarryRows {
    /// The execution.
    pub execution: String,
    /// Its program's name.
    pub program_name: String,
    /// Calls that are closed.
    pub calls: Vec<CarriedCall>,
    /// Rows of its log.
    pub logs: Vec<CarriedLog>,
    /// Entries of its history.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<CarriedStep>,
}

/// A call that an execution made.
#[derive(Clone, Debug, Serialize)]
pub struct CarriedCall {
    /// Its id.
    pub id: String,
    /// The how-manyth call of the execution, from 1.
    pub step: u64,
    /// The question.
    pub prompt: String,
    /// The instruction that asked.
    pub instruction: u32,
    /// When it was asked.
    pub asked: Timestamp,
    /// The answer; `None`: there was none, and nobody waits for one any more.
    pub answer: Option<CarriedAnswer>,
    /// Where the program stood.
    pub pc: u32,
    /// Its variables then.
    pub variables: Document,
}

/// An answer.
#[derive(Clone, Debug, Serialize)]
pub struct CarriedAnswer {
    /// What was answered.
    pub result: Json,
    /// When.
    pub at: Timestamp,
    /// How long after the question.
    pub latency: Millis,
}

/// A row of the log.
#[derive(Clone, Debug, Serialize)]
pub struct CarriedLog {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// `instruction`, `cc_call`, `error` or `complete`.
    pub event: String,
    /// More of it.
    pub details: Document,
}

/// An entry of the history.
#[derive(Clone, Debug, Serialize)]
pub struct CarriedStep {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The number that the older CVM gave it; -1 of some that record an answer.
    pub step: i64,
    /// Index of the instruction.
    pub pc: u32,
    /// The instruction, as it was recorded.
    pub instruction: Json,
    /// The operands, the top last.
    pub stack: Vec<Json>,
    /// The globals by name.
    pub variables: Document,
}

impl CarriedCall {
    fn row(&self, rows: &CarryRows) -> Result<Call, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        id::check(&self.id).map_err(|wrong| invalid("call", wrong.to_string()))?;
        if let Some(answer) = &self.answer {
            check_plain(&answer.result).map_err(|excess| invalid("result", excess.to_string()))?;
        }
        let response = self.answer.as_ref().map(|answer| Response {
            result: answer.result.clone(),
            timestamp: answer.at,
            latency_ms: answer.latency,
            by: None,
        });
        Ok(Call {
            id: self.id.clone(),
            execution_id: rows.execution.clone(),
            program_name: rows.program_name.clone(),
            step: self.step,
            kind: COGNITIVE.to_owned(),
            key: None,
            available_at: None,
            request: Request {
                prompt: self.prompt.clone(),
                args: Json::Null,
                instruction_id: self.instruction,
                timestamp: self.asked,
                choices: None,
                schema: None,
                deadline: None,
                default: None,
            },
            outcome: Some(if response.is_some() { CallOutcome::Answered } else { CallOutcome::Cancelled }),
            response,
            error: None,
            context: Context { pc: self.pc, line: 0, variables: Json::Object(self.variables.clone()) },
            claim: None,
        })
    }
}

impl CarryRows {
    fn keys(&self) -> impl Iterator<Item = Key> {
        let calls = self.calls.iter().map(|call| Key::new(&CC_HISTORY, &call.id));
        let logs = self.logs.iter().map(|log| Key::new(&EXECUTION_LOGS, &log.id));
        calls.chain(logs).chain(self.history.iter().map(|step| Key::new(&HISTORY, &step.id)))
    }

    fn log(&self, log: &CarriedLog) -> Result<Change, Rejection> {
        let row = serde_json::json!({
            "id": log.id, "executionId": self.execution, "timestamp": log.at, "event": log.event, "details": log.details
        });
        Ok(Change::Append { key: Key::new(&EXECUTION_LOGS, &log.id), document: document::write(&row)? })
    }

    fn step(&self, entry: &CarriedStep) -> Result<Change, Rejection> {
        let CarriedStep { id, at, step, pc, instruction, stack, variables } = entry;
        let row = serde_json::json!({
            "id": id, "executionId": self.execution, "timestamp": at, "step": step, "pc": pc, "instruction": instruction,
            "stack": stack, "variables": variables
        });
        Ok(Change::Append { key: Key::new(&HISTORY, id), document: document::write(&row)? })
    }
}

impl Command for CarryRows {
    const NAME: &'static str = "cvm.carry_rows";
    type Output = u64;

    fn reads(&self, _: &View) -> ReadSet {
        self.keys().fold(ReadSet::key(super::execution_key(&self.execution)), ReadSet::and)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<u64>, Rejection> {
        absent(view, &self.execution)?;
        let mut changes = Vec::with_capacity(self.calls.len() + self.logs.len() + self.history.len());
        for call in &self.calls {
            let call = call.row(self)?;
            if view.get(&call.key()).is_none() {
                changes.push(call.insert()?);
            }
        }
        for log in &self.logs {
            if view.get(&Key::new(&EXECUTION_LOGS, &log.id)).is_none() {
                changes.push(self.log(log)?);
            }
        }
        for step in &self.history {
            if view.get(&Key::new(&HISTORY, &step.id)).is_none() {
                changes.push(self.step(step)?);
            }
        }
        let mut decision = Decision::of(changes.len() as u64);
        decision.changes = changes;
        Ok(decision)
    }
}
