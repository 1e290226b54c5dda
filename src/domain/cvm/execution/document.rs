//! The document of an execution: names and shapes of the CVM schema, and the conversion from and to the typed form.
//! The error of a failed program is a part of it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::{document, loaded_machine};
use super::{CcWaiting, ExecutionHead, ExecutionState, Metrics, ResumeState, Status};
use crate::decision::{LoadedDocument, Rejection};
use crate::domain::cvm::slice;
use crate::limits::{LogLevel, PLAIN_VALUE_BYTES};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Document, Json, json_bytes};
use crate::vm;

impl ExecutionHead {
    /// Converts to a document.
    pub fn to_document(&self) -> Result<Document, Rejection> {
        let (mut cc_waiting, mut completed, mut error, mut result, mut paused_from, mut deleting) = Default::default();
        match &self.state {
            ExecutionState::Running { .. } => {}
            ExecutionState::Waiting(call) => cc_waiting = Some(call.clone()),
            ExecutionState::Paused(ResumeState::Running) => {
                paused_from = Some(PausedFrom { status: Status::Running, cc_waiting: None })
            }
            ExecutionState::Paused(ResumeState::Waiting(call)) => {
                paused_from = Some(PausedFrom { status: Status::WaitingCc, cc_waiting: Some(call.clone()) });
            }
            ExecutionState::Complete { at, result: value } => (completed, result) = (Some(*at), Some(value.clone())),
            ExecutionState::Failed { at, error: value } => (completed, error) = (Some(*at), Some(value.clone())),
            ExecutionState::Cancelled { at } => completed = Some(*at),
            ExecutionState::Deleted { at, .. } => (completed, deleting) = (Some(*at), Some(true)),
        }
        let frames = self.frames.clone().unwrap_or_else(loaded_machine::Frames::empty);
        document::write(&ExecutionDocument {
            id: self.id.clone(),
            program_id: self.program_id.clone(),
            program_name: self.program_name.clone(),
            program_version: self.program_version,
            state: StateDocument {
                pc: self.pc,
                stack: frames.stack,
                scopes: frames.scopes,
                machine: frames.machine,
                status: self.state.status(),
                output: self.output.clone(),
                output_count: self.output_count,
                output_rows: self.output_rows,
                together: self.group_size,
                together_bytes: self.group_answer_bytes,
            },
            cc_waiting,
            started: self.started,
            completed,
            last_modified: self.last_modified,
            metrics: self.metrics,
            error,
            result,
            input: self.input.clone(),
            parent_id: self.parent_id.clone(),
            paused_from,
            random: self.random.clone(),
            heap: self.heap.clone(),
            output_digest: self.output_digest.clone(),
            log_level: self.log_level,
            heap_bytes: self.heap_bytes,
            wake_at: self.due_at(),
            deleting,
        })
    }

    /// Converts from a document. A document whose parts contradict each other is damaged.
    pub fn from_document(key: &Key, loaded: &LoadedDocument) -> Result<Self, Rejection> {
        let wire: ExecutionDocument = document::read(key, loaded)?;
        let damaged =
            |problem: &str| document::damaged(key, &format!("it is {} {problem}", wire.state.status.as_str()));
        let at = || wire.completed.ok_or_else(|| damaged("but has no completion time"));
        let waiting = |call: &Option<CcWaiting>| call.clone().ok_or_else(|| damaged("but does not name its call"));
        let state = match wire.state.status {
            status if wire.deleting == Some(true) => ExecutionState::Deleted {
                final_status: status,
                at: at()?,
                lease_until: wire.wake_at.unwrap_or_default(),
            },
            Status::Running => ExecutionState::Running { lease_until: wire.wake_at.unwrap_or_default() },
            Status::WaitingCc => ExecutionState::Waiting(CcWaiting { due: wire.wake_at, ..waiting(&wire.cc_waiting)? }),
            Status::Paused => match wire.paused_from.as_ref().ok_or_else(|| damaged("but has no earlier status"))? {
                PausedFrom { status: Status::WaitingCc, cc_waiting } => {
                    ExecutionState::Paused(ResumeState::Waiting(waiting(cc_waiting)?))
                }
                _ => ExecutionState::Paused(ResumeState::Running),
            },
            Status::Complete => {
                ExecutionState::Complete { at: at()?, result: wire.result.clone().unwrap_or(Json::Null) }
            }
            Status::Error => ExecutionState::Failed {
                at: at()?,
                error: wire.error.clone().ok_or_else(|| damaged("but has no error"))?,
            },
            Status::Cancelled => ExecutionState::Cancelled { at: at()? },
        };
        let frames =
            loaded_machine::Frames { stack: wire.state.stack, scopes: wire.state.scopes, machine: wire.state.machine };
        Ok(Self {
            id: wire.id,
            program_id: wire.program_id,
            program_name: wire.program_name,
            program_version: wire.program_version,
            state,
            pc: wire.state.pc,
            frames: wire.heap.spill.is_none().then_some(frames),
            output: wire.state.output,
            output_count: wire.state.output_count,
            output_rows: wire.state.output_rows,
            output_digest: wire.output_digest,
            started: wire.started,
            last_modified: wire.last_modified,
            metrics: wire.metrics,
            input: wire.input,
            parent_id: wire.parent_id,
            random: wire.random,
            heap: wire.heap,
            log_level: wire.log_level,
            heap_bytes: wire.heap_bytes,
            group_size: wire.state.together,
            group_answer_bytes: wire.state.together_bytes,
        })
    }
}

/// The shape of the document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionDocument {
    id: String,
    program_id: String,
    program_name: String,
    program_version: u32,
    state: StateDocument,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cc_waiting: Option<CcWaiting>,
    started: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed: Option<Timestamp>,
    last_modified: Timestamp,
    metrics: Metrics,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ProgramError>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::deserialize_some")]
    result: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::deserialize_some")]
    input: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_from: Option<PausedFrom>,
    random: Json,
    heap: loaded_machine::PageTable,
    output_digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_level: Option<LogLevel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heap_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleting: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateDocument {
    pc: u32,
    stack: Json,
    scopes: Json,
    #[serde(default)]
    machine: Json,
    status: Status,
    output: Vec<String>,
    output_count: u64,
    #[serde(default)]
    output_rows: u64,
    /// Number of calls in the group, after `CC.all`; 0 after a single call.
    #[serde(default, skip_serializing_if = "is_zero")]
    together: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    together_bytes: u64,
}

fn is_zero<T: Default + PartialEq>(n: &T) -> bool {
    *n == T::default()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PausedFrom {
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cc_waiting: Option<CcWaiting>,
}

/// Largest JSON of an instruction in the head, in bytes. The program has the whole instruction.
const INSTRUCTION_BYTES: usize = 4 * 1024;

/// Largest number of lines in `stack`. The machine names fewer calls. Imported operands may be more; `state.stack` has all of them.
const STACK_LINES: usize = 100;

/// The error of a failed program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredProgramError")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ProgramError {
    /// The message.
    pub message: String,
    /// The name: `TypeError`, `LimitError`, or that of the value that the program threw.
    pub name: String,
    /// Line of the source, from 1.
    pub line: u32,
    /// Column of the source, from 1.
    pub column: u32,
    /// Index of the failing instruction.
    pub pc: u32,
    /// The failing instruction: `{"op":n}`, with `"arg"` if it has one; null if it is not known.
    pub instruction: Json,
    /// The function calls that led there, innermost first: `at f (line:column)`. For an imported execution, the operands that the older CVM
    /// saved.
    pub stack: Vec<String>,
    /// When the program failed.
    pub timestamp: Timestamp,
}

/// The stored form. In version 1 of the collection, `instruction` was the index, and `pc` did not exist.
#[derive(Deserialize)]
struct StoredProgramError {
    message: String,
    name: String,
    line: u32,
    column: u32,
    #[serde(default)]
    pc: u32,
    #[serde(default)]
    instruction: Json,
    stack: Vec<String>,
    timestamp: Timestamp,
}

impl From<StoredProgramError> for ProgramError {
    fn from(stored: StoredProgramError) -> Self {
        let StoredProgramError { message, name, line, column, pc, instruction, stack, timestamp } = stored;
        let index = instruction.as_u64().map(|index| u32::try_from(index).unwrap_or(u32::MAX));
        let (pc, instruction) = index.map_or((pc, instruction), |index| (index, Json::Null));
        Self { message, name, line, column, pc, instruction, stack, timestamp }
    }
}

/// The failure of an imported execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ImportedFailure {
    /// The message.
    pub message: String,
    /// Line of the source, from 1; 0 if it is not known.
    pub line: u32,
    /// The failing instruction as it was saved; null if it was not.
    pub instruction: Json,
    /// The operands that were saved with it.
    pub stack: Vec<Json>,
}

impl ProgramError {
    /// Converts a failure of the machine to its form on the wire.
    pub(in crate::domain::cvm) fn from_failure(
        failure: vm::MachineFailure,
        instruction: Json,
        timestamp: Timestamp,
    ) -> Self {
        let vm::MachineFailure { name, message, line, column, instruction: pc, stack, .. } = failure;
        Self { message, name, line, column, pc, instruction, stack, timestamp }
    }

    /// The error of a program that returns more than a document can hold.
    pub(in crate::domain::cvm) fn too_large(subject: &str, bytes: usize, timestamp: Timestamp) -> Self {
        let message = format!("{subject} has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed");
        Self { message, name: "LimitError".to_owned(), line: 0, column: 0, ..Self::sample_at(timestamp) }
    }

    /// Converts a failure at instruction `pc` that the older CVM saved.
    pub(in crate::domain::cvm) fn imported(failure: &ImportedFailure, pc: u32, timestamp: Timestamp) -> Self {
        let ImportedFailure { message, line, instruction, stack } = failure;
        let stack = stack.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        Self {
            message: message.clone(),
            name: "Error".to_owned(),
            line: *line,
            column: 0,
            pc,
            instruction: instruction.clone(),
            stack,
            timestamp,
        }
    }

    /// Truncates the error to the size that a head can hold, with a mark: a program may throw a text of any length.
    pub(in crate::domain::cvm) fn bounded(mut self) -> Self {
        self.name = slice::truncate_line(&self.name);
        self.message = slice::truncate_line(&self.message);
        self.stack.truncate(STACK_LINES);
        self.stack.iter_mut().for_each(|frame| *frame = slice::truncate_line(frame));
        if json_bytes(&self.instruction) > INSTRUCTION_BYTES
            && let Some(arg) = self.instruction.get_mut("arg")
        {
            *arg = Json::String("…".to_owned());
        }
        self
    }

    pub(in crate::domain::cvm) fn sample() -> Self {
        Self::sample_at(Timestamp::default())
    }

    fn sample_at(timestamp: Timestamp) -> Self {
        Self {
            message: String::new(),
            name: String::new(),
            line: 1,
            column: 1,
            pc: 0,
            instruction: Json::Null,
            stack: vec![],
            timestamp,
        }
    }

    /// The form in logs.
    pub(in crate::domain::cvm) fn to_json(&self) -> Json {
        json!({"name": self.name, "message": self.message, "line": self.line, "column": self.column})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stored_with_the_index_of_its_instruction_is_read() {
        let stored = json!({
            "message": "x is not defined", "name": "ReferenceError", "line": 3, "column": 7, "instruction": 12,
            "stack": ["at main (3:7)"], "timestamp": 5
        });
        let error: ProgramError = crate::value::from_value(&stored).unwrap();
        assert_eq!((error.pc, &error.instruction), (12, &Json::Null));
        let reread: ProgramError = crate::value::from_value(&json!(error)).unwrap();
        assert_eq!(reread, error);
    }

    #[test]
    fn an_instruction_with_a_long_argument_is_cut() {
        let instruction = json!({"op": 1, "arg": "x".repeat(INSTRUCTION_BYTES)});
        let error = ProgramError { instruction, ..ProgramError::sample() }.bounded();
        assert_eq!(error.instruction, json!({"op": 1, "arg": "…"}));
    }
}
