//! Claims, answers of workers, and due work.

use serde::Deserialize;

use super::parse_command_id;
use crate::domain::cvm::{Backoff, ClaimTarget, ClaimedCall, ExecutionStatus, Fail, FailedCall};
use crate::engine::{DueReport, Engine, Error, RunLimit, Work};
use crate::error_code::ErrorCode;
use crate::time::{Millis, Timestamp};
use crate::value::Json;

/// Default lease.
const LEASE: Millis = Millis::seconds(30);

/// Default number of executions in one pass of due work.
const DUE: u32 = 1_000;

/// Claims an open call of one of these kinds, or this call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ClaimParams {
    /// Kinds of calls, at most 16.
    pub kinds: Option<Vec<String>>,
    /// The id of one call.
    pub call: Option<String>,
    /// The worker's name, for people.
    pub owner: String,
    /// The lease: how long the claim lasts without a heartbeat; missing: 30 seconds.
    pub lease_ms: Option<Millis>,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn claim(engine: &Engine, params: ClaimParams) -> Result<Option<Work>, Error> {
    let ClaimParams { kinds, call, owner, lease_ms, command_id } = params;
    let target = match (kinds, call) {
        (Some(kinds), None) => ClaimTarget::Kinds(kinds),
        (None, Some(call)) => ClaimTarget::Call(call),
        _ => return Err(Error::new(ErrorCode::Usage, "cvm.claim: pass either `kinds` or `call`, and not both")),
    };
    engine
        .cvm()
        .claim_as(target, &owner, lease_ms.unwrap_or(LEASE), parse_command_id(command_id.as_ref())?.as_ref())
        .await
}

/// Extends the lease of a claimed call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct HeartbeatParams {
    /// The claim.
    pub claimed: ClaimedCall,
    /// The new lease, from now; missing: 30 seconds.
    pub lease_ms: Option<Millis>,
}

pub(super) async fn heartbeat(engine: &Engine, params: HeartbeatParams) -> Result<Timestamp, Error> {
    engine.cvm().heartbeat(&params.claimed, params.lease_ms.unwrap_or(LEASE)).await
}

/// Completes a claimed call with an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CompleteParams {
    /// The claim.
    pub claimed: ClaimedCall,
    /// The answer: a plain value that the call accepts.
    pub answer: Json,
    /// The person, model or worker that answers.
    pub by: Option<String>,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn complete(engine: &Engine, params: CompleteParams) -> Result<ExecutionStatus, Error> {
    let CompleteParams { claimed, answer, by, command_id } = params;
    engine.cvm().complete(&claimed, answer, by, parse_command_id(command_id.as_ref())?.as_ref()).await
}

/// Records the failure of a claimed call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct FailParams {
    /// The claim.
    pub claimed: ClaimedCall,
    /// The message, which the program can read.
    pub message: String,
    /// The name of the error in the program; missing: `CallError`.
    pub name: Option<String>,
    /// The retry policy; missing: the program receives the error at once.
    pub retry: Option<BackoffParams>,
    /// The worker that failed.
    pub by: Option<String>,
    /// The id of the command.
    pub command_id: Option<String>,
}

/// When a failed call is retried: after `initialMs`, then after twice the previous wait, at most `longestMs`, until there were `attempts` attempts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct BackoffParams {
    /// Maximum number of attempts.
    pub attempts: u32,
    /// The first wait.
    pub initial_ms: Millis,
    /// The longest wait.
    pub longest_ms: Millis,
}

impl From<BackoffParams> for Backoff {
    fn from(params: BackoffParams) -> Self {
        Self { attempts: params.attempts, initial: params.initial_ms, longest: params.longest_ms }
    }
}

pub(super) async fn fail(engine: &Engine, params: FailParams) -> Result<FailedCall, Error> {
    let FailParams { claimed: ClaimedCall { execution, call, token, .. }, message, name, retry, by, command_id } =
        params;
    let fail = Fail { execution, call, token, message, name, retry: retry.map(Backoff::from), by };
    engine.cvm().fail(&fail, parse_command_id(command_id.as_ref())?.as_ref()).await
}

/// Releases a claimed call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ReleaseParams {
    /// The claim.
    pub claimed: ClaimedCall,
}

pub(super) async fn release(engine: &Engine, params: ReleaseParams) -> Result<(), Error> {
    engine.cvm().release(&params.claimed).await
}

/// Runs due work.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct RunDueParams {
    /// Maximum number of executions; missing: 1,000.
    pub limit: Option<u32>,
    /// How far each execution runs; missing: to its next stop.
    pub pace: Option<RunLimit>,
}

pub(super) async fn run_due(engine: &Engine, params: RunDueParams) -> Result<DueReport, Error> {
    engine.cvm().run_due(params.limit.unwrap_or(DUE), params.pace.unwrap_or(RunLimit::Stop)).await
}

/// Finds the next due time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct NextDueParams {
    /// Whether the due times known to this process suffice, so that the store is not queried.
    #[serde(default)]
    pub known: bool,
}

pub(super) async fn next_due(engine: &Engine, params: NextDueParams) -> Result<Option<Timestamp>, Error> {
    if params.known { engine.cvm().next_due_known().await } else { engine.cvm().next_due().await }
}
