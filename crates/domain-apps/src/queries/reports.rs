//! Numbers over executions and steps: success rates, durations, and reports by day, week and month.

use std::collections::BTreeMap;

use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate, Group};

use crate::execution::{AppExecution, AppExecutionStatus};
use crate::step::Step;

const NUMBERS: &str = "numbers";

fn aggregate(
    collection: &Collection,
    filter: Filter,
    group_by: Vec<Group>,
    accumulators: &[(&str, Accumulator)],
) -> ReadSet {
    let accumulators = accumulators.iter().map(|(name, accumulator)| ((*name).to_owned(), accumulator.clone()));
    let collection = collection.name.to_owned();
    ReadSet::empty()
        .aggregate(NUMBERS, Aggregate { collection, filter, group_by, accumulators: accumulators.collect() })
}

fn count_of(status: AppExecutionStatus) -> Accumulator {
    Accumulator::CountIf(Filter::Eq("status".to_owned(), status.as_str().into()))
}

fn number(row: &Document, name: &str) -> u64 {
    row.get(name).and_then(Json::as_u64).unwrap_or_default()
}

fn text(row: &Document, name: &str) -> String {
    row.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn since(days: Option<u32>, view: &View) -> Filter {
    days.map_or(Filter::All, |days| {
        let since = view.now() - Millis::days(i64::from(days));
        Filter::Gte("started_at".to_owned(), since.as_millis().into())
    })
}

/// Returns how many executions of each app were completed.
///
/// Scans them. Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, Default, Operation)]
#[operation(name = "apps.report.success", query)]
pub struct ShowSuccess {
    /// Only executions that were started in this number of days; by default all.
    pub days: Option<u32>,
}

/// How many executions of an app were completed.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct AppSuccess {
    /// The name of the app.
    pub app_name: String,
    /// Number of its executions.
    pub total: u64,
    /// Number of those that are completed.
    pub successful: u64,
    /// Their part of all, from 0 to 1.
    pub success_rate: f64,
}

impl DomainQuery for ShowSuccess {
    type Output = Vec<AppSuccess>;

    fn reads(&self, view: &View) -> ReadSet {
        let numbers = [("total", Accumulator::Count), ("successful", count_of(AppExecutionStatus::Completed))];
        let by_app = vec![Group::Field("app_name".to_owned())];
        aggregate(&AppExecution::COLLECTION, since(self.days, view), by_app, &numbers)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<AppSuccess>> {
        let rows = view.groups(NUMBERS).unwrap_or_default().iter().map(|row| {
            let (total, successful) = (number(row, "total"), number(row, "successful"));
            AppSuccess {
                app_name: text(row, "app_name"),
                total,
                successful,
                success_rate: successful as f64 / total as f64,
            }
        });
        Ok(rows.collect())
    }
}

/// Returns the durations of the completed steps of each app, name and day: the median and the 95th percentile.
///
/// Scans them. Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, Operation)]
#[operation(name = "apps.report.durations", query)]
pub struct ShowDurations {
    /// Only steps that were started in this number of days; by default 30.
    #[operation(default = 30)]
    pub days: u32,
    /// Only steps of this name.
    pub step_name: Option<String>,
    /// Only steps of the app with this number.
    pub app_id: Option<i64>,
}

/// The durations of the steps of one app and name on one day.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct StepDurations {
    /// The number of the app; null: an earlier version or another program has stored the steps.
    pub app_id: Option<i64>,
    /// The name of the steps.
    pub step_name: String,
    /// The beginning of the day, UTC.
    pub day: Timestamp,
    /// Number of the steps.
    pub count: u64,
    /// The median of their durations, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 95th percentile of their durations, in milliseconds.
    pub p95_ms: Option<f64>,
}

impl DomainQuery for ShowDurations {
    type Output = Vec<StepDurations>;

    fn reads(&self, view: &View) -> ReadSet {
        let mut conditions = vec![since(Some(self.days), view), Filter::Eq("status".to_owned(), "completed".into())];
        conditions.extend(self.step_name.as_deref().map(|name| Filter::Eq("step_name".to_owned(), name.into())));
        conditions.extend(self.app_id.map(|app_id| Filter::Eq("app_id".to_owned(), app_id.into())));
        let percentile = |percent| Accumulator::Percentile("duration_ms".to_owned(), percent);
        let numbers = [("count", Accumulator::Count), ("p50", percentile(50.0)), ("p95", percentile(95.0))];
        let day = Group::Bucket("started_at".to_owned(), Millis::days(1));
        let groups = vec![Group::Field("app_id".to_owned()), Group::Field("step_name".to_owned()), day];
        aggregate(&Step::COLLECTION, Filter::And(conditions), groups, &numbers)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<StepDurations>> {
        let rows = view.groups(NUMBERS).unwrap_or_default().iter().map(|row| StepDurations {
            app_id: row.get("app_id").and_then(Json::as_i64),
            step_name: text(row, "step_name"),
            day: Timestamp::from_millis(row.get("started_at").and_then(Json::as_i64).unwrap_or_default()),
            count: number(row, "count"),
            p50_ms: row.get("p50").and_then(Json::as_f64),
            p95_ms: row.get("p95").and_then(Json::as_f64),
        });
        Ok(rows.collect())
    }
}

/// Returns the number of executions of each app and user, by day, week or month. With `userId` it is the activity of
/// one user.
///
/// Scans them. Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, Operation)]
#[operation(name = "apps.report.executions", query)]
pub struct ShowReport {
    /// The time that one row covers; by default a day.
    #[operation(default = Period::Day)]
    pub period: Period,
    /// Only executions that were started in this number of days; by default 30.
    #[operation(default = 30)]
    pub days: u32,
    /// Only executions of this user.
    pub user_id: Option<String>,
}

/// The time that one row of a report covers.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, Parameter)]
pub enum Period {
    /// A day, UTC.
    Day,
    /// A week from Monday on, UTC.
    Week,
    /// A month, UTC.
    Month,
}

/// The executions of one app for one user in one period.
#[derive(Wire, Clone, Debug, Default, PartialEq)]
pub struct ReportRow {
    /// The beginning of the period, UTC.
    pub from: Timestamp,
    /// The name of the app.
    pub app_name: String,
    /// The user.
    pub user_id: String,
    /// Number of executions.
    pub total: u64,
    /// Number of those that are completed.
    pub completed: u64,
    /// Number of those that have failed.
    pub failed: u64,
    /// Number of those that were cancelled.
    pub cancelled: u64,
    /// Their durations together, in milliseconds.
    pub duration_ms: u64,
}

impl Period {
    /// The beginning of the period of this day.
    fn start(self, day: Timestamp) -> Timestamp {
        match self {
            Self::Day => day,
            // 1970-01-01 was a Thursday.
            Self::Week => {
                let days = day.as_millis().div_euclid(Millis::days(1).0);
                day - Millis::days((days + 3).rem_euclid(7))
            }
            Self::Month => day - Millis::days(i64::from(day.day_of_month()) - 1),
        }
    }
}

impl DomainQuery for ShowReport {
    type Output = Vec<ReportRow>;

    fn reads(&self, view: &View) -> ReadSet {
        let mut conditions = vec![since(Some(self.days), view)];
        conditions.extend(self.user_id.as_deref().map(|user| Filter::Eq("user_id".to_owned(), user.into())));
        let numbers = [
            ("total", Accumulator::Count),
            ("completed", count_of(AppExecutionStatus::Completed)),
            ("failed", count_of(AppExecutionStatus::Failed)),
            ("cancelled", count_of(AppExecutionStatus::Cancelled)),
            ("duration", Accumulator::Sum("duration_ms".to_owned())),
        ];
        let field = |name: &str| Group::Field(name.to_owned());
        let day = Group::Bucket("started_at".to_owned(), Millis::days(1));
        let groups = vec![day, field("app_name"), field("user_id")];
        aggregate(&AppExecution::COLLECTION, Filter::And(conditions), groups, &numbers)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<ReportRow>> {
        let mut rows: BTreeMap<(Timestamp, String, String), ReportRow> = BTreeMap::new();
        for row in view.groups(NUMBERS).unwrap_or_default() {
            let day = Timestamp::from_millis(row.get("started_at").and_then(Json::as_i64).unwrap_or_default());
            let (from, app_name, user_id) = (self.period.start(day), text(row, "app_name"), text(row, "user_id"));
            let sum = rows.entry((from, app_name.clone(), user_id.clone())).or_default();
            *sum = ReportRow {
                from,
                app_name,
                user_id,
                total: sum.total + number(row, "total"),
                completed: sum.completed + number(row, "completed"),
                failed: sum.failed + number(row, "failed"),
                cancelled: sum.cancelled + number(row, "cancelled"),
                duration_ms: sum.duration_ms + number(row, "duration"),
            };
        }
        Ok(rows.into_values().collect())
    }
}
