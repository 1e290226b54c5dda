//! Statistics of executions, and the latency of answers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Cvm;
use super::calls::{asked_calls, asked_non_timer_calls};
use super::executions::not_deleted;
use super::{FieldReader, malformed_result};
use crate::domain::cvm::{CC_HISTORY, EXECUTIONS, Status};
use crate::engine::Error;
use crate::schema::{Accumulator, Aggregate, Filter, Group};
use crate::time::Millis;
use crate::value::{Document, collect_btree_map};

/// Statistics of one program or of all. The numbers are read one after another, not in one snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Stats {
    /// The name of the program; `None`: all programs.
    pub program: Option<String>,
    /// Number of executions.
    pub executions: u64,
    /// Number of executions per status; see [`Cvm::statuses`].
    pub statuses: BTreeMap<String, u64>,
    /// Instructions run by an execution.
    pub instructions: MetricStats,
    /// Milliseconds that an execution has run, as recorded by its commits.
    pub execution_time_ms: MetricStats,
    /// Outcomes of calls, and latency of answers.
    pub latency: Latency,
}

/// A metric over executions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MetricStats {
    /// Mean; `None` without executions.
    pub avg: Option<f64>,
    /// Maximum; `None` without executions.
    pub max: Option<i64>,
}

impl Cvm {
    /// Number of executions per status, of one program or of all. All statuses are present, zeros included; a status that a newer version
    /// adds is present under its own name. Executions that are being deleted do not count.
    ///
    /// Scans all executions of the program, or of all programs. `unsupported` if the store does not aggregate.
    pub async fn statuses(&self, program: Option<&str>) -> Result<BTreeMap<String, u64>, Error> {
        let path = "state.status";
        let count = ("n".to_owned(), Accumulator::Count);
        let rows = self.engine.store().aggregate(&execution_aggregate(program, Some(path), vec![count])).await?;
        let mut statuses = collect_btree_map(Status::ALL.iter().map(|name| ((*name).to_owned(), 0)));
        for row in rows {
            let count = FieldReader(&row).count("n").ok_or_else(|| malformed_result("number of executions"))?;
            *statuses.entry(group_value(&row, path)).or_default() += count;
        }
        Ok(statuses)
    }

    /// Statistics of one program; `None`: of all. A program that does not exist has zeros.
    ///
    /// Costs as much as [`Cvm::statuses`] and [`Cvm::latency`], and a second scan of the executions.
    pub async fn stats(&self, program: Option<&str>) -> Result<Stats, Error> {
        let (instructions, time) = ("metrics.instructionsExecuted", "metrics.executionTimeMs");
        let numbers = vec![
            ("n".to_owned(), Accumulator::Count),
            ("avgInstructions".to_owned(), Accumulator::Avg(instructions.to_owned())),
            ("maxInstructions".to_owned(), Accumulator::Max(instructions.to_owned())),
            ("avgTime".to_owned(), Accumulator::Avg(time.to_owned())),
            ("maxTime".to_owned(), Accumulator::Max(time.to_owned())),
        ];
        let rows = self.engine.store().aggregate(&execution_aggregate(program, None, numbers)).await?;
        let row = rows.first().ok_or_else(|| malformed_result("row"))?;
        Ok(Stats {
            program: program.map(str::to_owned),
            executions: FieldReader(row).count("n").ok_or_else(|| malformed_result("number of executions"))?,
            statuses: self.statuses(program).await?,
            instructions: MetricStats::from_row(row, "avgInstructions", "maxInstructions"),
            execution_time_ms: MetricStats::from_row(row, "avgTime", "maxTime"),
            latency: self.latency(program).await?,
        })
    }

    /// The latency of answers, of one program or of all. An early answer has the latency 0. Timers do not count: they are not answered.
    ///
    /// Scans all calls of the program, or of all programs, as the other latency queries do. `unsupported` if the store does not aggregate.
    pub async fn latency(&self, program: Option<&str>) -> Result<Latency, Error> {
        let mut all = self.latencies(asked_non_timer_calls(program), None).await?;
        Ok(all.remove("").unwrap_or_default())
    }

    /// The latency of answers, by program. Programs without calls are missing.
    pub async fn latency_by_program(&self) -> Result<BTreeMap<String, Latency>, Error> {
        self.latencies(asked_non_timer_calls(None), Some("programName")).await
    }

    /// The latency of answers, by the kind of the call, of one program or of all. Timers are a kind here; they are not answered, and those
    /// that are over have the outcome `defaulted`.
    pub async fn latency_by_kind(&self, program: Option<&str>) -> Result<BTreeMap<String, Latency>, Error> {
        self.latencies(asked_calls(program), Some("kind")).await
    }

    async fn latencies(&self, filter: Filter, by: Option<&str>) -> Result<BTreeMap<String, Latency>, Error> {
        let mut latencies: BTreeMap<String, Latency> = BTreeMap::new();
        for row in self.engine.store().aggregate(&latency_query(filter, by)).await? {
            let group = by.map(|by| group_value(&row, by)).unwrap_or_default();
            latencies.entry(group).or_default().add(&row)?;
        }
        Ok(latencies)
    }
}

fn execution_aggregate(program: Option<&str>, by: Option<&str>, accumulators: Vec<(String, Accumulator)>) -> Aggregate {
    let mut filter = vec![not_deleted()];
    filter.extend(program.map(|program| Filter::Eq("programName".to_owned(), program.into())));
    Aggregate {
        collection: EXECUTIONS.name.to_owned(),
        filter: Filter::And(filter),
        group_by: by.map(|path| Group::Field(path.to_owned())).into_iter().collect(),
        accumulators,
    }
}

impl MetricStats {
    fn from_row(row: &Document, avg: &str, max: &str) -> Self {
        Self { avg: FieldReader(row).double(avg), max: FieldReader(row).integer(max) }
    }
}

/// Outcomes of calls; `open`: none yet.
const OUTCOMES: [&str; 6] = ["answered", "defaulted", "timed_out", "failed", "cancelled", "open"];

/// The outcomes of calls, and the latency of answers in milliseconds. Percentiles are values that occurred (nearest rank).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Latency {
    /// Calls made, open ones included.
    pub calls: u64,
    /// Calls that were answered; the latencies are theirs.
    pub answered: u64,
    /// Mean; `None` without answers, as the others.
    pub avg_ms: Option<f64>,
    /// Maximum.
    pub max_ms: Option<Millis>,
    /// The median: half of the answers took no longer.
    pub p50_ms: Option<Millis>,
    /// Of 20 answers 19 took no longer.
    pub p95_ms: Option<Millis>,
    /// Number of calls per outcome: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled`, and `open` for those without. All of these
    /// are present; an outcome that a newer version adds is present under its own name.
    pub outcomes: BTreeMap<String, u64>,
}

impl Default for Latency {
    fn default() -> Self {
        let outcomes = collect_btree_map(OUTCOMES.iter().map(|outcome| ((*outcome).to_owned(), 0)));
        Self { calls: 0, answered: 0, avg_ms: None, max_ms: None, p50_ms: None, p95_ms: None, outcomes }
    }
}

/// Groups by outcome, so that one query returns the latencies of answers alone, and the numbers of the other outcomes.
fn latency_query(filter: Filter, by: Option<&str>) -> Aggregate {
    let path = || "response.latencyMs".to_owned();
    Aggregate {
        collection: CC_HISTORY.name.to_owned(),
        filter,
        group_by: by.into_iter().chain(["outcome"]).map(|path| Group::Field(path.to_owned())).collect(),
        accumulators: vec![
            ("calls".to_owned(), Accumulator::Count),
            ("avg".to_owned(), Accumulator::Avg(path())),
            ("max".to_owned(), Accumulator::Max(path())),
            ("p50".to_owned(), Accumulator::Percentile(path(), 50.0)),
            ("p95".to_owned(), Accumulator::Percentile(path(), 95.0)),
        ],
    }
}

/// The group that a row belongs to. The row has the value under the whole path as one name.
pub(super) fn group_value(row: &Document, path: &str) -> String {
    row.get(path).and_then(|value| value.as_str()).unwrap_or("unknown").to_owned()
}

impl Latency {
    /// Adds the calls of one outcome.
    fn add(&mut self, row: &Document) -> Result<(), Error> {
        let fields = FieldReader(row);
        let calls = fields.count("calls").ok_or_else(|| malformed_result("number of calls"))?;
        let outcome = match row.get("outcome") {
            None | Some(serde_json::Value::Null) => "open".to_owned(),
            Some(_) => group_value(row, "outcome"),
        };
        self.calls += calls;
        if outcome == "answered" {
            self.answered += calls;
            self.avg_ms = fields.double("avg");
            self.max_ms = fields.duration("max");
            self.p50_ms = fields.duration("p50");
            self.p95_ms = fields.duration("p95");
        }
        *self.outcomes.entry(outcome).or_default() += calls;
        Ok(())
    }
}
