//! Steps of executions: entity and lifecycle.
//!
//! | file | contents |
//! |---|---|
//! | `queue.rs` | the steps that may be claimed or are claimed |
//! | `claim.rs` | the commands of workers |
//! | `work.rs` | steps as the work of workers |
//! | `commands.rs` | skip and retry |

mod claim;
mod commands;
mod queue;
mod work;

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::State;

use crate::secret::GuardedValue;
pub use claim::{ClaimStep, CompleteStep, FailStep, FailedStep, NextAvailableStep};
pub use commands::{RetryStep, SkipStep};
pub use queue::QueuedStep;
pub use work::{ClaimedStep, StepWork};

/// A step of an execution, or the step that undoes one.
// Documents of other programs do not repeat their id.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "apps.execution_steps",
    version = 1,
    noun = "step",
    filters(execution_id, app_id, status, step_name)
)]
#[index(execution_id, step_id, unique)]
#[index(execution_id)]
#[index(status)]
#[index(step_name)]
#[index(started_at desc)]
#[ttl(started_at, days = 183, when = "status in ['completed', 'failed', 'skipped']")]
pub struct Step {
    /// Its id: that of the execution with the number of the step, such as `e1:2`.
    #[entity(id, default, composed_of(execution_id, step_id))]
    pub id: String,
    /// The execution.
    #[entity(part_of = "apps.executions")]
    pub execution_id: String,
    /// The number of the app. Documents of earlier versions lack it.
    pub app_id: Option<i64>,
    /// Its number in the configuration. The step that undoes another one has its negative number.
    pub step_id: i64,
    /// The name by which workers claim it.
    #[entity(max = 1_000)]
    pub step_name: String,
    /// The version of its code.
    #[entity(max = 1_000)]
    pub step_version: Option<String>,
    /// Its status.
    #[entity(state)]
    pub state: StepState,
    /// Its input; missing until it is claimed.
    #[entity(kind = json)]
    pub input: Option<Json>,
    /// Its input with its secrets; missing: it has none.
    #[entity(kind = json, secret, hidden)]
    pub secret_input: Option<Json>,
    /// Its output. A failed step may have one too.
    #[entity(kind = json)]
    pub output: Option<Json>,
    /// Its output with its secrets; missing: it has none.
    #[entity(kind = json, secret, hidden)]
    pub secret_output: Option<Json>,
    /// The error of its last attempt: its `message` and its `name`.
    #[entity(kind = json)]
    pub error: Option<Json>,
    /// How often it was tried again.
    #[entity(default = 0)]
    pub retry_count: u32,
    /// Further information of its worker.
    #[entity(default)]
    pub metadata: Document,
    /// That information with its secrets; missing: it has none.
    #[entity(kind = json, secret, hidden)]
    pub secret_metadata: Option<Json>,
}

/// Status of a step.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = StepStatus)]
pub enum StepState {
    /// It waits for other steps, for a worker, or to be tried again.
    Pending,
    /// A worker has claimed it.
    Running {
        /// When the worker claimed it.
        started_at: Timestamp,
    },
    /// It is completed.
    Completed {
        /// When its last attempt began. Documents of other programs may lack it.
        started_at: Option<Timestamp>,
        /// When it ended.
        completed_at: Option<Timestamp>,
        /// The time of its last attempt, in milliseconds.
        duration_ms: Option<Millis>,
    },
    /// It has failed for the last time.
    Failed {
        /// When its last attempt began. Documents of other programs may lack it.
        started_at: Option<Timestamp>,
        /// When it ended.
        completed_at: Option<Timestamp>,
        /// The time of its last attempt, in milliseconds.
        duration_ms: Option<Millis>,
    },
    /// It was skipped.
    Skipped {
        /// When its last attempt began, if it failed before.
        started_at: Option<Timestamp>,
        /// When it was skipped.
        completed_at: Option<Timestamp>,
    },
}

/// An event of a step.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
pub enum StepEvent {
    /// See [`Claim`](runstate_core::lease::Claim).
    Claim(Timestamp),
    /// See [`CompleteStep`].
    Complete(Timestamp),
    /// See [`FailStep`]; also a timeout and the end of a lease. An attempt is left.
    #[event(name = "fail")]
    FailAttempt,
    /// See [`FailStep`]; also a timeout and the end of a lease. No attempt is left.
    Fail(Timestamp),
    /// See [`Release`](runstate_core::lease::Release); also the failure of another step.
    Release,
    /// See [`SkipStep`]; also the end of the steps that it depends on.
    Skip(Timestamp),
    /// See [`RetryStep`].
    Retry,
}

impl Lifecycle for Step {
    type Event = StepEvent;

    fn transition(state: StepState, event: StepEvent) -> Option<StepState> {
        use StepState::{Completed, Failed, Pending, Running, Skipped};
        Some(match (state, event) {
            (Pending, StepEvent::Claim(at)) => Running { started_at: at },
            (Running { started_at }, StepEvent::Complete(at)) => Completed {
                started_at: Some(started_at),
                completed_at: Some(at),
                duration_ms: Some(at.since(started_at)),
            },
            (Running { started_at }, StepEvent::Fail(at)) => {
                Failed { started_at: Some(started_at), completed_at: Some(at), duration_ms: Some(at.since(started_at)) }
            }
            (Running { .. }, StepEvent::FailAttempt | StepEvent::Release) | (Failed { .. }, StepEvent::Retry) => {
                Pending
            }
            (Pending, StepEvent::Skip(at)) => Skipped { started_at: None, completed_at: Some(at) },
            (Failed { started_at, .. }, StepEvent::Skip(at)) => Skipped { started_at, completed_at: Some(at) },
            _ => return None,
        })
    }
}

impl Step {
    /// Its input with and without secrets.
    pub(super) fn guarded_input(&self) -> GuardedValue {
        GuardedValue::stored(self.input.as_ref(), self.secret_input.as_ref())
    }

    /// Its output with and without secrets.
    pub(super) fn guarded_output(&self) -> GuardedValue {
        GuardedValue::stored(self.output.as_ref(), self.secret_output.as_ref())
    }

    pub(super) fn set_output(&mut self, output: Option<GuardedValue>) {
        (self.output, self.secret_output) = output.map_or((None, None), |output| (Some(output.redacted), output.clear));
    }

    pub(super) fn id_of(execution_id: &str, step_id: i64) -> String {
        format!("{execution_id}:{step_id}")
    }

    pub(super) fn key_of(execution_id: &str, step_id: i64) -> Key {
        Key::new(&Self::COLLECTION, &Self::id_of(execution_id, step_id))
    }
}
