//! Executions: what drives them, what ends them, and what is told of them.

use serde::Deserialize;

use super::named;
use crate::code::Code;
use crate::domain::cvm::{ExecutionView, Reached, Seen, Show, Standing, Start, Status};
use crate::engine::{Due, Engine, Error, Listing, Place, Summary};
use crate::limits::LogLevel;
use crate::time::Timestamp;
use crate::value::Json;
use crate::vm::{Bounds, FrameView};

/// Rows where the caller does not say how many.
const ROWS: u32 = 100;

/// What to start.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct StartParams {
    /// Name of the program; its newest version is taken.
    pub program: String,
    /// Id of the execution; missing: one is made.
    pub id: Option<String>,
    /// The program's `input`.
    #[serde(default, deserialize_with = "crate::value::present")]
    pub input: Option<Json>,
    /// How much it logs, where it is not as the store was opened with.
    pub log_level: Option<LogLevel>,
    /// Bytes that its heap may take, where it is not as the store was opened with.
    pub heap_bytes: Option<u64>,
    /// The id of the command; the same id again is answered with the first result.
    pub command_id: Option<String>,
}

pub(super) async fn start(engine: &Engine, params: StartParams) -> Result<Reached, Error> {
    let StartParams { program, id, input, log_level, heap_bytes, command_id } = params;
    let command = named(command_id.as_ref())?;
    engine.cvm().start(&Start { id, program, input, log_level, heap_bytes, parent: None }, command.as_ref()).await
}

/// What to answer. Of several open calls either `call` or `key` says which one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct AnswerParams {
    /// The execution.
    pub id: String,
    /// Any plain value that fits the question.
    pub answer: Json,
    /// Id of the call; missing: the one that is open.
    pub call: Option<String>,
    /// The key of the call, asked already or not.
    pub key: Option<String>,
    /// The how-manyth call under that key, from 1; 1 where it is not said.
    pub occurrence: Option<u64>,
    /// Who answers.
    pub by: Option<String>,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn answer(engine: &Engine, params: AnswerParams) -> Result<Reached, Error> {
    let AnswerParams { id, answer, call, key, occurrence, by, command_id } = params;
    let command = named(command_id.as_ref())?;
    match (call, key) {
        (Some(_), Some(_)) => Err(Error::new(Code::Usage, "cvm.answer: `call` and `key` both name a call; give one")),
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

pub(super) async fn next(engine: &Engine, params: CommandParams) -> Result<Reached, Error> {
    engine.cvm().next(&params.id, named(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn pause(engine: &Engine, params: CommandParams) -> Result<Reached, Error> {
    engine.cvm().pause(&params.id, named(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn unpause(engine: &Engine, params: CommandParams) -> Result<Reached, Error> {
    engine.cvm().unpause(&params.id, named(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn cancel(engine: &Engine, params: CommandParams) -> Result<Reached, Error> {
    engine.cvm().cancel(&params.id, named(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn retry(engine: &Engine, params: CommandParams) -> Result<Reached, Error> {
    engine.cvm().retry(&params.id, named(params.command_id.as_ref())?.as_ref()).await
}

pub(super) async fn delete(engine: &Engine, params: CommandParams) -> Result<(), Error> {
    engine.cvm().delete(&params.id, named(params.command_id.as_ref())?.as_ref()).await
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
    engine.cvm().wake(&params.id).await
}

/// What is to be told of an execution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ShowParams {
    /// Its id.
    pub id: String,
    /// Its state hash too, which walks its whole heap; true where it is not said.
    pub hash: Option<bool>,
    /// Where its machine is, with the values of its variables, which reads the heap; as `hash` where it is not said.
    pub machine: Option<bool>,
    /// Everything that the variables hold, else as much as a person reads.
    pub full: Option<bool>,
}

pub(super) async fn show(engine: &Engine, params: ShowParams) -> Result<ExecutionView, Error> {
    let ShowParams { id, hash, machine, full } = params;
    let hash = hash.unwrap_or(true);
    let bounds = if full.unwrap_or_default() { Bounds::full() } else { Bounds::default() };
    engine.ask(&Show { id, hash, machine: machine.unwrap_or(hash).then_some(bounds) }).await
}

/// Which variables of an execution to show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct VariablesParams {
    /// The execution.
    pub id: String,
    /// Only variables of this name, and calls that have one.
    pub name: Option<String>,
    /// Everything that they hold, else as much as a person reads.
    pub full: Option<bool>,
}

pub(super) async fn variables(engine: &Engine, params: VariablesParams) -> Result<Vec<FrameView>, Error> {
    engine.cvm().variables(&params.id, params.name.as_deref(), params.full.unwrap_or_default()).await
}

pub(super) async fn output(engine: &Engine, params: ExecutionParams) -> Result<Vec<String>, Error> {
    engine.cvm().output(&params.id).await
}

pub(super) async fn stands(engine: &Engine, params: ExecutionParams) -> Result<Standing, Error> {
    engine.cvm().stands(&params.id).await
}

/// A look at what is new of an execution.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct GlanceParams {
    /// The execution.
    pub id: String,
    /// `next` of the last look; missing: from the first line on.
    pub from: Option<u64>,
}

pub(super) async fn glance(engine: &Engine, params: GlanceParams) -> Result<Seen, Error> {
    engine.cvm().glance(&params.id, params.from.unwrap_or_default()).await
}

/// Which executions to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ListParams {
    /// Only of this status.
    pub status: Option<Status>,
    /// Only of this program.
    pub program: Option<String>,
    /// At most so many, newest first; 100 where it is not said.
    pub limit: Option<u32>,
    /// Only what comes behind this one: the last row of the page before.
    pub after: Option<Place>,
}

pub(super) async fn list(engine: &Engine, params: ListParams) -> Result<Vec<Summary>, Error> {
    let ListParams { status, program, limit, after } = params;
    engine.cvm().list(&Listing { status, program, limit: Some(limit.unwrap_or(ROWS)), after }).await
}

/// How many of the executions that have not come to their end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ActiveParams {
    /// At most so many, newest first; 100 where it is not said.
    pub limit: Option<u32>,
}

pub(super) async fn active(engine: &Engine, params: ActiveParams) -> Result<Vec<Summary>, Error> {
    engine.cvm().active(params.limit.unwrap_or(ROWS)).await
}

/// The executions of a program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct HistoryParams {
    /// The program.
    pub program: String,
    /// At most so many, newest first; 100 where it is not said.
    pub limit: Option<u32>,
}

pub(super) async fn history(engine: &Engine, params: HistoryParams) -> Result<Vec<Summary>, Error> {
    engine.cvm().history(&params.program, params.limit.unwrap_or(ROWS)).await
}

/// Executions that had ended at a moment, to be deleted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct DeleteFinishedParams {
    /// The moment.
    pub before: Timestamp,
    /// At most so many.
    pub limit: u32,
}

pub(super) async fn delete_finished(engine: &Engine, params: DeleteFinishedParams) -> Result<Due, Error> {
    let mut due = Due::default();
    engine.cvm().delete_finished(params.before, params.limit, &mut due).await?;
    Ok(due)
}

/// Executions that had ended at a moment, to be counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CountFinishedParams {
    /// The moment.
    pub before: Timestamp,
}

pub(super) async fn count_finished(engine: &Engine, params: CountFinishedParams) -> Result<u64, Error> {
    engine.cvm().count_finished(params.before).await
}
