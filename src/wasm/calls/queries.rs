//! Queries: calls, logs, statistics and changes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::NoParams;
use crate::engine::{
    CallListing, CallRow, ChangeFilter, ChangeSubject, CvmChanges, Engine, Error, Latency, ListPage, LogListing,
    LogPage, Stats,
};
use crate::store::Position;
use crate::time::{Millis, Timestamp};

/// Default number of rows.
const ROWS: u32 = 100;

/// Lists calls: those of one execution by step, open ones by kind and time, all others newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CallsParams {
    /// Only calls of this execution.
    pub execution: Option<String>,
    /// Only calls of executions of this program.
    pub program: Option<String>,
    /// Only calls of this kind.
    pub kind: Option<String>,
    /// Only open calls.
    pub open: Option<bool>,
    /// Maximum number of rows; missing: 100, and at most 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; missing: the first page.
    pub cursor: Option<String>,
}

pub(super) async fn calls(engine: &Engine, params: CallsParams) -> Result<ListPage<CallRow>, Error> {
    let CallsParams { execution, program, kind, open, limit, cursor } = params;
    let open = open.unwrap_or_default();
    engine.cvm().calls(&CallListing { execution, program, kind, open, limit, cursor }).await
}

/// Lists the calls with the longest time to an answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct SlowestParams {
    /// Only calls of this program.
    pub program: Option<String>,
    /// Maximum number of rows; missing: 100.
    pub limit: Option<u32>,
}

pub(super) async fn slowest(engine: &Engine, params: SlowestParams) -> Result<Vec<CallRow>, Error> {
    engine.cvm().slowest(params.program.as_deref(), params.limit.unwrap_or(ROWS)).await
}

/// Lists a page of the log, in order of time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct LogsParams {
    /// Only rows of this execution; missing: of all.
    pub id: Option<String>,
    /// Only rows of this event: `instruction`, `cc_call`, `error`, `complete`.
    pub event: Option<String>,
    /// Only rows from this time on.
    pub since: Option<Timestamp>,
    /// Only rows before this time.
    pub before: Option<Timestamp>,
    /// `next` of the page before; missing: the first page.
    pub after: Option<String>,
    /// Maximum number of rows; missing: 100, and at most 1,000.
    pub limit: Option<u32>,
}

pub(super) async fn logs(engine: &Engine, params: LogsParams) -> Result<LogPage, Error> {
    let LogsParams { id, event, since, before, after, limit } = params;
    engine.cvm().list_logs(&LogListing { execution: id, event, since, before, after, limit }).await
}

/// Selects one program, or all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ProgramFilterParams {
    /// The program; missing: all.
    pub program: Option<String>,
}

pub(super) async fn stats(engine: &Engine, params: ProgramFilterParams) -> Result<Stats, Error> {
    engine.cvm().stats(params.program.as_deref()).await
}

pub(super) async fn statuses(engine: &Engine, params: ProgramFilterParams) -> Result<BTreeMap<String, u64>, Error> {
    engine.cvm().statuses(params.program.as_deref()).await
}

pub(super) async fn latency(engine: &Engine, params: ProgramFilterParams) -> Result<Latency, Error> {
    engine.cvm().latency(params.program.as_deref()).await
}

pub(super) async fn latency_by_program(engine: &Engine, _: NoParams) -> Result<BTreeMap<String, Latency>, Error> {
    engine.cvm().latency_by_program().await
}

pub(super) async fn latency_by_kind(
    engine: &Engine,
    params: ProgramFilterParams,
) -> Result<BTreeMap<String, Latency>, Error> {
    engine.cvm().latency_by_kind(params.program.as_deref()).await
}

/// Polls the changes of programs and executions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CvmChangesParams {
    /// Only changes after this position; missing: changes from now on.
    pub from: Option<Position>,
    /// Only changes of these kinds of documents; missing: of all.
    pub things: Option<Vec<ChangeSubject>>,
    /// Only changes of these executions and of their rows; missing: of all.
    pub executions: Option<Vec<String>>,
    /// Maximum number of changes; missing: 256.
    pub limit: Option<u32>,
    /// How long to wait for a change if there is none.
    pub wait_ms: Millis,
}

pub(super) async fn changes(engine: &Engine, params: CvmChangesParams) -> Result<CvmChanges, Error> {
    let CvmChangesParams { from, things, executions, limit, wait_ms } = params;
    let filter = ChangeFilter { things, executions, limit: limit.map(|limit| limit as usize) };
    engine.cvm().changes(from, &filter, wait_ms).await
}
