//! Queries of executions and steps. They change nothing, and an empty result is not an error.

mod reports;

use runstate_core::prelude::*;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::Page;

use crate::configuration::check::MAX_STEPS;
use crate::execution::{AppExecution, AppExecutionStatus};
use crate::step::Step;
pub use reports::{AppSuccess, Period, ReportRow, ShowDurations, ShowReport, ShowSuccess, StepDurations};

/// The name of the query that reads the rows of a list.
const ROWS: &str = "rows";

/// Returns the steps of an execution in the order of their numbers, those that undo others last.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Operation)]
#[operation(name = "apps.execution.steps", query)]
pub struct ShowSteps {
    /// The execution.
    #[operation(subject)]
    pub execution_id: String,
}

impl DomainQuery for ShowSteps {
    type Output = Vec<Step>;

    fn reads(&self, _: &View) -> ReadSet {
        let steps = Query::of(&Step::COLLECTION).eq("execution_id", &*self.execution_id).sort("step_id", Ascending);
        // Each step may have one that undoes it.
        ReadSet::entity::<AppExecution>(&self.execution_id).query(ROWS, steps.limit(2 * MAX_STEPS as u32))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<Step>> {
        view.entity::<AppExecution>(&self.execution_id)?;
        let (mut steps, undone): (Vec<Step>, Vec<Step>) =
            view.entities::<Step>(ROWS)?.into_iter().partition(|step| step.step_id > 0);
        steps.extend(undone.into_iter().rev());
        Ok(steps)
    }
}

/// Lists executions that failed in the last hours, page by page, the latest failure first.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Operation)]
#[operation(name = "apps.execution.failed", query)]
pub struct FailedExecutions {
    /// The number of hours; by default 24.
    #[operation(default = 24)]
    pub hours: u32,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

impl DomainQuery for FailedExecutions {
    type Output = Page<AppExecution>;

    fn reads(&self, view: &View) -> ReadSet {
        let since = view.now() - Millis::minutes(60 * i64::from(self.hours));
        let after = |field: &str| Filter::Gte(field.to_owned(), since.as_millis().into());
        // Executions of other programs may lack the time of their end.
        let without_end = Filter::And(vec![Filter::Eq("completed_at".to_owned(), Json::Null), after("started_at")]);
        let query = Query::of(&AppExecution::COLLECTION)
            .eq("status", AppExecutionStatus::Failed.as_str())
            .filter(Filter::Or(vec![after("completed_at"), without_end]))
            .sort("completed_at", Descending);
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<AppExecution>> {
        Ok(view.page(ROWS))
    }
}
