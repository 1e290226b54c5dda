//! How workers claim open calls of the kinds that they serve. Failures and retries are in `failure.rs`.

use runstate_core::error_code::ErrorCode;
use runstate_core::lease::{
    Claim, ClaimResult, ClaimTarget, ItemKind, LEASE, Lease, LeaseNames, Leased, NextAvailable, stale_claim,
};
use runstate_core::lease_names;
use runstate_core::prelude::*;

use super::call::{Call, ClaimState, TIMER, before_deadline};
use super::call_cost;
use super::execution::EXECUTIONS;
use super::work::Work;

/// Claims one open call of the given kinds, or the given call, for a worker until its lease ends. The result is null if
/// there is none.
#[derive(Debug, Operation)]
#[operation(name = Call::NAMES.claim, command = Claim<Call>, result = Option<Work>)]
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

impl TryFrom<ClaimParameters> for Claim<Call> {
    type Error = Rejection;

    fn try_from(parameters: ClaimParameters) -> Result<Self> {
        let ClaimParameters { kinds, call, owner, lease } = parameters;
        let of = match (kinds, call) {
            (Some(kinds), None) => ClaimTarget::Kinds(kinds),
            (None, Some(call)) => ClaimTarget::Item(call),
            _ => return Err(Rejection::Usage("cvm.claim: pass either `kinds` or `call`, and not both".to_owned())),
        };
        Ok(Self::new(of, owner, lease))
    }
}

/// Returns the time from which an open call of these kinds may be claimed; null: no such call is open.
///
/// A time in the past means now. A claimed call is open until it is answered, and may be claimed again when its lease
/// ends. The result may miss recent commits of other processes. Reads one row for each kind.
///
/// Errors: `limit` (more than 16 kinds).
#[derive(Debug, Operation)]
#[operation(name = Call::NAMES.next_available, query, command = NextAvailable<Call>)]
pub struct NextAvailableCall {
    /// The kinds of calls, at most 16: `cc`, the names of tools.
    kinds: Vec<String>,
}

impl From<NextAvailableCall> for NextAvailable<Call> {
    fn from(parameters: NextAvailableCall) -> Self {
        Self::new(&parameters.kinds)
    }
}

/// A claimed call.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
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
    /// The reservation of the call's cost. A worker that has spent it, and whose answer is refused because another
    /// worker has the call, commits it.
    pub reservation: Option<String>,
}

/// Rejects a worker whose claim on the call is not the one with this token. The call may be closed.
pub(super) fn require_claim(call: &Call, token: u64) -> Result<()> {
    match &call.claim {
        Some(claim) if claim.token == token && claim.owner.is_some() => Ok(()),
        _ => Err(stale_claim::<Call>(&call.id, token)),
    }
}

impl Leased for Call {
    type Work = Work;
    type Claimed = ClaimedCall;

    const NAMES: LeaseNames = lease_names!("cvm");
    const ID: &'static str = "call";
    const KIND: Option<ItemKind> = Some(ItemKind { field: "kind", plural: "kinds of calls" });
    const AVAILABLE_AT: &'static str = "availableAt";

    fn lease(&self) -> Option<Lease> {
        let available_at = self.available_at.filter(|_| self.outcome.is_none())?;
        let (owner, token, attempts) = match &self.claim {
            Some(claim) => (claim.owner.clone(), claim.token, claim.attempts),
            None => (None, 0, 0),
        };
        Some(Lease { owner, available_at, token, attempts })
    }

    fn set_lease(&mut self, lease: Lease) {
        let Lease { owner, available_at: until, token, attempts } = lease;
        let earlier = self.claim.take().unwrap_or_default();
        let unknown = if token == earlier.token { earlier.unknown } else { earlier.unknown_attempt() };
        let reservation = earlier.reservation;
        self.claim = Some(ClaimState { owner, token, until, attempts, reservation, unknown });
        self.available_at = Some(until);
    }

    /// An early answer may be in the place of a call.
    fn find(view: &View, id: &str) -> Result<Option<LoadedEntity<Self>>> {
        Self::find(view, id)
    }

    fn check_kind(kind: &str) -> Result<()> {
        if kind != TIMER {
            return Ok(());
        }
        let reason = "`timer` is not a kind that a worker serves; timers complete by themselves. Remove it".to_owned();
        Err(Rejection::invalid("kinds", reason))
    }

    fn condition(view: &View) -> (ReadSet, Option<Filter>) {
        let is_open = Filter::Exists("outcome".to_owned(), false);
        (ReadSet::empty(), Some(is_open.and(before_deadline(view.now()))))
    }

    /// A call whose cost was refused waits, unless a worker names it.
    fn may_be_claimed(&self, now: Timestamp, named: bool) -> bool {
        let waits = |lease: &Lease| named && self.refusal.is_some() && lease.available_at > now;
        let is_available = |lease: Lease| lease.is_available(if waits(&lease) { lease.available_at } else { now });
        !self.is_past_deadline(now) && self.lease().is_some_and(is_available)
    }

    /// Its cost is reserved. That of an approved call is reserved already.
    fn claim(
        view: &View,
        ctx: &mut Ctx,
        mut row: LoadedEntity<Self>,
        claim: &Claim<Self>,
    ) -> Result<Decision<ClaimResult<Self>>> {
        let is_reserved = call_cost::is_reserved(&row.entity);
        let lease = claim.begin(&mut row.entity, ctx.now)?;
        let reserved = reserve(view, ctx, &mut row.entity, is_reserved)?;
        let claimed = ClaimedCall {
            call: row.entity.id.clone(),
            execution: row.entity.execution_id.clone(),
            token: lease.token,
            until: lease.available_at,
            attempts: lease.attempts,
            reservation: reserved.output.clone(),
        };
        let change = row.update(ctx.now)?;
        let result = ClaimResult::new(claimed.clone(), Work::new(view, claimed, &row.entity)?);
        Ok(reserved.map(|_| result).change(change))
    }

    fn work(view: &View, claimed: &ClaimedCall) -> Result<Option<Work>> {
        // Another execution may have the id of one that was deleted, and so its call.
        let is_claimed =
            |row: &LoadedEntity<Self>| row.entity.claim.as_ref().is_some_and(|one| one.token == claimed.token);
        let row = Self::find(view, &claimed.call)?.filter(is_claimed);
        row.map(|row| Work::new(view, claimed.clone(), &row.entity)).transpose()
    }

    fn document(&self) -> Key {
        Key::new(&EXECUTIONS, &self.execution_id)
    }

    /// A call whose cost was refused waits, or asks for an approval.
    fn skip(&mut self, view: &View, ctx: &mut Ctx, rejection: &Rejection, is_orphan: bool) -> Result<bool> {
        let lacking = if is_orphan { Vec::new() } else { call_cost::asked_shortfall(view, ctx, self)? };
        if lacking.is_empty() {
            return Ok(call_cost::record_refusal(self, rejection, is_orphan, ctx.now));
        }
        call_cost::ask(self, lacking, Some(rejection.code().as_str().to_owned()), ctx.now);
        Ok(false)
    }

    /// A call whose cost has an unknown owner may wait forever, because of a misspelt name.
    fn warning(&self, earlier: &Self) -> Option<String> {
        let code = |call: &Self| call.refusal.as_ref().and_then(|refusal| refusal.name.clone());
        let is_new = code(self) != code(earlier) && code(self).as_deref() == Some(ErrorCode::NOT_FOUND.as_str());
        let refusal = self.refusal.as_ref().filter(|_| is_new && self.request.cost.is_some())?;
        let (step, execution, needs) = (self.step, &self.execution_id, &refusal.message);
        Some(format!("no worker gets call {step} of execution `{execution}`, because of its cost: {needs}"))
    }

    /// A worker that is too late must not spend what its budget no longer has.
    fn extend(view: &View, ctx: &mut Ctx, mut row: LoadedEntity<Self>) -> Result<Decision<()>> {
        let reserved = reserve(view, ctx, &mut row.entity, true).map_err(|refusal| match refusal {
            Rejection::Unread(_) | Rejection::Torn(_) => refusal,
            refusal => {
                Rejection::domain(ErrorCode::STALE_CLAIM, format!("the reservation of the call has ended: {refusal}"))
            }
        })?;
        reserved.map(drop).save(row, ctx.now)
    }

    /// What an earlier attempt may have spent stays reserved until the lease would have ended.
    fn release(view: &View, ctx: &mut Ctx, mut row: LoadedEntity<Self>) -> Result<Decision<()>> {
        if row.entity.claim.as_ref().is_some_and(|claim| claim.unknown.is_some()) {
            return Decision::new(()).save(row, ctx.now);
        }
        call_cost::release(view, ctx, &mut row.entity, false)?.save(row, ctx.now)
    }
}

/// Reserves the cost of a claimed call until its lease ends. `renewed`: it is reserved for this worker already.
fn reserve(view: &View, ctx: &mut Ctx, call: &mut Call, renewed: bool) -> Result<Decision<Option<String>>> {
    let until = call.available_at.unwrap_or(ctx.now);
    let reserved = call_cost::reserve(view, ctx, call, until, renewed)?;
    if let Some(claim) = &mut call.claim {
        claim.reservation.clone_from(&reserved.output);
    }
    call.refusal = None;
    Ok(reserved)
}
