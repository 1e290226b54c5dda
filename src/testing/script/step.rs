//! What one step of a script came to.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::act::Act;
use crate::domain::cvm::Status;

/// One step of a script, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStep {
    /// The number of the step, from 0.
    pub number: u32,
    /// What it does.
    pub act: Act,
    /// The execution that it is about.
    pub execution: String,
    /// What came of it.
    pub outcome: StepOutcome,
    /// The status of the execution after the step; `None`: it does not exist.
    pub status: Option<Status>,
    /// The hash of the state of the execution after the step.
    pub state_hash: Option<String>,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The engine accepted it.
    Applied {
        /// What the engine returned, as canonical JSON.
        result: String,
    },
    /// There was nothing to do: no call to claim or to work on, no command to repeat, nothing due.
    Idle,
    /// The engine rejected it, and nothing changed.
    Rejected {
        /// The code of the error.
        code: String,
        /// Its message.
        message: String,
    },
}

/// One line.
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
            None => f.write_str("; not there"),
        }
    }
}
