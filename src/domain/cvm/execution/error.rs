//! Why a program failed, as its execution keeps it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::turn;
use crate::limits::PLAIN_VALUE_BYTES;
use crate::time::Timestamp;
use crate::value::{Json, json_bytes};
use crate::vm;

/// Bytes of JSON of an instruction that the head shows; the program has all of it.
const INSTRUCTION_BYTES: usize = 4 * 1024;

/// Lines of `stack`. The machine names fewer calls; operands that were imported may be more, and are in `state.stack` too.
const STACK_LINES: usize = 100;

/// Why a program failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ProgramError {
    /// In words.
    pub message: String,
    /// `TypeError`, `LimitError`, or what the program threw.
    pub name: String,
    /// Line of the source, from 1.
    pub line: u32,
    /// Column of the source, from 1.
    pub column: u32,
    /// Index of the failing instruction.
    pub pc: u32,
    /// The failing instruction: `{"op":n}`, with `"arg"` where it has one; null where it is not known.
    pub instruction: Json,
    /// The calls that led there, innermost first: `at f (line:column)`. Of an imported execution the operands that the older CVM saved.
    pub stack: Vec<String>,
    /// When.
    pub timestamp: Timestamp,
}

/// What a document holds. In version 1 of the collection `instruction` was the index, and there was no `pc`.
#[derive(Deserialize)]
struct Stored {
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

impl From<Stored> for ProgramError {
    fn from(stored: Stored) -> Self {
        let Stored { message, name, line, column, pc, instruction, stack, timestamp } = stored;
        let index = instruction.as_u64().map(|index| u32::try_from(index).unwrap_or(u32::MAX));
        let (pc, instruction) = index.map_or((pc, instruction), |index| (index, Json::Null));
        Self { message, name, line, column, pc, instruction, stack, timestamp }
    }
}

/// What an imported execution says of its failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ImportedFailure {
    /// In words.
    pub message: String,
    /// Line of the source, from 1; 0 where it is not known.
    pub line: u32,
    /// The failing instruction as it was saved; null where it was not.
    pub instruction: Json,
    /// The operands that were saved beside it.
    pub stack: Vec<Json>,
}

impl ProgramError {
    /// What a failure of the machine is on the wire.
    pub(in super::super) fn of(failure: vm::Failure, instruction: Json, timestamp: Timestamp) -> Self {
        let vm::Failure { name, message, line, column, instruction: pc, stack, .. } = failure;
        Self { message, name, line, column, pc, instruction, stack, timestamp }
    }

    /// What a program is told that hands over more than a document can hold.
    pub(in super::super) fn too_large(what: &str, bytes: usize, timestamp: Timestamp) -> Self {
        let message = format!("{what} has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed");
        Self { message, name: "LimitError".to_owned(), line: 0, column: 0, ..Self::sample_at(timestamp) }
    }

    /// What the older CVM saved of a failure at instruction `pc`.
    pub(in super::super) fn imported(failure: &ImportedFailure, pc: u32, timestamp: Timestamp) -> Self {
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

    /// Cut to what a head can hold, with a mark: a program may throw a text of any length.
    pub(in super::super) fn bounded(mut self) -> Self {
        self.name = turn::cut(&self.name);
        self.message = turn::cut(&self.message);
        self.stack.truncate(STACK_LINES);
        self.stack.iter_mut().for_each(|frame| *frame = turn::cut(frame));
        if json_bytes(&self.instruction) > INSTRUCTION_BYTES
            && let Some(arg) = self.instruction.get_mut("arg")
        {
            *arg = Json::String("…".to_owned());
        }
        self
    }

    pub(in super::super) fn sample() -> Self {
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

    /// For logs.
    pub(in super::super) fn to_json(&self) -> Json {
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
        let error: ProgramError = crate::value::read(&stored).unwrap();
        assert_eq!((error.pc, &error.instruction), (12, &Json::Null));
        let again: ProgramError = crate::value::read(&json!(error)).unwrap();
        assert_eq!(again, error);
    }

    #[test]
    fn an_instruction_with_a_long_argument_is_cut() {
        let instruction = json!({"op": 1, "arg": "x".repeat(INSTRUCTION_BYTES)});
        let error = ProgramError { instruction, ..ProgramError::sample() }.bounded();
        assert_eq!(error.instruction, json!({"op": 1, "arg": "…"}));
    }
}
