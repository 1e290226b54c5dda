//! Executions of apps: entity and lifecycle.
//!
//! | file | contents |
//! |---|---|
//! | `progress.rs` | how far an execution is, and which steps it opens next |
//! | `documents.rs` | an execution with the documents that change with it |
//! | `commands.rs` | start and cancel |

mod commands;
mod documents;
mod progress;

pub(super) use commands::check_bytes;
pub use commands::{CancelExecution, ExecutionSummary, StartExecution};
pub(super) use documents::ExecutionDocuments;
pub use progress::{Progress, StepProgress};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::{Lifecycle, Rejection};
use crate::operation::Parameter;
use crate::schema::{Entity, FieldType, Key, State};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json};

/// An execution of an app.
// Documents of other programs lack `version`, `configuration_id`, `input` and `progress`.
#[derive(Entity, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(collection = "apps.executions", version = 1, noun = "execution", filters(app_id, sub_app_id, user_id, status))]
#[index(execution_id, unique)]
#[index(app_id, sub_app_id)]
#[index(user_id)]
#[index(status)]
#[index(started_at desc)]
#[ttl(started_at, days = 365, when = "status in ['completed', 'failed', 'cancelled']")]
pub struct Execution {
    /// Its id.
    #[entity(id)]
    pub execution_id: String,
    /// The number of the app.
    pub app_id: i64,
    /// The name of the app.
    #[entity(max = 1_000)]
    pub app_name: String,
    /// The number of the part of the app; missing: the whole app.
    pub sub_app_id: Option<i64>,
    /// The name of that part.
    #[entity(max = 1_000)]
    pub sub_app_name: Option<String>,
    /// The version of the configuration that it runs.
    #[entity(max = 100)]
    pub version: Option<String>,
    /// The document of that version.
    #[entity(references = "apps.app_configurations")]
    pub configuration_id: Option<String>,
    /// The user for whom it runs.
    #[entity(max = 1_000)]
    pub user_id: String,
    /// Its status.
    #[entity(state)]
    #[serde(flatten)]
    pub state: ExecutionState,
    /// When it was started.
    pub started_at: Timestamp,
    /// Its input.
    #[entity(kind = json)]
    pub input: Option<Json>,
    /// The error of the step that failed first: its `message`, its `step_id` and its `step_name`.
    #[entity(kind = json)]
    pub error: Option<Json>,
    /// Further information of the caller.
    #[entity(default)]
    pub metadata: Document,
    /// How far it is.
    #[entity(omit_default)]
    #[serde(default)]
    pub progress: Progress,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// Status of an execution.
#[derive(State, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ExecutionState {
    /// Steps of it run, or will.
    Running,
    /// Every step is completed or skipped.
    Completed {
        /// When it ended. Documents of other programs may lack it.
        completed_at: Option<Timestamp>,
        /// The time from its start to its end, in milliseconds.
        duration_ms: Option<Millis>,
    },
    /// A step has failed, and what was to be undone is undone.
    Failed {
        /// When it ended. Documents of other programs may lack it.
        completed_at: Option<Timestamp>,
        /// The time from its start to its end, in milliseconds.
        duration_ms: Option<Millis>,
    },
    /// It was cancelled.
    Cancelled {
        /// When it ended. Documents of other programs may lack it.
        completed_at: Option<Timestamp>,
        /// The time from its start to its end, in milliseconds.
        duration_ms: Option<Millis>,
    },
}

/// Status of an execution, without its data.
#[derive(FieldType, Parameter, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppExecutionStatus {
    /// Steps of it run, or will.
    Running,
    /// Every step is completed or skipped.
    Completed,
    /// A step has failed, and what was to be undone is undone.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// An event of an execution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExecutionEvent {
    /// The last step has ended, at this time after this duration.
    Complete(Timestamp, Millis),
    /// A step has failed, and what was to be undone is undone.
    Fail(Timestamp, Millis),
    /// See [`CancelExecution`].
    Cancel(Timestamp, Millis),
    /// A failed step is retried or skipped.
    Continue,
}

impl Lifecycle for Execution {
    type State = ExecutionState;
    type Event = ExecutionEvent;

    fn transition(state: ExecutionState, event: ExecutionEvent) -> Result<ExecutionState, Rejection> {
        use ExecutionState::{Cancelled, Completed, Failed, Running};
        Ok(match (state, event) {
            (Running, ExecutionEvent::Complete(at, duration)) => {
                Completed { completed_at: Some(at), duration_ms: Some(duration) }
            }
            (Running, ExecutionEvent::Fail(at, duration)) => {
                Failed { completed_at: Some(at), duration_ms: Some(duration) }
            }
            (Running, ExecutionEvent::Cancel(at, duration)) => {
                Cancelled { completed_at: Some(at), duration_ms: Some(duration) }
            }
            (Running | Failed { .. }, ExecutionEvent::Continue) => Running,
            (state, event) => {
                return Err(Rejection::IllegalTransition {
                    key: Key::new(&Self::COLLECTION, "?"),
                    from: Self::status(&state),
                    command: Self::command(&event),
                    remedy: None,
                });
            }
        })
    }

    fn states() -> Vec<ExecutionState> {
        let (completed_at, duration_ms) = (Some(Timestamp::default()), Some(Millis(0)));
        vec![
            ExecutionState::Running,
            ExecutionState::Completed { completed_at, duration_ms },
            ExecutionState::Failed { completed_at, duration_ms },
            ExecutionState::Cancelled { completed_at, duration_ms },
        ]
    }

    fn events() -> Vec<ExecutionEvent> {
        let (at, duration) = (Timestamp::default(), Millis(0));
        vec![
            ExecutionEvent::Complete(at, duration),
            ExecutionEvent::Fail(at, duration),
            ExecutionEvent::Cancel(at, duration),
            ExecutionEvent::Continue,
        ]
    }

    fn status(state: &ExecutionState) -> &'static str {
        state.status().as_str()
    }

    fn command(event: &ExecutionEvent) -> &'static str {
        match event {
            ExecutionEvent::Complete(..) => "last step completed",
            ExecutionEvent::Fail(..) => "step failed",
            ExecutionEvent::Cancel(..) => "cancel",
            ExecutionEvent::Continue => "step retry",
        }
    }
}

impl ExecutionState {
    /// The status.
    pub fn status(&self) -> AppExecutionStatus {
        match self {
            Self::Running => AppExecutionStatus::Running,
            Self::Completed { .. } => AppExecutionStatus::Completed,
            Self::Failed { .. } => AppExecutionStatus::Failed,
            Self::Cancelled { .. } => AppExecutionStatus::Cancelled,
        }
    }
}

impl Execution {
    /// Changes the state.
    fn apply(&mut self, event: ExecutionEvent) -> Result<(), Rejection> {
        let key = Key::new(&Self::COLLECTION, &self.execution_id);
        self.state = Self::transition(self.state.clone(), event).map_err(|rejection| rejection.with_key(key))?;
        Ok(())
    }

    /// Rejects an execution that does not continue.
    fn check_continues(&self) -> Result<(), Rejection> {
        self.clone().apply(ExecutionEvent::Continue)
    }

    /// The result for a caller.
    pub(super) fn summary(&self) -> ExecutionSummary {
        ExecutionSummary { execution_id: self.execution_id.clone(), status: self.state.status() }
    }
}
