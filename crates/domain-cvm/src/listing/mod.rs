//! Queries about programs, executions and calls: rows of lists, logs and statistics. They change nothing, and an empty
//! result is not an error. The lists of executions and programs, which need no code, are declared with their entities.

mod calls;
mod executions;
mod logs;
mod programs;
mod stats;
#[cfg(test)]
mod tests;

pub use calls::{ListCalls, SlowestCalls};
pub use executions::{CountFinished, ExecutionSummary, Overview, ShowOverview};
pub use logs::ListLogs;
pub use programs::{ListVersions, ProgramSummary, ShowProgram, ShowVersion, ShowVersionOf, VersionSummary};
pub use stats::{CountStatuses, Latency, LatencyByKind, LatencyByProgram, MetricStats, ShowLatency, ShowStats, Stats};

/// The name of the query that reads the rows of a list.
const ROWS: &str = "rows";
