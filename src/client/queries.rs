//! The queries of lists, logs and statistics, as methods.

use std::collections::BTreeMap;

use runstate_core::schema::Page;
use runstate_domain_cvm::{
    ActiveExecutions, CallListing, CallRow, CountFinished, CountStatuses, ExecutionListing, ExecutionSummary, Latency,
    LatencyByKind, LatencyByProgram, LogListing, LogRow, Overview, ProgramHistory, ProgramListing, ProgramSummary,
    ProgramView, ShowLatency, ShowOverview, ShowProgram, ShowProgramById, ShowStats, ShowSummary, ShowVersion,
    ShowVersionOf, SlowestCalls, Stats, VersionListing, VersionSummary, VersionView,
};
use runstate_engine::Error;
use runstate_value::time::Timestamp;

use super::Cvm;

impl Cvm {
    /// See [`CallListing`].
    pub async fn calls(&self, listing: &CallListing) -> Result<Page<CallRow>, Error> {
        self.engine.query(listing).await
    }

    /// See [`SlowestCalls`].
    pub async fn slowest(&self, program: Option<&str>, limit: u32) -> Result<Page<CallRow>, Error> {
        let program = program.map(str::to_owned);
        self.engine.query(&SlowestCalls { program, limit: Some(limit), cursor: None }).await
    }

    /// See [`ExecutionListing`].
    pub async fn list(&self, listing: &ExecutionListing) -> Result<Page<ExecutionSummary>, Error> {
        self.engine.query(listing).await
    }

    /// See [`ShowSummary`].
    pub async fn summary(&self, execution: &str) -> Result<ExecutionSummary, Error> {
        self.engine.query(&ShowSummary { id: execution.to_owned() }).await
    }

    /// See [`ActiveExecutions`].
    pub async fn active(&self, limit: u32) -> Result<Page<ExecutionSummary>, Error> {
        self.engine.query(&ActiveExecutions { limit: Some(limit), cursor: None }).await
    }

    /// See [`ProgramHistory`].
    pub async fn history(&self, program: &str, limit: u32) -> Result<Page<ExecutionSummary>, Error> {
        self.engine.query(&ProgramHistory { program: program.to_owned(), limit: Some(limit), cursor: None }).await
    }

    /// See [`ShowOverview`].
    pub async fn overview(&self) -> Result<Overview, Error> {
        self.engine.query(&ShowOverview).await
    }

    /// See [`CountFinished`].
    pub async fn count_finished(&self, before: Timestamp) -> Result<u64, Error> {
        self.engine.query(&CountFinished { before }).await
    }

    /// See [`LogListing`].
    pub async fn logs(&self, listing: &LogListing) -> Result<Page<LogRow>, Error> {
        self.engine.query(listing).await
    }

    /// See [`ProgramListing`].
    pub async fn programs(&self, listing: &ProgramListing) -> Result<Page<ProgramSummary>, Error> {
        self.engine.query(listing).await
    }

    /// See [`ShowProgram`].
    pub async fn program(&self, name: &str) -> Result<ProgramView, Error> {
        self.engine.query(&ShowProgram { name: name.to_owned() }).await
    }

    /// See [`ShowProgramById`].
    pub async fn program_by_id(&self, id: &str) -> Result<ProgramView, Error> {
        self.engine.query(&ShowProgramById { id: id.to_owned() }).await
    }

    /// See [`VersionListing`].
    pub async fn versions(&self, listing: &VersionListing) -> Result<Page<VersionSummary>, Error> {
        self.engine.query(listing).await
    }

    /// See [`ShowVersion`].
    pub async fn version(&self, name: &str, version: u32) -> Result<VersionView, Error> {
        self.engine.query(&ShowVersion { name: name.to_owned(), version }).await
    }

    /// See [`ShowVersionOf`].
    pub async fn version_of(&self, execution: &str) -> Result<VersionView, Error> {
        self.engine.query(&ShowVersionOf { id: execution.to_owned() }).await
    }

    /// See [`CountStatuses`].
    pub async fn statuses(&self, program: Option<&str>) -> Result<BTreeMap<String, u64>, Error> {
        self.engine.query(&CountStatuses { program: program.map(str::to_owned) }).await
    }

    /// See [`ShowStats`].
    pub async fn stats(&self, program: Option<&str>) -> Result<Stats, Error> {
        self.engine.query(&ShowStats { program: program.map(str::to_owned) }).await
    }

    /// See [`ShowLatency`].
    pub async fn latency(&self, program: Option<&str>) -> Result<Latency, Error> {
        self.engine.query(&ShowLatency { program: program.map(str::to_owned) }).await
    }

    /// See [`LatencyByProgram`].
    pub async fn latency_by_program(&self) -> Result<BTreeMap<String, Latency>, Error> {
        self.engine.query(&LatencyByProgram).await
    }

    /// See [`LatencyByKind`].
    pub async fn latency_by_kind(&self, program: Option<&str>) -> Result<BTreeMap<String, Latency>, Error> {
        self.engine.query(&LatencyByKind { program: program.map(str::to_owned) }).await
    }
}
