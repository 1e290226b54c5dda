//! Verification of executions: their progress against their state, their configuration, their steps and the queue.

use std::collections::BTreeMap;

use runstate_core::decision::TypedQuery;
use runstate_core::operation::{EntityCheck, RowsCheck, RowsComparison};
use runstate_core::prelude::*;
use runstate_value::{from_value, sort_by};

use super::{AppsInspection, phrase};
use crate::configuration::{AppConfiguration, Configuration};
use crate::execution::{AppExecution, AppExecutionState, AppExecutionStatus, StepProgress};
use crate::step::{QueuedStep, Step, StepState, StepStatus};

/// Executions.
pub static CHECK: EntityCheck = EntityCheck {
    collection: &AppExecution::COLLECTION,
    inspect: |id| TypedQuery::boxed(InspectExecution { id: id.to_owned() }),
    rows: &[RowsCheck {
        collection: &Step::COLLECTION,
        entity: "execution_id",
        order: "step_id",
        filter: || Filter::All,
        projection: &["step_id", "status", "started_at", "completed_at", "duration_ms"],
        begin: |inspection| Box::new(Steps::of(inspection)),
    }],
};

/// Checks the document of an execution, and that each of its open steps is in the queue. Changes nothing.
#[derive(OperationName)]
#[operation(name = "apps.execution.inspect")]
struct InspectExecution {
    id: String,
}

/// The steps that an execution must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExpectedSteps {
    /// How far each one is; none: another program has started the execution.
    progress: Option<Vec<(i64, Option<StepProgress>)>>,
    /// Whether the execution runs, so that its open and waiting steps exist.
    is_running: bool,
}

impl InspectExecution {
    fn head(&self, view: &View) -> Result<Option<AppExecution>> {
        Ok(view.find_entity(&self.id)?.map(|found| found.entity))
    }
}

impl DomainQuery for InspectExecution {
    /// `None`: the execution does not exist.
    type Output = Option<AppsInspection<ExpectedSteps>>;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<AppExecution>(&self.id);
        let Ok(Some(AppExecution { configuration_id: Some(configuration), progress, .. })) = self.head(view) else {
            return reads;
        };
        let queued = |reads: ReadSet, step| reads.with_entity::<QueuedStep>(&Step::id_of(&self.id, step));
        let reads = progress.with(StepProgress::Open).fold(reads, queued);
        reads.with_entity::<AppConfiguration>(&configuration)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Self::Output> {
        let Some(head) = self.head(view)? else { return Ok(None) };
        let mut inspection = AppsInspection::begin(view, &Key::new(&AppExecution::COLLECTION, &self.id));
        let Some(configuration) = &head.configuration_id else { return Ok(Some(inspection)) };
        inspection.check_times(&head);
        match view.find_entity::<AppConfiguration>(configuration)?.map(|found| found.entity.parse()).transpose() {
            Ok(Some(configuration)) => inspection.check_progress(&head, &configuration),
            Ok(None) => inspection.add(format!("its configuration `{configuration}` does not exist")),
            // A finding of the configuration says why.
            Err(_) => inspection.add(format!("its configuration `{configuration}` cannot be read")),
        }
        for step in head.progress.with(StepProgress::Open) {
            if view.find_entity::<QueuedStep>(&Step::id_of(&self.id, step))?.is_none() {
                inspection.add(format!("its step {step} is open, but not in the queue, so no worker can claim it"));
            }
        }
        Ok(Some(inspection))
    }
}

impl AppsInspection<ExpectedSteps> {
    /// Compares the progress with the state and the configuration.
    fn check_progress(&mut self, head: &AppExecution, configuration: &Configuration) {
        let (progress, status) = (&head.progress, head.state.status());
        let is_running = status == AppExecutionStatus::Running;
        let mut open: Vec<i64> = progress.with(StepProgress::Open).collect();
        sort_by(&mut open, Ord::cmp);
        if is_running && open.is_empty() {
            self.add("it is running, but none of its steps is open, so it never ends");
        }
        if !is_running && !open.is_empty() {
            self.add(format!("it is {}, but open: {}", status.as_str(), phrase(&open)));
        }
        let is_complete = progress.is_complete(configuration);
        match status {
            AppExecutionStatus::Completed if !is_complete => {
                self.add("it is completed, but not all of its steps are completed or skipped");
            }
            AppExecutionStatus::Failed
                if !progress.has_failed() && head.ending.is_none() && !progress.is_compensating() =>
            {
                self.add("it is failed, but none of its steps is");
            }
            _ => {}
        }
        if is_running && !head.is_over(configuration) {
            let next = progress.next::<Rejection>(configuration, false, &mut |_| Ok(true));
            if let Ok(Some(next)) = next {
                self.add(format!("its step {} waits, although those that it depends on have ended", next.step().id));
            }
        }
        let (mut listed, mut completed) = (progress.completed.clone(), Vec::new());
        completed.extend(progress.with(StepProgress::Completed).filter(|step| *step > 0));
        sort_by(&mut listed, Ord::cmp);
        sort_by(&mut completed, Ord::cmp);
        if listed != completed {
            self.add(format!("completed: {}, but listed as completed: {}", phrase(&completed), phrase(&listed)));
        }
        let mut expected: BTreeMap<i64, Option<StepProgress>> = BTreeMap::new();
        expected.extend(configuration.steps.iter().map(|step| (step.id, None)));
        for (id, one) in &progress.steps {
            let known = id.parse().ok().filter(|id: &i64| configuration.step(id.abs()).is_some());
            match known {
                Some(step) => drop(expected.insert(step, Some(*one))),
                None => self.add(format!("its configuration has no step {id}")),
            }
        }
        self.rows = ExpectedSteps { progress: Some(expected.into_iter().collect()), is_running };
    }

    /// Compares the end of an execution with its start.
    fn check_times(&mut self, head: &AppExecution) {
        let (completed_at, duration_ms) = match head.state {
            AppExecutionState::Running => return,
            AppExecutionState::Completed { completed_at, duration_ms }
            | AppExecutionState::Failed { completed_at, duration_ms }
            | AppExecutionState::Cancelled { completed_at, duration_ms } => (completed_at, duration_ms),
        };
        if let Some(problem) = duration_problem(Some(head.started_at), completed_at, duration_ms) {
            self.add(problem);
        }
    }
}

/// The reason why these times of something that has ended do not fit.
fn duration_problem(
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    duration_ms: Option<Millis>,
) -> Option<String> {
    let (Some(started_at), Some(completed_at)) = (started_at, completed_at) else {
        return Some("it has ended, but lacks the time of its start or end".to_owned());
    };
    let expected = completed_at.since(started_at);
    let found = duration_ms.map_or_else(|| "missing".to_owned(), |duration| duration.0.to_string());
    (duration_ms != Some(expected)).then(|| format!("its `duration_ms` is {found} where {} is expected", expected.0))
}

/// The steps, compared with the progress of their execution.
struct Steps {
    /// How far each one is that was not compared yet; `None`: another program has started the execution.
    expected: Option<BTreeMap<i64, Option<StepProgress>>>,
    is_running: bool,
    problems: Vec<String>,
}

impl Steps {
    fn of(inspection: &Json) -> Self {
        let AppsInspection { rows: ExpectedSteps { progress, is_running }, .. } =
            from_value(inspection).unwrap_or_default();
        Self { expected: progress.map(|steps| steps.into_iter().collect()), is_running, problems: Vec::new() }
    }

    fn check(&mut self, step: i64, progress: Option<StepProgress>, state: &StepState) {
        let status = state.status();
        let fits = match progress {
            None => status == StepStatus::Pending,
            Some(StepProgress::Open) => matches!(status, StepStatus::Pending | StepStatus::Running),
            Some(StepProgress::Completed) => status == StepStatus::Completed,
            Some(StepProgress::Failed) => status == StepStatus::Failed,
            Some(StepProgress::Skipped) => status == StepStatus::Skipped,
        };
        if !fits {
            let expected = progress.map_or("waiting", |progress| progress.as_str());
            self.problems.push(format!("its step {step} is {}, and {expected} in its progress", status.as_str()));
        }
        let times = match *state {
            StepState::Completed { started_at, completed_at, duration_ms }
            | StepState::Failed { started_at, completed_at, duration_ms } => {
                duration_problem(started_at, completed_at, duration_ms)
            }
            StepState::Skipped { completed_at: None, .. } => Some("it was skipped, but lacks the time".to_owned()),
            _ => None,
        };
        self.problems.extend(times.map(|problem| format!("of its step {step}: {problem}")));
    }
}

impl RowsComparison for Steps {
    fn add(&mut self, _: &str, row: &Document) -> bool {
        let Some(expected) = &mut self.expected else { return true };
        let step = row.get("step_id").and_then(Json::as_i64).unwrap_or_default();
        let Some(progress) = expected.remove(&step) else { return false };
        // A state that cannot be read is a finding of its document.
        if let Ok(state) = StepState::read_fields(row) {
            self.check(step, progress, &state);
        }
        true
    }

    fn problem(self: Box<Self>) -> Option<String> {
        let Self { expected, is_running, mut problems } = *self;
        // Only steps that have ended expire.
        let may_end = |progress: &Option<StepProgress>| matches!(progress, None | Some(StepProgress::Open));
        let left = expected.into_iter().flatten().filter(|(_, progress)| is_running && may_end(progress));
        let missing: Vec<i64> = left.map(|(step, _)| step).collect();
        if !missing.is_empty() {
            problems.push(format!("it lacks the documents of {}", phrase(&missing)));
        }
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}
