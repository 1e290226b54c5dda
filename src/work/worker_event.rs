//! The events that a worker reports to its listener.

use serde::Serialize;

use super::Failure;
use crate::domain::cvm::ExecutionStatus;
use crate::engine::{DueReport, Error, Work};
use crate::marker::MaybeSync;
use crate::time::{Millis, Timestamp};

/// An event of a worker.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "WorkerEvent"))]
pub enum WorkerEvent<'a> {
    /// A call was claimed; its handler starts.
    Claimed(&'a Work),
    /// A call was answered, and its execution has run to its next stop.
    Answered {
        /// The call.
        work: &'a Work,
        /// The status of its execution.
        reached: &'a ExecutionStatus,
        /// How long its handler took.
        took: Millis,
    },
    /// A call was not answered.
    Failed {
        /// The call.
        work: &'a Work,
        /// The failure.
        failure: &'a Failure,
        /// When it may be tried again; `None`: it is not retried, and its program received the error.
        retry_at: Option<Timestamp>,
        /// How long its handler took.
        took: Millis,
    },
    /// The claim was lost, or another process closed the call: the result of the handler is discarded.
    Lost {
        /// The call.
        work: &'a Work,
        /// The error of the engine.
        why: &'a Error,
    },
    /// A call was released, because the worker ends.
    Released(&'a Work),
    /// Due work was run.
    Due(&'a DueReport),
    /// The store or the engine failed; the worker continues after a pause.
    Trouble(&'a Error),
}

/// Receives events; every `Fn(&WorkerEvent)` does.
pub(super) trait WorkerEventListener: MaybeSync {
    fn on_event(&self, event: &WorkerEvent<'_>);
}

impl<F: Fn(&WorkerEvent<'_>) + MaybeSync> WorkerEventListener for F {
    fn on_event(&self, event: &WorkerEvent<'_>) {
        self(event);
    }
}
