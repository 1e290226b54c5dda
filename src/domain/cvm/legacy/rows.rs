//! Rows of an imported execution: its calls, its log and its history. They are written before the execution, so that an execution always
//! has all its rows.

use serde::Serialize;

use super::super::call::{CC_HISTORY, COGNITIVE, Call, CallOutcome, Context, Request, Response};
use super::super::child_rows::{EXECUTION_LOGS, HISTORY};
use super::super::document;
use super::require_absent;
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id;
use crate::schema::Key;
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json, check_plain};

/// Imports rows of an execution that does not exist yet. Rows that exist already stay as they are.
#[derive(Clone, Debug, Serialize)]
pub struct ImportLegacyRows {
    /// The execution.
    pub execution: String,
    /// Its program's name.
    pub program_name: String,
    /// Closed calls.
    pub calls: Vec<LegacyCall>,
    /// Rows of its log.
    pub logs: Vec<LegacyLogRow>,
    /// Entries of its history.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<LegacyHistoryEntry>,
}

/// A closed call of an execution.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyCall {
    /// Its id.
    pub id: String,
    /// Number of the call in its execution, from 1.
    pub step: u64,
    /// The prompt.
    pub prompt: String,
    /// The instruction that made the call.
    pub instruction: u32,
    /// When the call was made.
    pub asked: Timestamp,
    /// The answer; `None`: there was none, and none is expected any more.
    pub answer: Option<LegacyAnswer>,
    /// The program counter.
    pub pc: u32,
    /// The variables at that time.
    pub variables: Document,
}

/// An answer.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyAnswer {
    /// The value.
    pub result: Json,
    /// When it was given.
    pub at: Timestamp,
    /// Time since the call was made.
    pub latency: Millis,
}

/// A row of the log.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyLogRow {
    /// Its id.
    pub id: String,
    /// When the event happened.
    pub at: Timestamp,
    /// `instruction`, `cc_call`, `error` or `complete`.
    pub event: String,
    /// The details of the event.
    pub details: Document,
}

/// An entry of the history.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyHistoryEntry {
    /// Its id.
    pub id: String,
    /// When the step was recorded.
    pub at: Timestamp,
    /// The number that the older CVM gave it; -1 for some entries that record an answer.
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

impl LegacyCall {
    fn to_call(&self, rows: &ImportLegacyRows) -> Result<Call, Rejection> {
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

impl ImportLegacyRows {
    fn keys(&self) -> impl Iterator<Item = Key> {
        let calls = self.calls.iter().map(|call| Key::new(&CC_HISTORY, &call.id));
        let logs = self.logs.iter().map(|log| Key::new(&EXECUTION_LOGS, &log.id));
        calls.chain(logs).chain(self.history.iter().map(|step| Key::new(&HISTORY, &step.id)))
    }

    fn log_change(&self, log: &LegacyLogRow) -> Result<Change, Rejection> {
        let row = serde_json::json!({
            "id": log.id, "executionId": self.execution, "timestamp": log.at, "event": log.event, "details": log.details
        });
        Ok(Change::Append { key: Key::new(&EXECUTION_LOGS, &log.id), document: document::write(&row)? })
    }

    fn history_change(&self, entry: &LegacyHistoryEntry) -> Result<Change, Rejection> {
        let LegacyHistoryEntry { id, at, step, pc, instruction, stack, variables } = entry;
        let row = serde_json::json!({
            "id": id, "executionId": self.execution, "timestamp": at, "step": step, "pc": pc, "instruction": instruction,
            "stack": stack, "variables": variables
        });
        Ok(Change::Append { key: Key::new(&HISTORY, id), document: document::write(&row)? })
    }
}

impl Command for ImportLegacyRows {
    const NAME: &'static str = "cvm.carry_rows";
    type Output = u64;

    fn reads(&self, _: &View) -> ReadSet {
        self.keys().fold(ReadSet::key(super::execution_key(&self.execution)), ReadSet::with_key)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<u64>, Rejection> {
        require_absent(view, &self.execution)?;
        let mut changes = Vec::with_capacity(self.calls.len() + self.logs.len() + self.history.len());
        for call in &self.calls {
            let call = call.to_call(self)?;
            if view.get(&call.key()).is_none() {
                changes.push(call.insert()?);
            }
        }
        for log in &self.logs {
            if view.get(&Key::new(&EXECUTION_LOGS, &log.id)).is_none() {
                changes.push(self.log_change(log)?);
            }
        }
        for step in &self.history {
            if view.get(&Key::new(&HISTORY, &step.id)).is_none() {
                changes.push(self.history_change(step)?);
            }
        }
        let mut decision = Decision::new(changes.len() as u64);
        decision.changes = changes;
        Ok(decision)
    }
}
