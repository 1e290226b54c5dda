//! Executions in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Cvm;
use super::executions::still_there;
use super::fields::Fields;
use super::latency::{Latency, group};
use super::odd_answer;
use crate::domain::cvm::{EXECUTIONS, Status};
use crate::engine::Error;
use crate::schema::{Accumulator, Aggregate, Filter, Group};
use crate::value::{Document, tree};

/// A program in numbers, or all of them. They are of moments close to each other, not of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Stats {
    /// The program; none: all.
    pub program: Option<String>,
    /// How many executions there are.
    pub executions: u64,
    /// How many have each status; see [`Cvm::statuses`].
    pub statuses: BTreeMap<String, u64>,
    /// Instructions that an execution has run.
    pub instructions: Spread,
    /// Milliseconds that an execution has spent running, as far as its saves show it.
    pub execution_time_ms: Spread,
    /// What became of calls, and how long answers took.
    pub latency: Latency,
}

/// A number over executions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Spread {
    /// Mean; none without executions.
    pub avg: Option<f64>,
    /// Greatest; none without executions.
    pub max: Option<i64>,
}

impl Cvm {
    /// How many executions have each status, of a program or of all. All statuses are there, zeros included; what a newer program may
    /// add is there under its own name. Executions that are being deleted do not count.
    ///
    /// Looks at all executions of the program, or of all. `unsupported` where the store does not aggregate.
    pub async fn statuses(&self, program: Option<&str>) -> Result<BTreeMap<String, u64>, Error> {
        let path = "state.status";
        let count = ("n".to_owned(), Accumulator::Count);
        let rows = self.engine.store().aggregate(&executions(program, Some(path), vec![count])).await?;
        let mut statuses = tree(Status::ALL.iter().map(|name| ((*name).to_owned(), 0)));
        for row in rows {
            let count = Fields(&row).count("n").ok_or_else(|| odd_answer("number of executions"))?;
            *statuses.entry(group(&row, path)).or_default() += count;
        }
        Ok(statuses)
    }

    /// A program in numbers; `None`: all programs. A program that is not there has zeros.
    ///
    /// Costs what [`Cvm::statuses`] and [`Cvm::latency`] cost, and a second look at the executions.
    pub async fn stats(&self, program: Option<&str>) -> Result<Stats, Error> {
        let (instructions, time) = ("metrics.instructionsExecuted", "metrics.executionTimeMs");
        let numbers = vec![
            ("n".to_owned(), Accumulator::Count),
            ("avgInstructions".to_owned(), Accumulator::Avg(instructions.to_owned())),
            ("maxInstructions".to_owned(), Accumulator::Max(instructions.to_owned())),
            ("avgTime".to_owned(), Accumulator::Avg(time.to_owned())),
            ("maxTime".to_owned(), Accumulator::Max(time.to_owned())),
        ];
        let rows = self.engine.store().aggregate(&executions(program, None, numbers)).await?;
        let row = rows.first().ok_or_else(|| odd_answer("row"))?;
        Ok(Stats {
            program: program.map(str::to_owned),
            executions: Fields(row).count("n").ok_or_else(|| odd_answer("number of executions"))?,
            statuses: self.statuses(program).await?,
            instructions: Spread::of(row, "avgInstructions", "maxInstructions"),
            execution_time_ms: Spread::of(row, "avgTime", "maxTime"),
            latency: self.latency(program).await?,
        })
    }
}

fn executions(program: Option<&str>, by: Option<&str>, accumulators: Vec<(String, Accumulator)>) -> Aggregate {
    let mut filter = vec![still_there()];
    filter.extend(program.map(|program| Filter::Eq("programName".to_owned(), program.into())));
    Aggregate {
        collection: EXECUTIONS.name.to_owned(),
        filter: Filter::And(filter),
        group_by: by.map(|path| Group::Field(path.to_owned())).into_iter().collect(),
        accumulators,
    }
}

impl Spread {
    fn of(row: &Document, avg: &str, max: &str) -> Self {
        Self { avg: Fields(row).double(avg), max: Fields(row).whole(max) }
    }
}
