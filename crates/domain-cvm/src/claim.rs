//! Workers claim open calls of the kinds that they serve, for the duration of a lease, and complete or fail them.
//! Failures and retries are in `failure.rs`.

use std::any::Any;

use runstate_core::decision::{
    AnyCommand, Command, Ctx, Decision, DomainQuery, LoadedEntity, Ports, ReadSet, Rejection, TypedQuery, View,
};
use runstate_core::error_code::ErrorCode;
use runstate_core::lease::{self, KIND_QUERIES, LEASE};
use runstate_core::operation::Operation;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Filter, Key, Query};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::{CC_HISTORY, Call, ClaimState, TIMER, before_deadline};
use super::call_cost;
use super::queries::CallDetails;
use super::work::Work;

/// Claims one open call for a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// The calls that may be claimed.
    pub of: ClaimTarget,
    /// Name of the worker, for people.
    pub owner: String,
    /// Duration of the lease without a heartbeat.
    pub lease: Millis,
}

/// Claims one open call of the given kinds, or the given call, for a worker until its lease ends. The result is null if
/// there is none.
#[derive(Debug, Operation)]
#[operation(name = "cvm.claim", command = Claim, result = Option<Work>)]
pub struct ClaimParameters {
    /// The kinds of calls, at most 16: `cc`, the names of tools.
    kinds: Option<Vec<String>>,
    /// The id of one call, in place of kinds.
    call: Option<String>,
    /// The name of the worker, for people.
    owner: String,
    /// How long the claim lasts without a heartbeat, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    lease: Millis,
}

impl TryFrom<ClaimParameters> for Claim {
    type Error = Rejection;

    fn try_from(parameters: ClaimParameters) -> Result<Self, Rejection> {
        let ClaimParameters { kinds, call, owner, lease } = parameters;
        let of = match (kinds, call) {
            (Some(kinds), None) => ClaimTarget::Kinds(kinds),
            (None, Some(call)) => ClaimTarget::Call(call),
            _ => return Err(Rejection::Usage("cvm.claim: pass either `kinds` or `call`, and not both".to_owned())),
        };
        Ok(Self { of, owner, lease })
    }
}

/// The result of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimResult {
    /// The claim; `None`: no call is open.
    pub claimed: Option<ClaimedCall>,
    /// The claimed call, if this attempt claimed it. A repeat returns the claim alone.
    #[serde(skip)]
    pub details: Option<Box<CallDetails>>,
}

/// The details of a claimed call, for a repeated claim. `None`: it was cancelled and deleted meanwhile.
struct ClaimedDetails {
    call: String,
}

impl DomainQuery for ClaimedDetails {
    const NAME: &'static str = "cvm.claimed_details";
    type Output = Option<CallDetails>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&CC_HISTORY, &self.call))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Option<CallDetails>, Rejection> {
        Ok(Call::find(view, &self.call)?.map(|row| row.entity.into()))
    }
}

/// The calls that a worker may claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimTarget {
    /// Any open call of one of these kinds, at most 16.
    Kinds(Vec<String>),
    /// This call.
    Call(String),
}

/// A claimed call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimedCall {
    /// The call.
    pub call: String,
    /// The execution that made it.
    pub execution: String,
    /// The fencing token, which is needed to complete the call.
    pub token: u64,
    /// The end of the lease.
    pub until: Timestamp,
    /// Number of attempts, this one included.
    pub attempts: u32,
    /// The reservation of the call's cost. A worker that has spent it, and whose answer is refused because it is late,
    /// commits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
}

/// Reports that a worker still works on a call, and renews its lease.
///
/// Errors: `stale_claim` (the worker must stop: another one has claimed the call, it is closed, or its reservation has
/// ended and the budget does not have its cost any more), `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.heartbeat")]
pub struct Heartbeat {
    /// The call.
    #[operation(subject)]
    pub call: String,
    /// The fencing token of the claim.
    pub token: u64,
    /// How long the claim lasts from now on, in milliseconds, from 1 second to 30 days; by default 30 seconds.
    #[operation(name = "leaseMs", default = LEASE)]
    pub lease: Millis,
}

/// Releases a claimed call, which others may claim at once. The attempt does not count.
///
/// Errors: `stale_claim`, `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.release")]
pub struct Release {
    /// The call.
    #[operation(subject)]
    pub call: String,
    /// The fencing token of the claim.
    pub token: u64,
}

/// Rejects a worker whose claim on the call is not the one with this token.
pub(super) fn require_claim(call: &Call, token: u64) -> Result<(), Rejection> {
    let problem = match &call.claim {
        Some(claim) if claim.token == token && claim.owner.is_some() => return Ok(()),
        Some(ClaimState { owner: Some(_), token: newer, .. }) if *newer > token => "was claimed by another worker",
        Some(claim) if claim.token == token => "was released or failed under this token",
        _ => "was never claimed under this token",
    };
    let message = format!("call {} of execution `{}` {problem}; nothing was changed", call.step, call.execution_id);
    Err(Rejection::Domain { code: ErrorCode::STALE_CLAIM, message, details: json!({"token": token}) })
}

/// As [`require_claim`], and rejects a closed call too: its worker may stop.
pub(super) fn require_open_claim(call: &Call, token: u64) -> Result<(), Rejection> {
    require_claim(call, token)?;
    match call.outcome {
        None => Ok(()),
        Some(outcome) => {
            let (step, execution) = (call.step, &call.execution_id);
            let message = format!("call {step} of execution `{execution}` is closed; stop working on it");
            Err(Rejection::Domain { code: ErrorCode::STALE_CLAIM, message, details: json!({"outcome": outcome}) })
        }
    }
}

impl Claim {
    /// The calls that may be claimed at `now`. A row that cannot be read is skipped, so that it does not block all
    /// others.
    fn candidates(&self, view: &View, now: Timestamp) -> Vec<LoadedEntity<Call>> {
        let mut rows = match &self.of {
            ClaimTarget::Call(id) => Call::find(view, id).ok().flatten().into_iter().collect(),
            ClaimTarget::Kinds(_) => view.readable_entities(&KIND_QUERIES),
        };
        let is_named = matches!(self.of, ClaimTarget::Call(_));
        rows.retain(|row: &LoadedEntity<Call>| {
            let call = &row.entity;
            call.outcome.is_none()
                && !call.is_past_deadline(now)
                && (call.available_at.is_some_and(|at| at <= now) || is_named && call.refusal.is_some())
                && call.claim.as_ref().is_none_or(|claim| lease::has_next_token(claim.token))
        });
        rows
    }

    /// The claim of this call, which is open. Its cost is reserved.
    fn claim_call(
        &self,
        view: &View,
        ctx: &mut Ctx,
        mut row: LoadedEntity<Call>,
    ) -> Result<Decision<ClaimResult>, Rejection> {
        let call = &mut row.entity;
        let (token, attempts) = call.claim.as_ref().map_or((0, 0), |claim| (claim.token, claim.attempts));
        let until = ctx.now + self.lease;
        let reserved = call_cost::reserve(view, ctx, call, until, false)?;
        let claim = ClaimState {
            owner: Some(self.owner.clone()),
            token: lease::next_token(token, ctx.now),
            until,
            attempts: attempts.saturating_add(1),
            reservation: reserved.output.clone(),
        };
        let claimed = ClaimedCall {
            call: call.id.clone(),
            execution: call.execution_id.clone(),
            token: claim.token,
            until,
            attempts: claim.attempts,
            reservation: claim.reservation.clone(),
        };
        call.claim = Some(claim);
        call.available_at = Some(until);
        call.refusal = None;
        let change = row.update(ctx.now)?;
        let result = ClaimResult { claimed: Some(claimed), details: Some(Box::new(row.entity.into())) };
        Ok(reserved.map(|_| result).change(change))
    }
}

impl Command for Claim {
    const NAME: &'static str = "cvm.claim";
    type Output = ClaimResult;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)?;
        lease::check_name("owner", Some(&self.owner))?;
        if let ClaimTarget::Kinds(kinds) = &self.of {
            lease::check_kinds("kinds of calls", kinds)?;
            if kinds.iter().any(|kind| kind == TIMER) {
                let reason =
                    "`timer` is not a kind that a worker serves; timers complete by themselves. Remove it".to_owned();
                return Err(Rejection::Invalid { field: "kinds".to_owned(), reason });
            }
        }
        Ok(())
    }

    fn reads(&self, view: &View) -> ReadSet {
        let now = view.now();
        let kinds = match &self.of {
            ClaimTarget::Call(id) => return ReadSet::key(Key::new(&CC_HISTORY, id)),
            ClaimTarget::Kinds(kinds) => kinds,
        };
        let available = |kind: &str| {
            Query::of(&CC_HISTORY)
                .eq("kind", kind)
                .filter(Filter::Exists("outcome".to_owned(), false))
                .filter(Filter::Lte("availableAt".to_owned(), now.as_millis().into()))
                .filter(before_deadline(now))
                .sort("availableAt", Ascending)
                .limit(view.spread())
                .with_unreadable()
        };
        KIND_QUERIES.iter().zip(kinds).fold(ReadSet::empty(), |reads, (name, kind)| reads.query(name, available(kind)))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ClaimResult>, Rejection> {
        let now = ctx.now;
        let mut candidates = self.candidates(view, now);
        let mut refused = Decision::new(ClaimResult::default());
        while !candidates.is_empty() && refused.changes.len() < lease::MOST_PASSED_OVER {
            let mut row = candidates.swap_remove(lease::pick(ctx, candidates.len()));
            match self.claim_call(view, ctx, row.clone()) {
                Ok(claimed) => {
                    refused.output = refused.include(claimed);
                    return Ok(refused);
                }
                // Another call may be claimed, and this one later.
                Err(refusal)
                    if matches!(self.of, ClaimTarget::Kinds(_))
                        && !matches!(refusal, Rejection::Unread(_) | Rejection::Torn(_)) =>
                {
                    call_cost::record_refusal(&mut row.entity, &refusal, now);
                    refused.changes.push(row.update(now)?);
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(refused)
    }

    fn next(&self, output: &ClaimResult, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        let ClaimResult { claimed: Some(claimed), details: None } = output else { return None };
        Some(TypedQuery::boxed(ClaimedDetails { call: claimed.call.clone() }))
    }

    fn absorb(&self, output: &mut ClaimResult, part: Box<dyn Any>) {
        if let Ok(details) = part.downcast::<Option<CallDetails>>() {
            output.details = details.map(Box::new);
        }
    }

    fn reply(&self, output: &ClaimResult) -> Result<Json, serde_json::Error> {
        serde_json::to_value(Option::<Work>::from(output.clone()))
    }
}

impl Command for Heartbeat {
    const NAME: &'static str = "cvm.heartbeat";
    type Output = Timestamp;

    fn check(&self) -> Result<(), Rejection> {
        lease::check_lease(self.lease)
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Timestamp>, Rejection> {
        let mut row = Call::load(view, &self.call)?;
        let call = &mut row.entity;
        require_open_claim(call, self.token)?;
        let until = ctx.now + self.lease;
        // A worker that is too late must not spend what its budget no longer has.
        let reserved = call_cost::reserve(view, ctx, call, until, true).map_err(|refusal| match refusal {
            Rejection::Unread(_) | Rejection::Torn(_) => refusal,
            refusal => {
                Rejection::domain(ErrorCode::STALE_CLAIM, format!("the reservation of the call has ended: {refusal}"))
            }
        })?;
        if let Some(claim) = &mut call.claim {
            claim.until = until;
            claim.reservation.clone_from(&reserved.output);
        }
        call.available_at = Some(until);
        call.refusal = None;
        Ok(reserved.map(|_| until).change(row.update(ctx.now)?))
    }
}

impl Command for Release {
    const NAME: &'static str = "cvm.release";
    type Output = ();

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<()>, Rejection> {
        let mut row = Call::load(view, &self.call)?;
        let call = &mut row.entity;
        require_open_claim(call, self.token)?;
        let released = call_cost::release(view, ctx, [&mut *call], false)?;
        if let Some(claim) = &mut call.claim {
            *claim = ClaimState {
                owner: None,
                token: claim.token,
                until: ctx.now,
                attempts: claim.attempts.saturating_sub(1),
                reservation: None,
            };
        }
        call.available_at = Some(ctx.now);
        Ok(released.change(row.update(ctx.now)?))
    }
}
