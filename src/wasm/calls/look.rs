//! Calls, logs, numbers, and what changes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Nothing;
use crate::engine::{
    CallListing, CallRow, ChangesOf, CvmChanges, Engine, Error, Latency, LogListing, LogPage, Paged, Stats, Thing,
};
use crate::store::Position;
use crate::time::{Millis, Timestamp};

/// Rows where the caller does not say how many.
const ROWS: u32 = 100;

/// Which calls to list: those of one execution by step, open ones by kind and time, all others newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CallsParams {
    /// Only of this execution.
    pub execution: Option<String>,
    /// Only of executions of this program.
    pub program: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only open ones.
    pub open: Option<bool>,
    /// At most so many; 100 where it is not said, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

pub(super) async fn calls(engine: &Engine, params: CallsParams) -> Result<Paged<CallRow>, Error> {
    let CallsParams { execution, program, kind, open, limit, cursor } = params;
    let open = open.unwrap_or_default();
    engine.cvm().calls(&CallListing { execution, program, kind, open, limit, cursor }).await
}

/// The calls whose answers took longest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct SlowestParams {
    /// Only of this program.
    pub program: Option<String>,
    /// At most so many; 100 where it is not said.
    pub limit: Option<u32>,
}

pub(super) async fn slowest(engine: &Engine, params: SlowestParams) -> Result<Vec<CallRow>, Error> {
    engine.cvm().slowest(params.program.as_deref(), params.limit.unwrap_or(ROWS)).await
}

/// A page of a log, in the order of time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct LogsParams {
    /// Only of this execution; missing: of all.
    pub id: Option<String>,
    /// Only of this event: `instruction`, `cc_call`, `error`, `complete`.
    pub event: Option<String>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub before: Option<Timestamp>,
    /// `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many rows; 100 where it is not said, never more than 1,000.
    pub limit: Option<u32>,
}

pub(super) async fn logs(engine: &Engine, params: LogsParams) -> Result<LogPage, Error> {
    let LogsParams { id, event, since, before, after, limit } = params;
    engine.cvm().list_logs(&LogListing { execution: id, event, since, before, after, limit }).await
}

/// A program, or all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct OfProgramParams {
    /// The program; missing: all.
    pub program: Option<String>,
}

pub(super) async fn stats(engine: &Engine, params: OfProgramParams) -> Result<Stats, Error> {
    engine.cvm().stats(params.program.as_deref()).await
}

pub(super) async fn statuses(engine: &Engine, params: OfProgramParams) -> Result<BTreeMap<String, u64>, Error> {
    engine.cvm().statuses(params.program.as_deref()).await
}

pub(super) async fn latency(engine: &Engine, params: OfProgramParams) -> Result<Latency, Error> {
    engine.cvm().latency(params.program.as_deref()).await
}

pub(super) async fn latency_by_program(engine: &Engine, _: Nothing) -> Result<BTreeMap<String, Latency>, Error> {
    engine.cvm().latency_by_program().await
}

pub(super) async fn latency_by_kind(
    engine: &Engine,
    params: OfProgramParams,
) -> Result<BTreeMap<String, Latency>, Error> {
    engine.cvm().latency_by_kind(params.program.as_deref()).await
}

/// Which changes are asked for, in the words of programs and executions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CvmChangesParams {
    /// Only those after this position; missing: from now on.
    pub from: Option<Position>,
    /// Only of these things; missing: of all.
    pub things: Option<Vec<Thing>>,
    /// Only of these executions and what belongs to them; missing: of all.
    pub executions: Option<Vec<String>>,
    /// At most so many; 256 where it is not said.
    pub limit: Option<u32>,
    /// How long to wait for one, where there are none.
    pub wait_ms: Millis,
}

pub(super) async fn changes(engine: &Engine, params: CvmChangesParams) -> Result<CvmChanges, Error> {
    let CvmChangesParams { from, things, executions, limit, wait_ms } = params;
    let of = ChangesOf { things, executions, limit: limit.map(|limit| limit as usize) };
    engine.cvm().changes(from, &of, wait_ms).await
}
