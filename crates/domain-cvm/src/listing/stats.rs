//! Statistics of executions, and the latency of answers.

use std::collections::BTreeMap;

use runstate_core::error_code::ErrorCode;
use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate};
use runstate_value::collect_btree_map;

use super::calls::{asked_calls, asked_non_timer_calls};
use super::executions::{STATUS, count_by_status, not_deleted};
use crate::call::CC_HISTORY;
use crate::execution::{EXECUTIONS, Status};

/// Returns the number of executions per status, of one program or of all.
///
/// All statuses are present, zeros included; a status that a newer version adds is present under its own name.
/// Executions that are being deleted do not count. Scans all executions of the program, or of all programs.
///
/// Errors: `unsupported` (the store does not aggregate).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.statuses", query)]
pub struct CountStatuses {
    /// The name of the program; by default all programs.
    pub program: Option<String>,
}

/// Returns statistics of one program, or of all. A program that does not exist has zeros.
///
/// Scans all executions twice and all calls, of the program or of all programs.
///
/// Errors: `unsupported` (the store does not aggregate).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.stats", cli = "stats", query)]
pub struct ShowStats {
    /// The name of the program; by default all programs.
    pub program: Option<String>,
}

/// Returns the latency of answers, of one program or of all.
///
/// An early answer has the latency 0. Timers do not count: they are not answered. Scans all calls of the program, or of
/// all programs.
///
/// Errors: `unsupported` (the store does not aggregate).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.latency", query)]
pub struct ShowLatency {
    /// The name of the program; by default all programs.
    pub program: Option<String>,
}

/// Returns the latency of answers by program. Programs without calls are missing.
///
/// Timers do not count. Scans all calls.
///
/// Errors: `unsupported` (the store does not aggregate).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.latencyByProgram", query)]
pub struct LatencyByProgram;

/// Returns the latency of answers by the kind of the call, of one program or of all.
///
/// Timers are a kind here; they are not answered, and those that are over have the outcome `defaulted`. Scans all calls
/// of the program, or of all programs.
///
/// Errors: `unsupported` (the store does not aggregate).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.latencyByKind", query)]
pub struct LatencyByKind {
    /// The name of the program; by default all programs.
    pub program: Option<String>,
}

/// Statistics of one program or of all. The numbers are read one after another, not in one snapshot.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct Stats {
    /// The name of the program; `None`: all programs.
    pub program: Option<String>,
    /// Number of executions.
    pub executions: u64,
    /// Number of executions per status; see [`CountStatuses`].
    pub statuses: BTreeMap<String, u64>,
    /// Instructions run by an execution.
    pub instructions: MetricStats,
    /// Milliseconds that an execution has run, as recorded by its commits.
    pub execution_time_ms: MetricStats,
    /// Outcomes of calls, and latency of answers.
    pub latency: Latency,
}

/// A metric over executions.
#[derive(Wire, Clone, Debug, Default, PartialEq)]
pub struct MetricStats {
    /// Mean; `None` without executions.
    pub avg: Option<f64>,
    /// Maximum; `None` without executions.
    pub max: Option<i64>,
}

/// Names of the aggregates.
const STATUSES: &str = "statuses";
const NUMBERS: &str = "numbers";
const LATENCY: &str = "latency";

impl DomainQuery for CountStatuses {
    type Output = BTreeMap<String, u64>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().aggregate(STATUSES, count_by_status(existing_executions(self.program.as_deref())))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<BTreeMap<String, u64>> {
        statuses(view)
    }
}

fn statuses(view: &View) -> Result<BTreeMap<String, u64>> {
    let mut statuses = collect_btree_map(Status::ALL.iter().map(|name| ((*name).to_owned(), 0)));
    for row in view.groups(STATUSES).unwrap_or_default() {
        let count = count(row, "n").ok_or_else(|| malformed_result("number of executions"))?;
        *statuses.entry(group_value(row, STATUS)).or_default() += count;
    }
    Ok(statuses)
}

impl DomainQuery for ShowStats {
    type Output = Stats;

    fn reads(&self, _: &View) -> ReadSet {
        let program = self.program.as_deref();
        let (instructions, time) = ("metrics.instructionsExecuted", "metrics.executionTimeMs");
        let numbers = [
            ("n", Accumulator::Count),
            ("avgInstructions", Accumulator::Avg(instructions.to_owned())),
            ("maxInstructions", Accumulator::Max(instructions.to_owned())),
            ("avgTime", Accumulator::Avg(time.to_owned())),
            ("maxTime", Accumulator::Max(time.to_owned())),
        ];
        ReadSet::empty()
            .aggregate(NUMBERS, Aggregate::of(&EXECUTIONS, existing_executions(program), numbers))
            .aggregate(STATUSES, count_by_status(existing_executions(program)))
            .aggregate(LATENCY, latency_query(asked_non_timer_calls(program), None))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Stats> {
        let row = view.groups(NUMBERS).and_then(<[_]>::first).ok_or_else(|| malformed_result("row"))?;
        Ok(Stats {
            program: self.program.clone(),
            executions: count(row, "n").ok_or_else(|| malformed_result("number of executions"))?,
            statuses: statuses(view)?,
            instructions: MetricStats::from_row(row, "avgInstructions", "maxInstructions"),
            execution_time_ms: MetricStats::from_row(row, "avgTime", "maxTime"),
            latency: latency(view)?,
        })
    }
}

impl DomainQuery for ShowLatency {
    type Output = Latency;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().aggregate(LATENCY, latency_query(asked_non_timer_calls(self.program.as_deref()), None))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Latency> {
        latency(view)
    }
}

impl DomainQuery for LatencyByProgram {
    type Output = BTreeMap<String, Latency>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().aggregate(LATENCY, latency_query(asked_non_timer_calls(None), Some("programName")))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<BTreeMap<String, Latency>> {
        latencies(view, Some("programName"))
    }
}

impl DomainQuery for LatencyByKind {
    type Output = BTreeMap<String, Latency>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().aggregate(LATENCY, latency_query(asked_calls(self.program.as_deref()), Some("kind")))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<BTreeMap<String, Latency>> {
        latencies(view, Some("kind"))
    }
}

fn latency(view: &View) -> Result<Latency> {
    Ok(latencies(view, None)?.remove("").unwrap_or_default())
}

fn latencies(view: &View, by: Option<&str>) -> Result<BTreeMap<String, Latency>> {
    let mut latencies: BTreeMap<String, Latency> = BTreeMap::new();
    for row in view.groups(LATENCY).unwrap_or_default() {
        let group = by.map(|by| group_value(row, by)).unwrap_or_default();
        latencies.entry(group).or_default().add(row)?;
    }
    Ok(latencies)
}

/// Matches executions, of one program or of all, that are not being deleted.
fn existing_executions(program: Option<&str>) -> Filter {
    let mut filter = vec![not_deleted()];
    filter.extend(program.map(|program| Filter::Eq("programName".to_owned(), program.into())));
    Filter::And(filter)
}

impl MetricStats {
    fn from_row(row: &Document, avg: &str, max: &str) -> Self {
        Self { avg: double(row, avg), max: integer(row, max) }
    }
}

/// Outcomes of calls; `open`: none yet.
const OUTCOMES: [&str; 6] = ["answered", "defaulted", "timed_out", "failed", "cancelled", "open"];

/// The outcomes of calls, and the latency of answers in milliseconds. Percentiles are values that occurred (nearest
/// rank).
#[derive(Wire, Clone, Debug, PartialEq)]
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
    /// Number of calls per outcome: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled`, and `open` for those
    /// without. All of these are present; an outcome that a newer version adds is present under its own name.
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
    let numbers = [
        ("calls", Accumulator::Count),
        ("avg", Accumulator::Avg(path())),
        ("max", Accumulator::Max(path())),
        ("p50", Accumulator::Percentile(path(), 50.0)),
        ("p95", Accumulator::Percentile(path(), 95.0)),
    ];
    Aggregate::of(&CC_HISTORY, filter, numbers).by(by.into_iter().chain(["outcome"]))
}

/// The rejection of a result that a store must not return.
pub(super) fn malformed_result(what: &str) -> Rejection {
    Rejection::domain(ErrorCode::INTERNAL, format!("the result of the store has no {what}"))
}

pub(super) fn count(row: &Document, name: &str) -> Option<u64> {
    row.get(name)?.as_u64()
}

fn double(row: &Document, name: &str) -> Option<f64> {
    row.get(name)?.as_f64()
}

/// An integer in a row. A double is rounded to the nearest one, because stores may return doubles.
fn integer(row: &Document, name: &str) -> Option<i64> {
    let number = row.get(name)?;
    // The cast saturates.
    number.as_i64().or_else(|| number.as_f64().map(|double| double.round() as i64))
}

/// The group that a row belongs to. The row has the value under the whole path as one name.
fn group_value(row: &Document, path: &str) -> String {
    row.get(path).and_then(|value| value.as_str()).unwrap_or("unknown").to_owned()
}

impl Latency {
    /// Adds the calls of one outcome.
    fn add(&mut self, row: &Document) -> Result<()> {
        let calls = count(row, "calls").ok_or_else(|| malformed_result("number of calls"))?;
        let outcome = match row.get("outcome") {
            None | Some(Json::Null) => "open".to_owned(),
            Some(_) => group_value(row, "outcome"),
        };
        self.calls += calls;
        if outcome == "answered" {
            self.answered += calls;
            self.avg_ms = double(row, "avg");
            self.max_ms = integer(row, "max").map(Millis);
            self.p50_ms = integer(row, "p50").map(Millis);
            self.p95_ms = integer(row, "p95").map(Millis);
        }
        *self.outcomes.entry(outcome).or_default() += calls;
        Ok(())
    }
}
