//! The end of an execution whose deadline has passed.

use runstate_core::prelude::*;

use super::{AppExecution, ExecutionDocuments};

/// Fails an execution whose deadline has passed. What is completed is undone, as after the failure of a step.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "apps.execution.deadline", contends(AppExecution::COLLECTION, execution_id))]
pub struct PassDeadline {
    /// The execution.
    pub execution_id: String,
}

impl Command for PassDeadline {
    type Output = ();

    fn reads(&self, view: &View) -> ReadSet {
        ExecutionDocuments::reads(view, &self.execution_id, None)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>> {
        let head = view.find_entity::<AppExecution>(&self.execution_id)?;
        if head.is_none_or(|head| head.entity.deadline_at.is_none_or(|at| at > ctx.now)) {
            return Ok(Decision::new(()));
        }
        let mut documents = ExecutionDocuments::load(view, ctx, &self.execution_id)?;
        documents.pass_deadline()?;
        Ok(documents.decide()?.map(drop))
    }
}
