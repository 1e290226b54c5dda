//! The lifecycle of a task. The table in the docs is derived from it.

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::State;

use super::Task;

/// Status of a task.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = TaskStatus)]
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
#[derive(Fields, Wire, Clone, Debug, Default, PartialEq)]
pub struct TaskClaim {
    /// The epoch of the session.
    pub epoch: u64,
}

/// An event of a task.
#[derive(Event, Clone, Debug, PartialEq)]
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
    type Event = TaskEvent;

    fn transition(state: TaskState, event: TaskEvent) -> Option<TaskState> {
        use TaskState::{Blocked, Completed, Failed, InProgress, Pending};
        Some(match (state, event) {
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
            _ => return None,
        })
    }

    fn remedy(state: &TaskState, event: &TaskEvent) -> Option<&'static str> {
        use TaskState::{Blocked, Failed, Pending};
        match (state, event) {
            (Failed { .. }, TaskEvent::Start(..)) => Some("retry"),
            (Pending | Blocked { .. }, TaskEvent::Fail(..)) | (Blocked { .. }, TaskEvent::Complete(_)) => Some("start"),
            _ => None,
        }
    }
}
