//! Programs: code that one domain runs in executions. Another domain starts and follows them through [`ProgramPort`],
//! in its own commits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AnyCommand, Ctx, Decision, ReadSet, Rejection, View};
use crate::error_code::ErrorCode;
use crate::operation::Parameter;
use crate::schema::{Collection, FieldType, Wire};
use runstate_value::{Document, Json};

/// The status of an execution on the wire.
#[derive(FieldType, Wire, Clone, Copy, Debug, PartialEq, Eq, Hash, Parameter)]
pub enum Status {
    /// It runs, or will continue to run.
    Running,
    /// It waits for calls.
    WaitingCc,
    /// It is paused.
    Paused,
    /// It is complete.
    Complete,
    /// It has failed.
    Error,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    /// Whether the execution does not go on by itself: it is complete, has failed or was cancelled.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Complete | Self::Error | Self::Cancelled)
    }
}

/// The result of a command on an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecutionStatus {
    /// The execution.
    pub id: String,
    /// Its status after the command.
    pub status: Status,
    /// After a start: what the compiler warned of when the program was loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The end of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionEnd {
    /// It is complete.
    Complete,
    /// It has failed with this message.
    Failed(String),
    /// It was cancelled.
    Cancelled,
    /// It was deleted before it was complete.
    Deleted,
}

/// An execution to start.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramStart {
    /// The name of the program. Its newest version runs.
    pub program: String,
    /// The id of the execution.
    pub execution: String,
    /// The input of the program.
    pub input: Option<Json>,
}

/// The programs of an engine, implemented by the domain that runs them. A command includes the decisions
/// ([`Decision::include`]).
#[derive(Debug)]
pub struct ProgramPort {
    /// The collection of executions.
    pub executions: &'static Collection,
    /// Rejects a start that no program could make possible.
    pub check: fn(&ProgramStart) -> Result<(), Rejection>,
    /// The reads of a command that starts an execution.
    pub reads: fn(&View, &ProgramStart) -> ReadSet,
    /// Starts an execution, and runs it to its first stop or the end of a slice.
    pub start: fn(&View, &mut Ctx, &ProgramStart) -> Result<Decision<ExecutionStatus>, Rejection>,
    /// The command that continues an execution, if it has more to run.
    pub next: fn(&ExecutionStatus) -> Option<Box<dyn AnyCommand>>,
    /// The end of the execution with this document; `None`: it has not ended. Errors: `corrupt`.
    pub end: fn(&str, &Document) -> Result<Option<ExecutionEnd>, Rejection>,
}

impl View {
    /// The programs of the engine. Errors: `unsupported` (none of its domains runs programs).
    pub fn programs(&self) -> Result<&'static ProgramPort, Rejection> {
        self.ports.programs.ok_or_else(|| {
            let message = "a program is named, but this engine runs no programs; nothing was changed. Open it with a domain that does";
            Rejection::domain(ErrorCode::UNSUPPORTED, message)
        })
    }
}
