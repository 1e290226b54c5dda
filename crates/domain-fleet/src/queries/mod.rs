//! Views: what projects have used, and how machines performed.
use runstate_core::prelude::*;

mod performance;
mod summary;
mod views;

pub use performance::{MachinePerformance, ShowPerformance};
pub use summary::{ProjectUsage, ShowUsageSummary};
pub use views::{MACHINE_PERFORMANCE_METRICS, PROJECT_RESOURCE_SUMMARY};

/// The name of the aggregate of a view.
const NUMBERS: &str = "numbers";

/// The beginning of the day so many days ago, UTC: `CURRENT_DATE - days`.
fn since(view: &View, days: u32) -> Timestamp {
    Date::of(view.now()).start() - Millis::days(i64::from(days))
}

fn count(row: &Document, name: &str) -> u64 {
    row.get(name).and_then(Json::as_u64).unwrap_or_default()
}

fn text(row: &Document, name: &str) -> String {
    row.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn number(row: &Document, name: &str) -> Option<f64> {
    row.get(name).and_then(Json::as_f64)
}
