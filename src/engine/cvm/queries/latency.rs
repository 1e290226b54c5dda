//! How long answers take.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Cvm;
use super::calls::{asked, asked_of_somebody};
use super::fields::Fields;
use super::odd_answer;
use crate::domain::cvm::CC_HISTORY;
use crate::engine::Error;
use crate::schema::{Accumulator, Aggregate, Filter, Group};
use crate::time::Millis;
use crate::value::{Document, tree};

/// How calls end; `open`: they have not.
const OUTCOMES: [&str; 6] = ["answered", "defaulted", "timed_out", "failed", "cancelled", "open"];

/// What became of calls, and how long the answers took. Milliseconds; percentiles are values that occurred (nearest rank).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Latency {
    /// Calls asked, open ones included.
    pub calls: u64,
    /// Those that were answered: what the numbers below are of.
    pub answered: u64,
    /// Mean; none without answers, as the others.
    pub avg_ms: Option<f64>,
    /// The slowest.
    pub max_ms: Option<Millis>,
    /// The median: half of the answers took no longer.
    pub p50_ms: Option<Millis>,
    /// Of 20 answers 19 took no longer.
    pub p95_ms: Option<Millis>,
    /// How many ended how: `answered`, `defaulted`, `timed_out`, `failed`, `cancelled` and, not ended, `open`. All of them are there; what
    /// a newer program may add is there under its own name.
    pub outcomes: BTreeMap<String, u64>,
}

impl Default for Latency {
    fn default() -> Self {
        let outcomes = tree(OUTCOMES.iter().map(|outcome| ((*outcome).to_owned(), 0)));
        Self { calls: 0, answered: 0, avg_ms: None, max_ms: None, p50_ms: None, p95_ms: None, outcomes }
    }
}

impl Cvm {
    /// How long answers take, of a program or of all. An answer that came before its question took no time. Timers do not count: nobody
    /// is asked.
    ///
    /// Looks at all calls of the program, or of all, as the two below do. `unsupported` where the store does not aggregate.
    pub async fn latency(&self, program: Option<&str>) -> Result<Latency, Error> {
        let mut all = self.latencies(asked_of_somebody(program), None).await?;
        Ok(all.remove("").unwrap_or_default())
    }

    /// How long answers take, by program. Programs that asked nothing are not there.
    pub async fn latency_by_program(&self) -> Result<BTreeMap<String, Latency>, Error> {
        self.latencies(asked_of_somebody(None), Some("programName")).await
    }

    /// How long answers take, by the kind of the call, of a program or of all. Timers are a kind here, which nobody
    /// answers: those that are over are `defaulted`.
    pub async fn latency_by_kind(&self, program: Option<&str>) -> Result<BTreeMap<String, Latency>, Error> {
        self.latencies(asked(program), Some("kind")).await
    }

    async fn latencies(&self, of: Filter, by: Option<&str>) -> Result<BTreeMap<String, Latency>, Error> {
        let mut latencies: BTreeMap<String, Latency> = BTreeMap::new();
        for row in self.engine.store().aggregate(&question(of, by)).await? {
            let group = by.map(|by| group(&row, by)).unwrap_or_default();
            latencies.entry(group).or_default().add(&row)?;
        }
        Ok(latencies)
    }
}

/// By outcome: the numbers of answers are of answers alone, and what became of the others is told by the same look.
fn question(filter: Filter, by: Option<&str>) -> Aggregate {
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

/// The group a row is of. Group values stand under their whole path as one name.
pub(super) fn group(row: &Document, path: &str) -> String {
    row.get(path).and_then(|value| value.as_str()).unwrap_or("unknown").to_owned()
}

impl Latency {
    /// Takes in the calls of one outcome.
    fn add(&mut self, row: &Document) -> Result<(), Error> {
        let numbers = Fields(row);
        let calls = numbers.count("calls").ok_or_else(|| odd_answer("number of calls"))?;
        let outcome = match row.get("outcome") {
            None | Some(serde_json::Value::Null) => "open".to_owned(),
            Some(_) => group(row, "outcome"),
        };
        self.calls += calls;
        if outcome == "answered" {
            self.answered += calls;
            self.avg_ms = numbers.double("avg");
            self.max_ms = numbers.span("max");
            self.p50_ms = numbers.span("p50");
            self.p95_ms = numbers.span("p95");
        }
        *self.outcomes.entry(outcome).or_default() += calls;
        Ok(())
    }
}
