//! The queries of lists, logs and statistics, as methods.

use std::collections::BTreeMap;

use runstate_core::operation::{EntityQueries as _, ListEntities};
use runstate_core::schema::Page;
use runstate_domain_cvm::{
    Call, CallView, CountFinished, CountStatuses, ExecutionHead, ExecutionSummary, Latency, LatencyByKind,
    LatencyByProgram, ListCalls, ListLogs, ListVersions, LogRow, Overview, Program, ProgramSummary, ProgramVersion,
    ShowLatency, ShowOverview, ShowProgram, ShowStats, ShowVersion, ShowVersionOf, SlowestCalls, Stats, VersionSummary,
};
use runstate_engine::Error;
use runstate_value::time::Timestamp;

use super::Cvm;

impl Cvm {
    /// See [`ListCalls`].
    pub async fn calls(&self, listing: &ListCalls) -> Result<Page<CallView>, Error> {
        self.engine.query(listing).await
    }

    /// Returns the call with this id.
    pub async fn call(&self, id: &str) -> Result<CallView, Error> {
        self.engine.query(&Call::show(id)).await
    }

    /// See [`SlowestCalls`].
    pub async fn slowest(&self, program: Option<&str>, limit: u32) -> Result<Page<CallView>, Error> {
        let program = program.map(str::to_owned);
        self.engine.query(&SlowestCalls { program, limit: Some(limit), cursor: None }).await
    }

    /// Lists executions, newest first.
    ///
    /// ```no_run
    /// # async fn example(cvm: &runstate::client::Cvm) -> Result<(), runstate::engine::Error> {
    /// use runstate::domain::cvm::ExecutionHead;
    /// use runstate::operation::EntityQueries;
    ///
    /// let waiting = cvm.list(&ExecutionHead::list().filter("state.status", "waiting_cc").limit(20)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(&self, listing: &ListEntities<ExecutionHead>) -> Result<Page<ExecutionSummary>, Error> {
        self.engine.query(listing).await
    }

    /// Returns one execution as a row of a list.
    pub async fn summary(&self, execution: &str) -> Result<ExecutionSummary, Error> {
        self.engine.query(&ExecutionHead::show(execution)).await
    }

    /// See [`ShowOverview`].
    pub async fn overview(&self) -> Result<Overview, Error> {
        self.engine.query(&ShowOverview).await
    }

    /// See [`CountFinished`].
    pub async fn count_finished(&self, before: Timestamp) -> Result<u64, Error> {
        self.engine.query(&CountFinished { before }).await
    }

    /// See [`ListLogs`].
    pub async fn logs(&self, listing: &ListLogs) -> Result<Page<LogRow>, Error> {
        self.engine.query(listing).await
    }

    /// Lists programs by name, without sources and bytecode.
    pub async fn programs(&self, listing: &ListEntities<Program>) -> Result<Page<ProgramSummary>, Error> {
        self.engine.query(listing).await
    }

    /// See [`ShowProgram`].
    pub async fn program(&self, name: &str) -> Result<Program, Error> {
        self.engine.query(&ShowProgram { name: name.to_owned() }).await
    }

    /// Returns the program with this id.
    pub async fn program_by_id(&self, id: &str) -> Result<Program, Error> {
        self.engine.query(&Program::show(id)).await
    }

    /// See [`ListVersions`].
    pub async fn versions(&self, listing: &ListVersions) -> Result<Page<VersionSummary>, Error> {
        self.engine.query(listing).await
    }

    /// See [`ShowVersion`].
    pub async fn version(&self, name: &str, version: u32) -> Result<ProgramVersion, Error> {
        self.engine.query(&ShowVersion { name: name.to_owned(), version }).await
    }

    /// See [`ShowVersionOf`].
    pub async fn version_of(&self, execution: &str) -> Result<ProgramVersion, Error> {
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
