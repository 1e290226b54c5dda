//! Executions: commands that drive or end them, and queries about them.

use serde::Deserialize;

use super::parse_command_id;
use crate::domain::cvm::{Execution, ExecutionProgress, ExecutionStatus, ExecutionStatusDetails, Show, Start, Status};
use crate::engine::{DueReport, Engine, Error, ExecutionCursor, ExecutionListing, ExecutionSummary};
use crate::error_code::ErrorCode;
use crate::limits::LogLevel;
use crate::time::Timestamp;
use crate::value::Json;
use crate::vm::{FrameView, InspectBounds};

/// Default number of rows.
const ROWS: u32 = 100;

/// Starts an execution.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct StartParams {
    /// The name of the program. Its newest version runs.
    pub program: String,
    /// The id of the execution; missing: a new one.
    pub id: Option<String>,
    /// The program's `input`.
    #[serde(default, deserialize_with = "crate::value::deserialize_some")]
    pub input: Option<Json>,
    /// The log level; missing: the store's default.
    pub log_level: Option<LogLevel>,
    /// The heap limit in bytes; missing: the store's default.
    pub heap_bytes: Option<u64>,
    /// The id of the command. Repeating it returns the first result.
    pub command_id: Option<String>,
}

pub(super) async fn start(engine: &Engine, params: StartParams) -> Result<ExecutionStatus, Error> {
    let StartParams { program, id, input, log_level, heap_bytes, command_id } = params;
    let command = parse_command_id(command_id.as_ref())?;
    engine.cvm().start(&Start { id, program, input, log_level, heap_bytes, parent: None }, command.as_ref()).await
}

/// Answers a call of an execution. If several calls are open, `call` or `key` selects one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct AnswerParams {
    /// The execution.
    pub id: String,
    /// The answer: a plain value that the call accepts.
    pub answer: Json,
    /// The id of the call; missing: the only open call.
    pub call: Option<String>,
    /// The key of the call, which may be made later.
    pub key: Option<String>,
    /// The ordinal of the call among those with that key, from 1; missing: 1.
    pub occurrence: Option<u64>,
    /// The person, model or worker that answers.
    pub by: Option<String>,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn answer(engine: &Engine, params: AnswerParams) -> Result<ExecutionStatus, Error> {
    let AnswerParams { id, answer, call, key, occurrence, by, command_id } = params;
    let command = parse_command_id(command_id.as_ref())?;
    match (call, key) {
        (Some(_), Some(_)) => Err(Error::new(ErrorCode::Usage, "cvm.answer: pass either `call` or `key`, not both")),
        (call, None) => engine.cvm().answer(&id, call.as_deref(), answer, by, command.as_ref()).await,
        (None, Some(key)) => {
            engine.cvm().answer_key(&id, &key, occurrence.unwrap_or(1), answer, by, command.as_ref()).await
        }
    }
}

/// A command to one execution.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CommandParams {
    /// The execution.
    pub id: String,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn next(engine: &Engine, params: CommandParams) -> Result<ExecutionStatus, Error> {
    engine.cvm().resume(&params.id, parse_command_id(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn pause(engine: &Engine, params: CommandParams) -> Result<ExecutionStatus, Error> {
    engine.cvm().pause(&params.id, parse_command_id(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn unpause(engine: &Engine, params: CommandParams) -> Result<ExecutionStatus, Error> {
    engine.cvm().unpause(&params.id, parse_command_id(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn cancel(engine: &Engine, params: CommandParams) -> Result<ExecutionStatus, Error> {
    engine.cvm().cancel(&params.id, parse_command_id(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn retry(engine: &Engine, params: CommandParams) -> Result<ExecutionStatus, Error> {
    engine.cvm().retry(&params.id, parse_command_id(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn delete(engine: &Engine, params: CommandParams) -> Result<(), Error> {
    engine.cvm().delete(&params.id, parse_command_id(params.command_id.as_ref())?.as_ref()).await
}

/// One execution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ExecutionParams {
    /// Its id.
    pub id: String,
}

pub(super) async fn wake(engine: &Engine, params: ExecutionParams) -> Result<(), Error> {
    engine.cvm().run_due_execution(&params.id).await
}

/// Shows an execution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ShowParams {
    /// Its id.
    pub id: String,
    /// Whether to include the state hash, which reads the whole heap; missing: true.
    pub hash: Option<bool>,
    /// Whether to include the machine's call stack with the values of its variables, which reads the heap; missing: as `hash`.
    pub machine: Option<bool>,
    /// Whether to include the full values of variables; missing: false, values are cut to a readable length.
    pub full: Option<bool>,
}

pub(super) async fn show(engine: &Engine, params: ShowParams) -> Result<Execution, Error> {
    let ShowParams { id, hash, machine, full } = params;
    let hash = hash.unwrap_or(true);
    let bounds = if full.unwrap_or_default() { InspectBounds::full() } else { InspectBounds::default() };
    engine.query(&Show { id, hash, machine: machine.unwrap_or(hash).then_some(bounds) }).await
}

/// Shows variables of an execution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct VariablesParams {
    /// The execution.
    pub id: String,
    /// Only variables of this name, and only frames that have one.
    pub name: Option<String>,
    /// Whether to include full values; missing: false, values are cut to a readable length.
    pub full: Option<bool>,
}

pub(super) async fn variables(engine: &Engine, params: VariablesParams) -> Result<Vec<FrameView>, Error> {
    engine.cvm().variables(&params.id, params.name.as_deref(), params.full.unwrap_or_default()).await
}

pub(super) async fn output(engine: &Engine, params: ExecutionParams) -> Result<Vec<String>, Error> {
    engine.cvm().output(&params.id).await
}

pub(super) async fn status(engine: &Engine, params: ExecutionParams) -> Result<ExecutionStatusDetails, Error> {
    engine.cvm().status(&params.id).await
}

/// Polls an execution for new output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ProgressParams {
    /// The execution.
    pub id: String,
    /// `next` of the last poll; missing: from the first line.
    pub from: Option<u64>,
}

pub(super) async fn progress(engine: &Engine, params: ProgressParams) -> Result<ExecutionProgress, Error> {
    engine.cvm().progress(&params.id, params.from.unwrap_or_default()).await
}

/// Lists executions, newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ListParams {
    /// Only executions with this status.
    pub status: Option<Status>,
    /// Only executions of this program.
    pub program: Option<String>,
    /// Maximum number of rows, newest first; missing: 100.
    pub limit: Option<u32>,
    /// The last row of the page before; missing: the first page.
    pub after: Option<ExecutionCursor>,
}

pub(super) async fn list(engine: &Engine, params: ListParams) -> Result<Vec<ExecutionSummary>, Error> {
    let ListParams { status, program, limit, after } = params;
    engine.cvm().list(&ExecutionListing { status, program, limit: Some(limit.unwrap_or(ROWS)), after }).await
}

/// Lists executions that have not ended, newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ActiveParams {
    /// Maximum number of rows, newest first; missing: 100.
    pub limit: Option<u32>,
}

pub(super) async fn active(engine: &Engine, params: ActiveParams) -> Result<Vec<ExecutionSummary>, Error> {
    engine.cvm().active(params.limit.unwrap_or(ROWS)).await
}

/// Lists the executions of a program, newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct HistoryParams {
    /// The program.
    pub program: String,
    /// Maximum number of rows, newest first; missing: 100.
    pub limit: Option<u32>,
}

pub(super) async fn history(engine: &Engine, params: HistoryParams) -> Result<Vec<ExecutionSummary>, Error> {
    engine.cvm().history(&params.program, params.limit.unwrap_or(ROWS)).await
}

/// Deletes executions that ended before a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct DeleteFinishedParams {
    /// The time.
    pub before: Timestamp,
    /// Maximum number of executions.
    pub limit: u32,
}

pub(super) async fn delete_finished(engine: &Engine, params: DeleteFinishedParams) -> Result<DueReport, Error> {
    let mut due = DueReport::default();
    engine.cvm().delete_finished(params.before, params.limit, &mut due).await?;
    Ok(due)
}

/// Counts executions that ended before a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CountFinishedParams {
    /// The time.
    pub before: Timestamp,
}

pub(super) async fn count_finished(engine: &Engine, params: CountFinishedParams) -> Result<u64, Error> {
    engine.cvm().count_finished(params.before).await
}
