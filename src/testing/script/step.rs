//! The outcome of one step of a script.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::action::ScriptAction;
use crate::domain::cvm::Status;

/// One step of a script, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStep {
    /// The number of the step, from 0.
    pub number: u32,
    /// Its action.
    pub act: ScriptAction,
    /// The execution that it concerns.
    pub execution: String,
    /// Its outcome.
    pub outcome: StepOutcome,
    /// The status of the execution after the step; `None`: it does not exist.
    pub status: Option<Status>,
    /// The hash of the state of the execution after the step.
    pub state_hash: Option<String>,
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The engine accepted it.
    Applied {
        /// The result that the engine returned, as canonical JSON.
        result: String,
    },
    /// The action was not applicable: no call to claim or to complete, no command to repeat, nothing due.
    Idle,
    /// The engine rejected it, and nothing changed.
    Rejected {
        /// The code of the error.
        code: String,
        /// Its message.
        message: String,
    },
}

/// Writes one line.
impl fmt::Display for ScriptStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}: ", self.number, self.act, self.execution)?;
        match &self.outcome {
            StepOutcome::Applied { result } => f.write_str(result)?,
            StepOutcome::Idle => f.write_str("nothing to do")?,
            StepOutcome::Rejected { code, message } => write!(f, "{code}: {message}")?,
        }
        match self.status {
            Some(status) => write!(f, "; {} {}", status.as_str(), self.state_hash.as_deref().unwrap_or_default()),
            None => f.write_str("; does not exist"),
        }
    }
}
