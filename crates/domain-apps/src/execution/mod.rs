//! Executions of apps: entity and lifecycle.
//!
//! | file | contents |
//! |---|---|
//! | `progress.rs` | how far an execution is, and which steps it opens next |
//! | `documents.rs` | an execution with the documents that change with it |
//! | `error.rs` | the error of an execution |
//! | `commands.rs` | start and cancel |
//! | `deadline.rs` | the end of an execution whose deadline has passed |
//! | `retention.rs` | when an execution is removed, and its removal |

mod commands;
mod deadline;
mod documents;
mod error;
mod progress;
mod retention;

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::{FieldType, State};

use crate::configuration::{Configuration, FailurePolicy};
use crate::secret::GuardedValue;

pub(super) use commands::check_bytes;
pub use commands::{AppExecutionSummary, CancelExecution, StartExecution};
pub use deadline::PassDeadline;
pub(super) use documents::ExecutionDocuments;
pub use error::ExecutionError;
pub use progress::{GraphProgress, StepProgress};
pub use retention::{DeleteExecution, Removal, RemoveExecution};

/// An execution of an app.
// Documents of other programs lack `version`, `configuration_id`, `input` and `progress`.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.executions", version = 1, noun = "execution", filters(app_id, sub_app_id, user_id, status))]
#[index(execution_id, unique)]
#[index(app_id, sub_app_id)]
#[index(user_id)]
#[index(status)]
#[index(configuration_id)]
#[index(started_at desc)]
#[index(remove_at, when = "exists(remove_at)")]
#[index(deadline_at, when = "exists(deadline_at)")]
#[ttl(started_at, days = 365, when = "status in ['completed', 'failed', 'cancelled']")]
pub struct AppExecution {
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
    pub state: AppExecutionState,
    /// When it was started.
    pub started_at: Timestamp,
    /// Its input.
    #[entity(kind = json)]
    pub input: Option<Json>,
    /// Its input with its secrets; missing: it has none.
    #[entity(kind = json, secret, hidden)]
    pub secret_input: Option<Json>,
    /// The error of the step that failed first: its `message`, its `stepId` and its `stepName`.
    pub error: Option<ExecutionError>,
    /// Further information of the caller.
    #[entity(default)]
    pub metadata: Document,
    /// That information with its secrets; missing: it has none.
    #[entity(kind = json, secret, hidden)]
    pub secret_metadata: Option<Json>,
    /// How far it is.
    #[entity(omit_default)]
    pub progress: GraphProgress,
    /// When it fails, unless it has ended; missing: it has no deadline, or has ended or is to end.
    pub deadline_at: Option<Timestamp>,
    /// How it ends once the steps that still run are over; missing: as its steps do.
    pub ending: Option<Ending>,
    /// When it is removed, with its steps and artifacts; missing: it runs, or it expires by itself.
    pub remove_at: Option<Timestamp>,
    /// Whether its removal has begun. It cannot continue then.
    #[entity(omit_default)]
    pub removing: bool,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// Status of an execution.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = AppExecutionStatus)]
pub enum AppExecutionState {
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

/// How an execution ends that runs on only to clean up. No step begins then but those that undo others, and those with
/// `always`.
#[derive(FieldType, Wire, Parameter, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A step has failed, or its deadline has passed. It is undone, and has failed then.
    Failed,
    /// It was cancelled after its failure. It is undone, and is cancelled then.
    Undone,
    /// It was cancelled. Nothing is undone.
    Cancelled,
}

/// An event of an execution.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
pub enum AppExecutionEvent {
    /// The last step has ended, at this time after this duration.
    #[event(name = "last step completed")]
    Complete(Timestamp, Millis),
    /// A step has failed, and what was to be undone is undone.
    #[event(name = "step failed")]
    Fail(Timestamp, Millis),
    /// See [`CancelExecution`].
    Cancel(Timestamp, Millis),
    /// A failed step is retried or skipped.
    #[event(name = "step retry")]
    Continue,
}

impl Lifecycle for AppExecution {
    type Event = AppExecutionEvent;

    fn transition(state: AppExecutionState, event: AppExecutionEvent) -> Option<AppExecutionState> {
        use AppExecutionState::{Cancelled, Completed, Failed, Running};
        Some(match (state, event) {
            (Running, AppExecutionEvent::Complete(at, duration)) => {
                Completed { completed_at: Some(at), duration_ms: Some(duration) }
            }
            (Running, AppExecutionEvent::Fail(at, duration)) => {
                Failed { completed_at: Some(at), duration_ms: Some(duration) }
            }
            (Running, AppExecutionEvent::Cancel(at, duration)) => {
                Cancelled { completed_at: Some(at), duration_ms: Some(duration) }
            }
            (Running | Failed { .. }, AppExecutionEvent::Continue) => Running,
            _ => return None,
        })
    }
}

impl AppExecution {
    /// Its input with and without secrets.
    pub(super) fn guarded_input(&self) -> GuardedValue {
        GuardedValue::stored(self.input.as_ref(), self.secret_input.as_ref())
    }

    /// Rejects an execution whose removal has begun.
    pub(super) fn check_kept(&self) -> Result<()> {
        let hint = ": its removal has begun";
        match self.removing {
            true => {
                Err(Rejection::NotFound { what: "execution", id: self.execution_id.clone(), hint: hint.to_owned() })
            }
            false => Ok(()),
        }
    }

    /// Whether no further step begins, but those that undo others and those with `always`.
    pub(super) fn is_over(&self, configuration: &Configuration) -> bool {
        let fails = || self.progress.has_failed() && configuration.on_failure() == FailurePolicy::FailFast;
        self.ending.is_some() || self.progress.is_compensating() || fails()
    }

    /// Rejects an execution that does not continue.
    fn check_continues(&self) -> Result<()> {
        self.check_kept()?;
        self.next_state(AppExecutionEvent::Continue).map(|_| ())
    }

    /// The result for a caller.
    pub(super) fn summary(&self) -> AppExecutionSummary {
        AppExecutionSummary { execution_id: self.execution_id.clone(), status: self.state.status() }
    }
}
