//! Statistics of executions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Cvm;
use super::FieldReader;
use super::executions::not_deleted;
use super::latency::{Latency, group_value};
use super::malformed_result;
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::engine::Error;
use crate::schema::{Accumulator, Aggregate, Filter, Group};
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
