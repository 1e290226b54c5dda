//! Verification: executions against their steps and the queue, rows of the queue, the versions of apps, and what the
//! search finds.
//!
//! Rows that have expired are missing without harm: steps are kept for a shorter time than their execution. Documents
//! of other programs have no version and no progress, so there is nothing to compare.

mod app;
mod execution;
mod queued_step;
mod search_entry;

use runstate_core::lease::lease_check;
use runstate_core::operation::EntityCheck;
use runstate_core::prelude::*;

use crate::delivery::Delivery;
use crate::step::QueuedStep;

pub(super) static CHECKS: &[&EntityCheck] = &[
    &execution::CHECK,
    &queued_step::CHECK,
    &lease_check::<QueuedStep>(),
    &lease_check::<Delivery>(),
    &app::APP_CHECK,
    &app::CONFIGURATION_CHECK,
    &search_entry::CHECK,
];

/// The result of an inspection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AppsInspection<T = ()> {
    /// The revision that was inspected.
    revision: String,
    /// The problems that were found.
    problems: Vec<String>,
    /// The rows that it must have.
    rows: T,
}

impl<T: Default> AppsInspection<T> {
    /// The inspection of a document that exists, without problems so far.
    fn begin(view: &View, key: &Key) -> Self {
        let revision = view.get(key).map(|found| found.revision.to_string()).unwrap_or_default();
        Self { revision, problems: Vec::new(), rows: T::default() }
    }

    fn add(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }
}

/// The numbers of steps in a sentence: `steps 1, 2`.
fn phrase(steps: &[i64]) -> String {
    let numbers: Vec<String> = steps.iter().map(ToString::to_string).collect();
    format!("step{} {}", if steps.len() == 1 { "" } else { "s" }, numbers.join(", "))
}
