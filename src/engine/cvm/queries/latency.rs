//! The latency of answers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Cvm;
use super::FieldReader;
use super::calls::{asked_calls, asked_non_timer_calls};
use super::malformed_result;
use crate::domain::cvm::CC_HISTORY;
use crate::engine::Error;
use crate::schema::{Accumulator, Aggregate, Filter, Group};
use crate::time::Millis;
use crate::value::{Document, collect_btree_map};

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

impl Cvm {
    /// The latency of answers, of one program or of all. An early answer has the latency 0. Timers do not count: they are not answered.
    ///
    /// Scans all calls of the program, or of all programs, as the two methods below do. `unsupported` if the store does not aggregate.
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

    async fn latencies(&self, of: Filter, by: Option<&str>) -> Result<BTreeMap<String, Latency>, Error> {
        let mut latencies: BTreeMap<String, Latency> = BTreeMap::new();
        for row in self.engine.store().aggregate(&latency_query(of, by)).await? {
            let group = by.map(|by| group_value(&row, by)).unwrap_or_default();
            latencies.entry(group).or_default().add(&row)?;
        }
        Ok(latencies)
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
        let numbers = FieldReader(row);
        let calls = numbers.count("calls").ok_or_else(|| malformed_result("number of calls"))?;
        let outcome = match row.get("outcome") {
            None | Some(serde_json::Value::Null) => "open".to_owned(),
            Some(_) => group_value(row, "outcome"),
        };
        self.calls += calls;
        if outcome == "answered" {
            self.answered += calls;
            self.avg_ms = numbers.double("avg");
            self.max_ms = numbers.duration("max");
            self.p50_ms = numbers.duration("p50");
            self.p95_ms = numbers.duration("p95");
        }
        *self.outcomes.entry(outcome).or_default() += calls;
        Ok(())
    }
}
