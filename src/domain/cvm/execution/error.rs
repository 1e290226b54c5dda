//! Why a program failed, as its execution keeps it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::turn;
use crate::limits::PLAIN_VALUE_BYTES;
use crate::time::Timestamp;
use crate::value::Json;
use crate::vm;

/// Why a program failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The failing instruction.
    pub instruction: u32,
    /// Where from, innermost first.
    pub stack: Vec<String>,
    /// When.
    pub timestamp: Timestamp,
}

impl ProgramError {
    /// What a failure of the machine is on the wire.
    pub(in super::super) fn of(failure: vm::Failure, timestamp: Timestamp) -> Self {
        let vm::Failure { name, message, line, column, instruction, stack, .. } = failure;
        Self { message, name, line, column, instruction, stack, timestamp }
    }

    /// What a program is told that hands over more than a document can hold.
    pub(in super::super) fn too_large(what: &str, bytes: usize, timestamp: Timestamp) -> Self {
        let message = format!("{what} has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed");
        Self {
            message,
            name: "LimitError".to_owned(),
            line: 0,
            column: 0,
            instruction: 0,
            stack: Vec::new(),
            timestamp,
        }
    }

    /// What the older CVM said of an error: a message, and nothing of where.
    pub(in super::super) fn carried(message: &str, timestamp: Timestamp) -> Self {
        Self { message: message.to_owned(), name: "Error".to_owned(), timestamp, ..Self::sample() }
    }

    /// Cut to what a head can hold, with a mark: a program may throw a text of any length.
    pub(in super::super) fn bounded(mut self) -> Self {
        self.name = turn::cut(&self.name);
        self.message = turn::cut(&self.message);
        self.stack.iter_mut().for_each(|frame| *frame = turn::cut(frame));
        self
    }

    pub(in super::super) fn sample() -> Self {
        let at = Timestamp::default();
        Self {
            message: String::new(),
            name: String::new(),
            line: 1,
            column: 1,
            instruction: 0,
            stack: vec![],
            timestamp: at,
        }
    }

    /// For logs.
    pub(in super::super) fn to_json(&self) -> Json {
        json!({"name": self.name, "message": self.message, "line": self.line, "column": self.column})
    }
}
