//! Claims, answers of workers, and what is due.

use serde::Deserialize;

use super::named;
use crate::code::Code;
use crate::domain::cvm::{Backoff, Claimed, Fail, FailedCall, Of, Reached};
use crate::engine::{Due, Engine, Error, Pace, Work};
use crate::time::{Millis, Timestamp};
use crate::value::Json;

/// How long a claim is held without a heartbeat, where it is not said.
const LEASE: Millis = Millis::seconds(30);

/// Executions of one pass of what is due, where it is not said.
const DUE: u32 = 1_000;

/// What to claim: a call of one of these kinds, or this call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ClaimParams {
    /// Any open call of these kinds, at most 16.
    pub kinds: Option<Vec<String>>,
    /// This call.
    pub call: Option<String>,
    /// Who claims, for people who look.
    pub owner: String,
    /// How long it is held without a heartbeat; 30 seconds where it is not said.
    pub lease_ms: Option<Millis>,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn claim(engine: &Engine, params: ClaimParams) -> Result<Option<Work>, Error> {
    let ClaimParams { kinds, call, owner, lease_ms, command_id } = params;
    let of = match (kinds, call) {
        (Some(kinds), None) => Of::Kinds(kinds),
        (None, Some(call)) => Of::Call(call),
        _ => return Err(Error::new(Code::Usage, "cvm.claim: give either `kinds` or `call`")),
    };
    engine.cvm().claim_as(of, &owner, lease_ms.unwrap_or(LEASE), named(command_id.as_ref())?.as_ref()).await
}

/// That a claimed call is still worked on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct HeartbeatParams {
    /// The claim.
    pub claimed: Claimed,
    /// How long it is held from now on; 30 seconds where it is not said.
    pub lease_ms: Option<Millis>,
}

pub(super) async fn heartbeat(engine: &Engine, params: HeartbeatParams) -> Result<Timestamp, Error> {
    engine.cvm().heartbeat(&params.claimed, params.lease_ms.unwrap_or(LEASE)).await
}

/// The answer to a claimed call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct CompleteParams {
    /// The claim.
    pub claimed: Claimed,
    /// Any plain value that fits the question.
    pub answer: Json,
    /// Who answers.
    pub by: Option<String>,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn complete(engine: &Engine, params: CompleteParams) -> Result<Reached, Error> {
    let CompleteParams { claimed, answer, by, command_id } = params;
    engine.cvm().complete(&claimed, answer, by, named(command_id.as_ref())?.as_ref()).await
}

/// That a claimed call could not be done.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct FailParams {
    /// The claim.
    pub claimed: Claimed,
    /// What went wrong, in words.
    pub message: String,
    /// Name of the error in the program; missing: `CallError`.
    pub name: Option<String>,
    /// Whether and when it is tried again; missing: the program is told at once.
    pub retry: Option<BackoffParams>,
    /// Who tried.
    pub by: Option<String>,
    /// The id of the command.
    pub command_id: Option<String>,
}

/// When a failed call is tried again: after `initialMs`, then twice as long each time, at most `longestMs`, until it was tried `attempts`
/// times.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct BackoffParams {
    /// How often it is tried in all.
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
    let FailParams { claimed: Claimed { execution, call, token, .. }, message, name, retry, by, command_id } = params;
    let fail = Fail { execution, call, token, message, name, retry: retry.map(Backoff::from), by };
    engine.cvm().fail(&fail, named(command_id.as_ref())?.as_ref()).await
}

/// A claimed call that is given back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ReleaseParams {
    /// The claim.
    pub claimed: Claimed,
}

pub(super) async fn release(engine: &Engine, params: ReleaseParams) -> Result<(), Error> {
    engine.cvm().release(&params.claimed).await
}

/// How much of what is due to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct RunDueParams {
    /// For at most so many executions; 1,000 where it is not said.
    pub limit: Option<u32>,
    /// How far each is driven; to its next stop where it is not said.
    pub pace: Option<Pace>,
}

pub(super) async fn run_due(engine: &Engine, params: RunDueParams) -> Result<Due, Error> {
    engine.cvm().run_due(params.limit.unwrap_or(DUE), params.pace.unwrap_or(Pace::Stop)).await
}

/// When something is due.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct NextDueParams {
    /// Whether what this process knows is enough.
    #[serde(default)]
    pub known: bool,
}

pub(super) async fn next_due(engine: &Engine, params: NextDueParams) -> Result<Option<Timestamp>, Error> {
    if params.known { engine.cvm().next_due_known().await } else { engine.cvm().next_due().await }
}
