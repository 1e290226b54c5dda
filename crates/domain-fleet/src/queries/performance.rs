//! The view `machine_performance_metrics`: how the machines of each type performed.

use runstate_core::prelude::*;
use runstate_core::schema::{Accumulator, Aggregate};

use super::{NUMBERS, count, number, since, text};
use crate::machine::IntelligentMachine;

/// Returns how the machines of each type performed that were spawned in the last 30 days, without hubs: the view
/// `machine_performance_metrics`.
///
/// Scans these machines. Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, Operation)]
#[operation(name = "fleet.intelligentMachine.performance", query)]
pub struct ShowPerformance {
    /// The number of days before today; by default 30.
    #[operation(default = 30)]
    pub days: u32,
}

/// How the machines of a type performed.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct MachinePerformance {
    /// The type.
    pub machine_type: String,
    /// Number of machines.
    pub total_machines: u64,
    /// The mean time for which those that have ended lived, in minutes.
    pub avg_runtime_minutes: Option<f64>,
    /// Number of machines that ended without an error.
    pub successful_machines: u64,
    /// Their part of all machines in percent, with two digits after the point.
    pub success_rate_percent: f64,
    /// The mean of what they cost, in Canadian dollars.
    pub avg_money_cost: Option<f64>,
    /// The mean number of calls of interfaces.
    pub avg_api_calls: Option<f64>,
    /// The mean number of checkpoints.
    pub avg_checkpoints_created: Option<f64>,
}

impl DomainQuery for ShowPerformance {
    type Output = Vec<MachinePerformance>;

    fn reads(&self, view: &View) -> ReadSet {
        let ended = Filter::Eq("status".to_owned(), "terminated".into());
        let without_error = Filter::Exists("error_message".to_owned(), false);
        let average = |path: &str| Accumulator::Avg(path.to_owned());
        let numbers = [
            ("total", Accumulator::Count),
            ("runtime", average("runtime_ms")),
            ("successful", Accumulator::CountIf(Filter::And(vec![ended, without_error]))),
            ("money", average("resource_usage.money")),
            ("api_calls", average("resource_usage.api_calls")),
            ("checkpoints", average("checkpoints_created")),
        ];
        let conditions = vec![
            Filter::Gte("spawned_at".to_owned(), since(view, self.days).as_millis().into()),
            Filter::Ne("type".to_owned(), "hub".into()),
        ];
        let machines = Aggregate::of(&IntelligentMachine::COLLECTION, Filter::And(conditions), numbers);
        ReadSet::empty().aggregate(NUMBERS, machines.by(["type"]))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<MachinePerformance>> {
        let rows = view.groups(NUMBERS).unwrap_or_default().iter().map(|row| {
            let (total, successful) = (count(row, "total"), count(row, "successful"));
            // Exact, so that a half is rounded up as in the view.
            let hundredths = (successful * 20_000 + total).checked_div(total * 2).unwrap_or_default();
            MachinePerformance {
                machine_type: text(row, "type"),
                total_machines: total,
                avg_runtime_minutes: number(row, "runtime").map(|runtime| runtime / 60_000.0),
                successful_machines: successful,
                success_rate_percent: hundredths as f64 / 100.0,
                avg_money_cost: number(row, "money"),
                avg_api_calls: number(row, "api_calls"),
                avg_checkpoints_created: number(row, "checkpoints"),
            }
        });
        Ok(rows.collect())
    }
}
