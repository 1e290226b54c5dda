//! The error of a failed program.

use runstate_core::limits::PLAIN_VALUE_BYTES;
use runstate_core::prelude::*;
use runstate_value::json_bytes;
use runstate_vm as vm;
use serde_json::json;

use crate::slice;

/// Largest JSON of an instruction in the head, in bytes. The program has the whole instruction.
const INSTRUCTION_BYTES: usize = 4 * 1024;

/// Largest number of lines in `stack`. The machine names fewer calls. Imported operands may be more; `state.stack` has
/// all of them.
const STACK_LINES: usize = 100;

/// The error of a failed program.
#[derive(Fields, Wire, Clone, Debug, Default, PartialEq)]
#[entity(upgrade = ProgramError::upgraded)]
pub struct ProgramError {
    /// The message.
    pub message: String,
    /// The name: `TypeError`, `LimitError`, or that of the value that the program threw.
    pub name: String,
    /// File of the source, in a program of several files.
    pub file: Option<String>,
    /// Line of the source, from 1.
    pub line: u32,
    /// Column of the source, from 1.
    pub column: u32,
    /// Index of the failing instruction.
    #[entity(default)]
    pub pc: u32,
    /// The failing instruction: `{"op":n}`, with `"arg"` if it has one; null if it is not known.
    #[entity(default)]
    pub instruction: Json,
    /// The function calls that led there, innermost first: `at f (line:column)`, or `at f (file:line:column)`. For an
    /// imported execution, the operands that the older CVM saved.
    pub stack: Vec<String>,
    /// Whether a limit ended the program. A program may throw an error of any name.
    #[entity(default)]
    pub limit: bool,
    /// When the program failed.
    pub timestamp: Timestamp,
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
    /// Corrects an error stored in version 1 of the collection: `instruction` was the index, and `pc` did not exist.
    fn upgraded(mut self) -> Self {
        if let Some(index) = self.instruction.as_u64() {
            (self.pc, self.instruction) = (u32::try_from(index).unwrap_or(u32::MAX), Json::Null);
        }
        self
    }

    /// Converts a failure of the machine to its form on the wire.
    pub(crate) fn from_failure(failure: vm::MachineFailure, instruction: Json, timestamp: Timestamp) -> Self {
        let vm::MachineFailure { name, message, file, line, column, instruction: pc, stack, limit, .. } = failure;
        // A limit that a program may catch is an error like others.
        let limit = limit && name == vm::LIMIT_ERROR;
        Self { message, name, file, line, column, pc, instruction, stack, limit, timestamp }
    }

    /// The error of a program that returns more than a document can hold.
    pub(crate) fn too_large(subject: &str, bytes: usize, timestamp: Timestamp) -> Self {
        // The program has ended, so a retry meets the same value.
        let hint = "change the program, and start it with `answersFrom`, which gives it the answers so far";
        let message = format!("{subject} has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed; {hint}");
        Self::limit(message, timestamp)
    }

    /// The error of a program that reached a limit.
    pub(crate) fn limit(message: String, timestamp: Timestamp) -> Self {
        Self { message, name: vm::LIMIT_ERROR.to_owned(), limit: true, timestamp, ..Self::default() }
    }

    /// Converts a failure at instruction `pc` that the older CVM saved.
    pub(crate) fn imported(failure: &ImportedFailure, pc: u32, timestamp: Timestamp) -> Self {
        let ImportedFailure { message, line, instruction, stack } = failure;
        let stack = stack.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        Self {
            message: message.clone(),
            name: "Error".to_owned(),
            file: None,
            line: *line,
            column: 0,
            pc,
            instruction: instruction.clone(),
            stack,
            limit: false,
            timestamp,
        }
    }

    /// Truncates the error to the size that a head can hold, with a mark: a program may throw a text of any length.
    pub(crate) fn bounded(mut self) -> Self {
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

    /// The form in logs.
    pub(crate) fn to_json(&self) -> Json {
        let mut json = json!({"name": self.name, "message": self.message, "line": self.line, "column": self.column});
        if let Some(file) = &self.file {
            json["file"] = json!(file);
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::FieldType;

    use super::*;

    #[test]
    fn an_error_stored_with_the_index_of_its_instruction_is_read() {
        let stored = json!({
            "message": "x is not defined", "name": "ReferenceError", "line": 3, "column": 7, "instruction": 12,
            "stack": ["at main (3:7)"], "timestamp": 5
        });
        let error = ProgramError::from_json(&stored).unwrap();
        assert_eq!((error.pc, &error.instruction, error.limit), (12, &Json::Null, false));
        assert_eq!(ProgramError::from_json(&FieldType::to_json(&error).unwrap()).unwrap(), error);
    }

    #[test]
    fn a_thrown_error_with_the_name_of_a_limit_is_not_one() {
        for (limit, name, expected) in
            [(true, vm::LIMIT_ERROR, true), (false, vm::LIMIT_ERROR, false), (true, "RangeError", false)]
        {
            let (name, stack) = (name.to_owned(), Vec::new());
            let failure = vm::MachineFailure {
                name,
                message: String::new(),
                file: None,
                line: 1,
                column: 1,
                instruction: 0,
                stack,
                limit,
                cancelled: false,
            };
            let error = ProgramError::from_failure(failure, Json::Null, Timestamp::default());
            assert_eq!(error.limit, expected, "{error:?}");
            assert_eq!(ProgramError::from_json(&FieldType::to_json(&error).unwrap()).unwrap(), error);
        }
    }

    #[test]
    fn an_instruction_with_a_long_argument_is_cut() {
        let instruction = json!({"op": 1, "arg": "x".repeat(INSTRUCTION_BYTES)});
        let error = ProgramError { instruction, ..ProgramError::default() }.bounded();
        assert_eq!(error.instruction, json!({"op": 1, "arg": "…"}));
    }
}
