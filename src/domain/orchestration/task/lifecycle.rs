//! The lifecycle of a task. The table in the docs is derived from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Task;
use crate::decision::{Lifecycle, Rejection};
use crate::operation::Parameter;
use crate::schema::{Entity, FieldType, Fields, Key, State};
use crate::time::Timestamp;

/// Status of a task.
#[derive(State, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TaskState {
    /// It was not started.
    Pending,
    /// The session runs it.
    InProgress {
        /// When it was started. Documents of the older system may lack it.
        started_at: Option<Timestamp>,
        /// The owner that started it.
        #[entity(default)]
        claim: TaskClaim,
    },
    /// It cannot continue.
    Blocked {
        /// When it was started; missing if it never was.
        started_at: Option<Timestamp>,
    },
    /// It is done.
    Completed {
        /// When it was started; missing if it never was.
        started_at: Option<Timestamp>,
        /// When it was completed. Documents of the older system may lack it, and then they do not expire.
        completed_at: Option<Timestamp>,
    },
    /// It has failed. It may be retried.
    Failed {
        /// When it was started. Documents of the older system may lack it.
        started_at: Option<Timestamp>,
        /// When it failed. Documents of the older system may lack it, and then they do not expire.
        completed_at: Option<Timestamp>,
        /// Why it failed.
        #[entity(max = 100_000)]
        error_message: Option<String>,
    },
}

/// The owner that runs a task.
#[derive(Fields, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskClaim {
    /// The epoch of the session.
    pub epoch: u64,
}

/// Status of a task, without its data.
#[derive(
    FieldType, Parameter, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// It was not started.
    Pending,
    /// The session runs it.
    InProgress,
    /// It cannot continue.
    Blocked,
    /// It is done.
    Completed,
    /// It has failed.
    Failed,
}

/// An event of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskEvent {
    /// See [`StartTask`](super::StartTask). With the epoch of the session.
    Start(Timestamp, u64),
    /// See [`CompleteTask`](super::CompleteTask).
    Complete(Timestamp),
    /// See [`FailTask`](super::FailTask).
    Fail(Timestamp, Option<String>),
    /// See [`BlockTask`](super::BlockTask).
    Block,
    /// See [`ReleaseTask`](super::ReleaseTask).
    Release,
    /// See [`RetryTask`](super::RetryTask).
    Retry,
}

impl TaskState {
    /// The status.
    pub fn status(&self) -> TaskStatus {
        match self {
            Self::Pending => TaskStatus::Pending,
            Self::InProgress { .. } => TaskStatus::InProgress,
            Self::Blocked { .. } => TaskStatus::Blocked,
            Self::Completed { .. } => TaskStatus::Completed,
            Self::Failed { .. } => TaskStatus::Failed,
        }
    }

    /// Whether it is neither completed nor failed.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Completed { .. } | Self::Failed { .. })
    }

    /// Whether the session runs it.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::InProgress { .. })
    }
}

impl Lifecycle for Task {
    type State = TaskState;
    type Event = TaskEvent;

    fn transition(state: TaskState, event: TaskEvent) -> Result<TaskState, Rejection> {
        use TaskState::{Blocked, Completed, Failed, InProgress, Pending};
        Ok(match (state, event) {
            (Pending | Blocked { .. }, TaskEvent::Start(at, epoch)) => {
                InProgress { started_at: Some(at), claim: TaskClaim { epoch } }
            }
            (Pending, TaskEvent::Complete(at)) => Completed { started_at: None, completed_at: Some(at) },
            (InProgress { started_at, .. }, TaskEvent::Complete(at)) => {
                Completed { started_at, completed_at: Some(at) }
            }
            (InProgress { started_at, .. }, TaskEvent::Fail(at, error_message)) => {
                Failed { started_at, completed_at: Some(at), error_message }
            }
            (Pending, TaskEvent::Block) => Blocked { started_at: None },
            (InProgress { started_at, .. }, TaskEvent::Block) => Blocked { started_at },
            (InProgress { .. } | Blocked { .. }, TaskEvent::Release) | (Failed { .. }, TaskEvent::Retry) => Pending,
            (state, event) => {
                let remedy = match (&state, &event) {
                    (Failed { .. }, TaskEvent::Start(..)) => Some("retry"),
                    (Pending | Blocked { .. }, TaskEvent::Fail(..)) | (Blocked { .. }, TaskEvent::Complete(_)) => {
                        Some("start")
                    }
                    _ => None,
                };
                let (from, command) = (Self::status(&state), Self::command(&event));
                return Err(Rejection::IllegalTransition {
                    key: Key::new(&Self::COLLECTION, "?"),
                    from,
                    command,
                    remedy,
                });
            }
        })
    }

    fn states() -> Vec<TaskState> {
        let at = Timestamp::default();
        vec![
            TaskState::Pending,
            TaskState::InProgress { started_at: Some(at), claim: TaskClaim { epoch: 1 } },
            TaskState::Blocked { started_at: Some(at) },
            TaskState::Completed { started_at: Some(at), completed_at: Some(at) },
            TaskState::Failed { started_at: Some(at), completed_at: Some(at), error_message: None },
        ]
    }

    fn events() -> Vec<TaskEvent> {
        let at = Timestamp::default();
        vec![
            TaskEvent::Start(at, 1),
            TaskEvent::Complete(at),
            TaskEvent::Fail(at, None),
            TaskEvent::Block,
            TaskEvent::Release,
            TaskEvent::Retry,
        ]
    }

    fn status(state: &TaskState) -> &'static str {
        state.status().as_str()
    }

    fn command(event: &TaskEvent) -> &'static str {
        match event {
            TaskEvent::Start(..) => "start",
            TaskEvent::Complete(_) => "complete",
            TaskEvent::Fail(..) => "fail",
            TaskEvent::Block => "block",
            TaskEvent::Release => "release",
            TaskEvent::Retry => "retry",
        }
    }
}
