//! Metrics of executions: samples of numbers, such as the use of memory, with the time of each. They are a time series,
//! so recording them takes no part in the commits of executions and steps. Their numbers over spans of time are in
//! `summary.rs`.

mod summary;

use std::collections::BTreeMap;

use runstate_core::operation::Mismatch;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::Page;
use schemars::JsonSchema;

use crate::execution::AppExecution;
pub use summary::{MetricSummary, SummarizeMetrics};

/// How long samples are kept.
const KEPT: Millis = Millis::days(30);

/// How far a clock of a caller may be ahead.
const LONGEST_LEAD: Millis = Millis::days(1);

/// The most samples that are recorded at once.
const MAX_SAMPLES: usize = 500;

/// The most numbers of one sample.
const MAX_METRICS: usize = 100;

/// The most bytes of the name of a number.
const MAX_NAME_BYTES: usize = 100;

/// The name of the query that reads the rows of a list.
const ROWS: &str = "rows";

/// A sample of the metrics of an execution.
// Documents of other programs do not repeat their id.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "apps.execution_metrics", version = 1, detached(time = timestamp, meta = execution_id))]
#[index(execution_id, timestamp)]
#[index(timestamp desc)]
#[ttl(timestamp, days = 30)]
pub struct ExecutionMetrics {
    /// Its id, which begins with its time.
    #[entity(id, default)]
    pub id: String,
    /// The execution.
    #[entity(references = "apps.executions", shard)]
    pub execution_id: String,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// Its numbers by their names.
    pub metrics: MetricValues,
}

/// Numbers by their names, such as `memory_usage_mb`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MetricValues(#[schemars(with = "BTreeMap<String, f64>")] Document);

runstate_core::serialized_field_type!(MetricValues: Object);

impl<N: Into<String>, V: Into<Json>, const SIZE: usize> From<[(N, V); SIZE]> for MetricValues {
    fn from(values: [(N, V); SIZE]) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Parameter for MetricValues {
    fn expected() -> String {
        "an object of numbers".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        match value {
            Json::Object(values) => Ok(Self(values)),
            other => Err(Mismatch::of_type(Self::expected(), other)),
        }
    }
}

impl MetricValues {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn check(&self) -> Result<()> {
        if self.0.is_empty() || self.0.len() > MAX_METRICS {
            return Err(Rejection::invalid(
                "metrics",
                format!("has {} numbers; 1 to {MAX_METRICS} are allowed", self.0.len()),
            ));
        }
        self.names().try_for_each(check_name)?;
        match self.0.iter().find(|(_, value)| !value.as_f64().is_some_and(f64::is_finite)) {
            Some((name, _)) => Err(Rejection::invalid("metrics", format!("`{name}` is not a finite number"))),
            None => Ok(()),
        }
    }
}

/// Checks the name of a number. It is a step of a path in queries of every store.
fn check_name(name: &str) -> Result<()> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:/%".contains(&byte);
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins_well && name.len() <= MAX_NAME_BYTES && name.bytes().all(is_inner) {
        return Ok(());
    }
    let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
    let reason = format!(
        "`{shown}` is not a valid name: use a letter or `_`, then letters, digits and `_-:/%`, at most {MAX_NAME_BYTES} in all"
    );
    Err(Rejection::invalid("metrics", reason))
}

/// One sample.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[schemars(deny_unknown_fields)]
pub struct MetricSample {
    /// When it was measured; by default when the command arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// Its numbers by their names, at most 100.
    pub metrics: MetricValues,
}

/// Records samples of the metrics of an execution: one, several, or both. They are kept for 30 days.
///
/// A repeat of the command under the same id records nothing more. If the process dies while it records, a repeat
/// completes it; give the times of the samples, so that the repeat has the same ones.
///
/// Errors: `not_found`, `invalid` (a name, a number or a time), `limit` (more than 500 samples).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "apps.metrics.record")]
pub struct RecordMetrics {
    /// The execution.
    #[operation(subject)]
    pub execution_id: String,
    /// The numbers of one sample by their names, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricValues>,
    /// When that sample was measured; by default when the command arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// Further samples.
    #[operation(default = Vec::new())]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<MetricSample>,
}

/// The samples of a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct RecordedMetrics {
    /// Their number.
    pub samples: u64,
}

impl RecordMetrics {
    /// Records one sample.
    pub fn new(execution_id: impl Into<String>, metrics: impl Into<MetricValues>) -> Self {
        Self { execution_id: execution_id.into(), metrics: Some(metrics.into()), timestamp: None, samples: Vec::new() }
    }

    /// All samples, with their times.
    fn all(&self) -> impl Iterator<Item = (Option<Timestamp>, &MetricValues)> {
        let one = self.metrics.iter().map(|metrics| (self.timestamp, metrics));
        one.chain(self.samples.iter().map(|sample| (sample.timestamp, &sample.metrics)))
    }
}

impl Command for RecordMetrics {
    type Output = RecordedMetrics;

    fn check(&self) -> Result<()> {
        let count = self.all().count();
        if count > MAX_SAMPLES {
            let (what, limit) = (format!("{count} samples"), format!("at most {MAX_SAMPLES}"));
            return Err(Rejection::Limit { what, limit, remedy: "record them with several commands" });
        }
        if count == 0 || self.timestamp.is_some() && self.metrics.is_none() {
            return Err(Rejection::invalid("metrics", "is missing, and so are the numbers of the sample"));
        }
        self.all().try_for_each(|(_, metrics)| metrics.check())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RecordedMetrics>> {
        // An execution is deleted only when it has expired, long after its metrics. So it need not be checked.
        view.entity::<AppExecution>(&self.execution_id)?;
        let mut decision = Decision::new(RecordedMetrics { samples: self.all().count() as u64 });
        for (timestamp, metrics) in self.all() {
            let timestamp = timestamp.unwrap_or(ctx.now);
            if timestamp <= ctx.now - KEPT || timestamp > ctx.now + LONGEST_LEAD {
                let reason = "is 30 days old, or more than a day ahead; samples are kept for 30 days. A number is in milliseconds since 1970";
                return Err(Rejection::invalid("timestamp", reason));
            }
            let (id, execution_id) = (ctx.new_id_at(timestamp), self.execution_id.clone());
            let sample = ExecutionMetrics { id, execution_id, timestamp, metrics: metrics.clone() };
            decision = decision.change(Change::append(&sample)?);
        }
        Ok(decision)
    }
}

/// Lists the samples of an execution page by page, in the order of their times.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Operation)]
#[operation(name = "apps.metrics.list", query)]
pub struct ListMetrics {
    /// The execution.
    #[operation(subject)]
    pub execution_id: String,
    /// Only samples at or after this time.
    pub since: Option<Timestamp>,
    /// Only samples before this time.
    pub before: Option<Timestamp>,
    /// Whether the newest sample comes first.
    pub descending: bool,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// The condition for samples within these times.
fn within(since: Option<Timestamp>, before: Option<Timestamp>) -> Filter {
    let field = || "timestamp".to_owned();
    let since = since.map(|since| Filter::Gte(field(), since.as_millis().into()));
    Filter::And(since.into_iter().chain(before.map(|before| Filter::Lt(field(), before.as_millis().into()))).collect())
}

impl DomainQuery for ListMetrics {
    type Output = Page<ExecutionMetrics>;

    fn reads(&self, _: &View) -> ReadSet {
        let query = Query::of(&ExecutionMetrics::COLLECTION).eq("execution_id", &*self.execution_id);
        let direction = if self.descending { Descending } else { Ascending };
        let query = query.filter(within(self.since, self.before)).sort("timestamp", direction);
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<ExecutionMetrics>> {
        Ok(view.page(ROWS))
    }
}
