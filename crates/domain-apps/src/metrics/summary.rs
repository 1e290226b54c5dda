//! The metrics of an execution or an app over spans of time.

use runstate_core::prelude::*;
use runstate_core::schema::Direction::Descending;
use runstate_core::schema::{Accumulator, Aggregate, Group};
use runstate_value::sort_by;

use super::{ExecutionMetrics, ROWS, check_name, within};
use crate::execution::AppExecution;

/// The most rows for one metric.
const MAX_SPANS: i64 = 1_000;

/// The most metrics.
const MAX_NAMES: usize = 20;

/// The executions of an app that are summarized.
const MAX_EXECUTIONS: u32 = 100;

/// The newest samples in which names are found.
const NAMED_SAMPLES: u32 = 100;

const EXECUTIONS: &str = "executions";
const NUMBERS: &str = "numbers";

/// Returns the least, mean and greatest value and the 95th percentile of each metric, over spans of time: of one
/// execution, or of the newest 100 executions of an app.
///
/// Scans their samples in that time. Errors: `invalid` (not one of `executionId` and `appId`, a name, a span), `limit`
/// (more than 20 names or 1,000 spans), `unsupported` (the store does not count).
#[derive(Clone, Debug, Operation)]
#[operation(name = "apps.metrics.summary", query)]
pub struct SummarizeMetrics {
    /// The execution.
    pub execution_id: Option<String>,
    /// The number of the app.
    pub app_id: Option<i64>,
    /// The number of the part of the app; by default all parts.
    pub sub_app_id: Option<i64>,
    /// The names of the metrics, at most 20; by default the first 20, in alphabetical order, of the newest 100 samples.
    #[operation(default = Vec::new())]
    pub names: Vec<String>,
    /// Only samples of this number of hours until now; by default 24.
    #[operation(default = 24)]
    pub hours: u32,
    /// The length of a span in seconds; by default an hour.
    #[operation(default = 3_600)]
    pub span_seconds: u32,
}

/// A metric in one span of time.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct MetricSummary {
    /// The name of the metric.
    pub name: String,
    /// The beginning of the span: a multiple of its length since 1970, UTC.
    pub timestamp: Timestamp,
    /// The least value.
    pub min: f64,
    /// The mean.
    pub avg: f64,
    /// The greatest value.
    pub max: f64,
    /// The 95th percentile: the least value that 95 percent of the values do not exceed.
    pub p95: f64,
}

impl SummarizeMetrics {
    /// The summary of one execution.
    pub fn of_execution(execution_id: impl Into<String>) -> Self {
        let (app_id, sub_app_id, names) = (None, None, Vec::new());
        Self { execution_id: Some(execution_id.into()), app_id, sub_app_id, names, hours: 24, span_seconds: 3_600 }
    }

    fn span(&self) -> Millis {
        Millis::seconds(self.span_seconds.into())
    }

    /// The condition for its samples. `None`: the executions of the app are not known yet.
    fn samples(&self, view: &View) -> Option<Filter> {
        let of = match &self.execution_id {
            Some(id) => Filter::Eq("execution_id".to_owned(), id.as_str().into()),
            None => {
                let ids = view.rows(EXECUTIONS)?.iter().map(|(key, _)| Json::from(&*key.id)).collect();
                Filter::In("execution_id".to_owned(), ids)
            }
        };
        let since = view.now() - Millis::minutes(60 * i64::from(self.hours));
        Some(Filter::And(vec![of, within(Some(since), None)]))
    }

    /// The names of its metrics. `None`: they are not known yet.
    fn names(&self, view: &View) -> Option<Vec<String>> {
        if !self.names.is_empty() {
            return Some(self.names.clone());
        }
        let rows = view.rows(ROWS)?.iter();
        let members = |row: &Document| row.get("metrics").and_then(Json::as_object).cloned().unwrap_or_default();
        let mut names: Vec<String> = rows.flat_map(|(_, row)| members(&row.document)).map(|(name, _)| name).collect();
        // Another program may have stored other names.
        names.retain(|name| check_name(name).is_ok());
        sort_by(&mut names, Ord::cmp);
        names.dedup();
        names.truncate(MAX_NAMES);
        Some(names)
    }

    fn executions(&self) -> Query {
        let query = Query::of(&AppExecution::COLLECTION).eq("app_id", self.app_id);
        let query = self.sub_app_id.into_iter().fold(query, |query, part| query.eq("sub_app_id", part));
        let projection = vec!["execution_id".to_owned()];
        Query { projection, ..query.sort("started_at", Descending).limit(MAX_EXECUTIONS) }
    }
}

type FieldAccumulator = fn(String) -> Accumulator;

/// The numbers of a metric: the beginning of a column's name, and the accumulator.
const COLUMNS: [(&str, FieldAccumulator); 4] = [
    ("min", Accumulator::Min),
    ("avg", Accumulator::Avg),
    ("max", Accumulator::Max),
    ("p95", |field| Accumulator::Percentile(field, 95.0)),
];

impl DomainQuery for SummarizeMetrics {
    type Output = Vec<MetricSummary>;

    fn check(&self) -> Result<()> {
        if self.execution_id.is_some() == self.app_id.is_some() {
            return Err(Rejection::invalid("executionId", "or `appId` must be given, and not both"));
        }
        if self.sub_app_id.is_some() && self.app_id.is_none() {
            return Err(Rejection::invalid("subAppId", "is a part of an app, so it needs `appId`"));
        }
        if self.span_seconds == 0 {
            return Err(Rejection::invalid("spanSeconds", "must be 1 or more"));
        }
        let limit = |what: String, limit, remedy| Err(Rejection::Limit { what, limit, remedy });
        let spans = i64::from(self.hours) * 3_600 / i64::from(self.span_seconds);
        if spans > MAX_SPANS {
            return limit(format!("{spans} spans"), format!("at most {MAX_SPANS}"), "use longer spans or fewer hours");
        }
        if self.names.len() > MAX_NAMES {
            let what = format!("{} names", self.names.len());
            return limit(what, format!("at most {MAX_NAMES}"), "call it for some of them at a time");
        }
        self.names.iter().try_for_each(|name| check_name(name))
    }

    fn reads(&self, view: &View) -> ReadSet {
        let mut reads = ReadSet::empty();
        if self.execution_id.is_none() {
            reads = reads.query(EXECUTIONS, self.executions());
        }
        let Some(filter) = self.samples(view) else { return reads };
        let collection = &ExecutionMetrics::COLLECTION;
        if self.names.is_empty() {
            let newest = Query::of(collection).filter(filter.clone()).sort("timestamp", Descending);
            reads = reads.query(ROWS, newest.limit(NAMED_SAMPLES));
        }
        let Some(names) = self.names(view) else { return reads };
        let columns = names.iter().flat_map(|name| {
            COLUMNS.map(|(column, accumulator)| (format!("{column} {name}"), accumulator(format!("metrics.{name}"))))
        });
        let mut numbers = Aggregate::of(collection, filter, columns);
        numbers.group_by.push(Group::Bucket("timestamp".to_owned(), self.span()));
        reads.aggregate(NUMBERS, numbers)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<MetricSummary>> {
        let rows = view.groups(NUMBERS).unwrap_or_default();
        let summary = |name: &str, row: &Document| {
            let number = |column: &str| row.get(&format!("{column} {name}")).and_then(Json::as_f64);
            Some(MetricSummary {
                name: name.to_owned(),
                timestamp: Timestamp::from_millis(row.get("timestamp").and_then(Json::as_i64)?),
                min: number("min")?,
                avg: number("avg")?,
                max: number("max")?,
                p95: number("p95")?,
            })
        };
        let names = self.names(view).unwrap_or_default();
        Ok(names.iter().flat_map(|name| rows.iter().filter_map(|row| summary(name, row))).collect())
    }
}
