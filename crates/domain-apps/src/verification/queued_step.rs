//! Verification of the queue: each row is of an open step of an execution that runs, and its claim agrees with the
//! step.

use runstate_core::decision::TypedQuery;
use runstate_core::operation::EntityCheck;
use runstate_core::prelude::*;

use super::AppsInspection;
use crate::execution::{AppExecution, AppExecutionStatus, StepProgress};
use crate::step::{QueuedStep, Step, StepStatus};

/// Rows of the queue.
pub static CHECK: EntityCheck = EntityCheck {
    collection: &QueuedStep::COLLECTION,
    inspect: |id| TypedQuery::boxed(InspectQueuedStep { id: id.to_owned() }),
    rows: &[],
};

/// Checks a row of the queue. Changes nothing.
#[derive(OperationName)]
#[operation(name = "apps.step.inspect")]
struct InspectQueuedStep {
    id: String,
}

impl DomainQuery for InspectQueuedStep {
    /// `None`: the row does not exist.
    type Output = Option<AppsInspection>;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<QueuedStep>(&self.id).with_entity::<Step>(&self.id);
        match view.find_entity::<QueuedStep>(&self.id) {
            Ok(Some(queued)) => reads.with_entity::<AppExecution>(&queued.entity.execution_id),
            _ => reads,
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Self::Output> {
        let Some(queued) = view.find_entity::<QueuedStep>(&self.id)? else { return Ok(None) };
        let mut inspection = AppsInspection::begin(view, &Key::new(&QueuedStep::COLLECTION, &self.id));
        let queued = queued.entity;
        if self.id != Step::id_of(&queued.execution_id, queued.step_id) {
            inspection.add(format!("it is of step {} of execution `{}`", queued.step_id, queued.execution_id));
        }
        match view.find_entity::<AppExecution>(&queued.execution_id)?.map(|head| head.entity) {
            // Unlike a step, it does not outlive its execution: every worker that claims it would fail.
            None => inspection.add("its execution does not exist"),
            Some(head) if head.state.status() != AppExecutionStatus::Running => {
                inspection.add(format!("its execution is {}", head.state.status().as_str()));
            }
            Some(head) if head.progress.get(queued.step_id) != Some(StepProgress::Open) => {
                inspection.add("its step is not open in the progress of its execution");
            }
            Some(_) => {}
        }
        if let Some(step) = view.find_entity::<Step>(&self.id)? {
            let status = step.entity.state.status();
            let expected = if queued.lease.owner.is_some() { StepStatus::Running } else { StepStatus::Pending };
            if status != expected {
                let (status, expected) = (status.as_str(), expected.as_str());
                inspection.add(format!("its step is {status} where {expected} is expected"));
            }
        }
        Ok(Some(inspection))
    }
}
