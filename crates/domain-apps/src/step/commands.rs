//! The commands of people on steps: skip and retry.

use runstate_core::prelude::*;

use super::Step;
use crate::execution::{AppExecution, AppExecutionSummary, ExecutionDocuments};

/// Skips a step that is pending or has failed. A failed execution continues. The steps that depend on it are skipped
/// too, unless their conditions say otherwise.
///
/// Errors: `not_found`, `illegal_transition` (the step is running or has ended, or the execution has), `compensated`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.step.skip", contends(AppExecution::COLLECTION, execution_id))]
pub struct SkipStep {
    /// The execution.
    #[operation(subject)]
    pub execution_id: String,
    /// The number of the step.
    pub step_id: i64,
}

impl Command for SkipStep {
    type Output = AppExecutionSummary;

    fn reads(&self, view: &View) -> ReadSet {
        ExecutionDocuments::reads(view, &self.execution_id, Some(self.step_id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppExecutionSummary>> {
        let mut documents = ExecutionDocuments::load(view, ctx, &self.execution_id)?;
        documents.skip(self.step_id)?;
        Ok(documents.decide()?.with_item(Step::key_of(&self.execution_id, self.step_id)))
    }
}

/// Tries a step that has failed for the last time again. A failed execution continues.
///
/// Errors: `not_found`, `illegal_transition` (the step has not failed, or the execution was cancelled), `compensated`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.step.retry", contends(AppExecution::COLLECTION, execution_id))]
pub struct RetryStep {
    /// The execution.
    #[operation(subject)]
    pub execution_id: String,
    /// The number of the step.
    pub step_id: i64,
}

impl Command for RetryStep {
    type Output = AppExecutionSummary;

    fn reads(&self, view: &View) -> ReadSet {
        ExecutionDocuments::reads(view, &self.execution_id, Some(self.step_id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<AppExecutionSummary>> {
        let mut documents = ExecutionDocuments::load(view, ctx, &self.execution_id)?;
        documents.retry(self.step_id)?;
        Ok(documents.decide()?.with_item(Step::key_of(&self.execution_id, self.step_id)))
    }
}
