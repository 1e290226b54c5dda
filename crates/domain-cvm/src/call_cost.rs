//! Costs of calls. A claim reserves the cost of its call against a budget, in its own commit. The answer settles it. A
//! worker that fails or releases the call gives it back. If the lease ends without any of these, the cost counts as
//! used: the worker may have spent it. Its late answer or failure corrects that, and the next claim of the call has its
//! reservation in place of that use. The same holds for a call that ends without its worker, because its program has
//! cancelled it or its deadline has passed. A call whose cost a budget does not have waits, and is claimed
//! once the budget has it. It may ask instead: then it waits for an approval, which raises the budget by what it lacks,
//! and reserves the cost, so that no other call takes what was meant for this one.

use runstate_core::decision::{Cost, ReservationTerm, Shortfall, TypedQuery};
use runstate_core::error_code::ErrorCode;
use runstate_core::lease::{is_abandoned, skipped_until, stale_claim};
use runstate_core::prelude::*;
use runstate_core::schema::parse_decimal;
use runstate_value::fixed_text;

use super::call::{Call, CallError, ClaimState, OnRefused};

/// How long a call waits, after a budget refused its cost, until a worker may claim it: an eighth of its age, but at
/// least this time. So many calls that wait for long do not delay others.
pub const REFUSAL_DELAY: Millis = Millis::seconds(5);

/// The longest time that a call waits until a worker may claim it.
const MAX_REFUSAL_DELAY: Millis = Millis::seconds(60);

/// How long the cost of an approved call is reserved for a worker that claims it. After that another call may take it.
const APPROVED_TERM: Millis = Millis::minutes(60);

/// Longest text of a cost, in bytes.
const TEXT_BYTES: usize = 200;

/// The cost in a call's options, and what happens when a budget lacks it.
pub(super) fn from_options(options: &Json, view: &View) -> Result<(Option<Cost>, Option<OnRefused>), String> {
    let cost = match options.get("cost") {
        None | Some(Json::Null) => return Ok((None, None)),
        Some(Json::Object(cost)) => cost,
        Some(_) => return Err("cost must be an object such as { owner, resource, amount, unit }".to_owned()),
    };
    let known = ["owner", "resource", "amount", "unit", "subtype", "onRefused"];
    // `project` is the earlier name of the owner.
    let owner = if cost.contains_key("project") && !cost.contains_key("owner") { "project" } else { "owner" };
    if let Some(unknown) = cost.keys().find(|name| *name != owner && !known.contains(&name.as_str())) {
        return Err(format!("cost has no option `{unknown}`; there are {}", known.join(", ")));
    }
    let on_refused = match cost.get("onRefused") {
        None | Some(Json::Null) => None,
        Some(word) if word == "wait" => Some(OnRefused::Wait),
        Some(word) if word == "ask" => Some(OnRefused::Ask),
        Some(_) => return Err("cost.onRefused must be `wait` or `ask`".to_owned()),
    };
    let cost = Cost {
        owner: text(cost, owner)?,
        resource: text(cost, "resource")?,
        amount: amount(cost.get("amount"))
            .ok_or("cost.amount must be a number, 0 or more, or its digits in a string, of at most 28 digits")?,
        unit: text(cost, "unit")?,
        subtype: match cost.get("subtype") {
            None | Some(Json::Null) => None,
            Some(_) => Some(text(cost, "subtype")?),
        },
    };
    // An engine without budgets does not know what they would refuse.
    if let Ok(budgets) = view.budgets() {
        (budgets.check)(&cost).map_err(|rejection| rejection.to_string())?;
    }
    Ok((Some(cost), on_refused))
}

fn text(cost: &Document, name: &str) -> Result<String, String> {
    let text = cost.get(name).and_then(Json::as_str).filter(|text| !text.is_empty() && text.len() <= TEXT_BYTES);
    text.map(str::to_owned).ok_or_else(|| format!("cost.{name} must be a string of 1 to {TEXT_BYTES} bytes"))
}

/// An amount as decimal text; `None`: it is not one.
fn amount(value: Option<&Json>) -> Option<String> {
    let text = match value? {
        // Without an exponent, and without the noise of sums such as 0.1 + 0.2.
        Json::Number(number) => fixed_text(number.as_f64()?, 12).trim_end_matches('0').trim_end_matches('.').to_owned(),
        Json::String(text) => text.clone(),
        _ => return None,
    };
    is_amount(&text).then_some(text)
}

fn is_amount(text: &str) -> bool {
    text.len() <= TEXT_BYTES && parse_decimal(text).is_some_and(|number| !number.is_sign_negative())
}

/// Rejects an amount that is not a decimal number.
pub(super) fn check_amount(amount: Option<&str>) -> Result<()> {
    match amount {
        Some(amount) if !is_amount(amount) => {
            Err(Rejection::invalid("cost", "must be a decimal number in text, 0 or more, such as `0.05`"))
        }
        _ => Ok(()),
    }
}

/// The reads of a command that closes the call, besides those of the execution.
pub(super) fn reads(view: &View, call: &Call) -> ReadSet {
    match (&call.request.cost, view.budgets()) {
        (Some(cost), Ok(budgets)) => (budgets.reads)(view, cost),
        _ => ReadSet::empty(),
    }
}

/// The reservation of the call's claim.
fn reservation(call: &Call) -> Option<&str> {
    call.claim.as_ref()?.reservation.as_deref()
}

/// Reserves the cost of a call until the end of a lease. `renewed`: for the worker that has the call, whose reservation
/// is extended. Each claim has a reservation of its own. The output is its id; `None`: the call costs nothing.
pub(super) fn reserve(
    view: &View,
    ctx: &mut Ctx,
    call: &Call,
    until: Timestamp,
    renewed: bool,
) -> Result<Decision<Option<String>>> {
    let Some(cost) = &call.request.cost else { return Ok(Decision::new(None)) };
    let term = ReservationTerm { earlier: reservation(call), until, renewed, begun: true, raises: false };
    Ok((view.budgets()?.reserve)(view, ctx, cost, term)?.map(Some))
}

/// What budgets lack for the cost of a call; empty: nothing. An error is another reason for which they refuse it.
fn shortfall(view: &View, ctx: &mut Ctx, call: &Call) -> Result<Vec<Shortfall>> {
    match &call.request.cost {
        Some(cost) => (view.budgets()?.shortfall)(view, ctx, cost, reservation(call)),
        None => Ok(Vec::new()),
    }
}

/// What budgets lack for the cost of a call whose claim was refused, if it asks for that; empty: it waits.
pub(super) fn asked_shortfall(view: &View, ctx: &mut Ctx, call: &Call) -> Result<Vec<Shortfall>> {
    if call.request.on_refused != Some(OnRefused::Ask) {
        return Ok(Vec::new());
    }
    match shortfall(view, ctx, call) {
        Err(unread @ (Rejection::Unread(_) | Rejection::Torn(_))) => Err(unread),
        // A person creates the budget, and then approves the call.
        Err(Rejection::NotFound { what: "owner", .. }) => Ok(call.request.cost.iter().map(whole).collect()),
        // No approval helps against another reason.
        lacking => Ok(lacking.unwrap_or_default()),
    }
}

/// What is missing for a cost whose owner does not exist.
fn whole(cost: &Cost) -> Shortfall {
    let Cost { owner, resource, amount, unit, .. } = cost.clone();
    Shortfall {
        budget: format!("budget of {resource} of `{owner}`, which does not exist: create it first"),
        amount,
        unit,
    }
}

/// Lets a call wait for the approval of its cost, with what budgets lack for it.
pub(super) fn ask(call: &mut Call, lacking: Vec<Shortfall>, refusal: Option<String>, now: Timestamp) {
    let needs: Vec<String> =
        lacking.iter().map(|one| format!("{} {} more in the {}", one.amount, one.unit, one.budget)).collect();
    let name = refusal.or_else(|| call.refusal.take()?.name);
    let message = with_unknown_attempt(call, format!("needs {}", needs.join(" and ")));
    call.refusal = Some(CallError { name, code: None, message, timestamp: now, by: None });
    (call.shortfall, call.awaits_approval, call.available_at) = (lacking, true, None);
}

/// Adds to a text that the worker of an attempt has vanished, so that its call may have had its effect.
pub(super) fn with_unknown_attempt(call: &Call, text: String) -> String {
    match call.claim.as_ref().and_then(ClaimState::unknown_attempt) {
        Some(attempt) => format!("{text} (attempt {attempt} may have been executed)"),
        None => text,
    }
}

/// Approves the cost of a call that asks for it: raises the budgets by what they lack now, and reserves it. `None`:
/// they lack more than the call has shown, so it asks again.
pub(super) fn approve(view: &View, ctx: &mut Ctx, call: &mut Call) -> Result<Option<Decision<()>>> {
    let lacking = shortfall(view, ctx, call)?;
    if !lacking.iter().all(|one| one.is_within(&call.shortfall)) {
        ask(call, lacking, None, ctx.now);
        return Ok(None);
    }
    let Some(cost) = &call.request.cost else { return Ok(Some(Decision::new(()))) };
    let until = ctx.now + APPROVED_TERM;
    let term = ReservationTerm { earlier: reservation(call), until, renewed: false, begun: false, raises: true };
    let reserved = (view.budgets()?.reserve)(view, ctx, cost, term)?;
    let claim = call.claim.get_or_insert_with(|| ClaimState { until: ctx.now, ..ClaimState::default() });
    claim.reservation = Some(reserved.output.clone());
    Ok(Some(reserved.map(drop)))
}

/// Whether the call has the reservation of its approval, which no worker has claimed yet.
pub(super) fn is_reserved(call: &Call) -> bool {
    call.claim.as_ref().is_some_and(|claim| claim.attempts == 0 && claim.reservation.is_some())
}

/// Records why the claim of a call was refused, and lets it wait. `is_orphan`: because its execution does not exist;
/// after a day the call is to be removed. Returns whether it is.
pub(super) fn record_refusal(call: &mut Call, refusal: &Rejection, is_orphan: bool, now: Timestamp) -> bool {
    let message = refusal.to_string().replace("; nothing was changed", "");
    let name = Some(refusal.code().as_str().to_owned());
    let earlier = call.refusal.take().filter(|earlier| is_orphan && earlier.name == name);
    let since = earlier.map_or(now, |earlier| earlier.timestamp);
    call.refusal = Some(CallError { name, code: None, message, timestamp: since, by: None });
    let delay = Millis(now.since(call.request.timestamp).0 / 8).clamp(REFUSAL_DELAY, MAX_REFUSAL_DELAY);
    call.available_at = Some(if is_orphan { skipped_until(since, now) } else { now + delay });
    is_orphan && is_abandoned(since, now)
}

/// Records what a call has cost: what was reserved, or `actual`. A cost that was not reserved is rejected if a budget
/// does not have it. `failed`: what the cost pays for does not work, which counts for the circuit breaker.
pub(super) fn settle(
    view: &View,
    ctx: &mut Ctx,
    call: &mut Call,
    actual: Option<&str>,
    failed: bool,
) -> Result<Decision<()>> {
    let Some(cost) = &call.request.cost else {
        return match actual {
            Some(_) => Err(Rejection::invalid("cost", "is not expected: the call names no budget")),
            None => Ok(Decision::new(())),
        };
    };
    let amount = actual.unwrap_or(&cost.amount).to_owned();
    let cost = Cost { amount, ..cost.clone() };
    match call.claim.as_mut().and_then(|claim| claim.reservation.take()) {
        Some(reservation) => (view.budgets()?.settle)(view, ctx, &reservation, &cost, failed),
        None => (view.budgets()?.charge)(view, ctx, &cost),
    }
}

/// Records what a failed attempt has cost, and gives the rest back; `None`: all of it. `failed`: as in [`settle`].
pub(super) fn settle_failure(
    view: &View,
    ctx: &mut Ctx,
    call: &mut Call,
    actual: Option<&str>,
    failed: bool,
) -> Result<Decision<()>> {
    if actual.is_some() { settle(view, ctx, call, actual, failed) } else { release(view, ctx, call, failed) }
}

/// Gives back what was reserved for a call. `failed`: as in [`settle`].
pub(super) fn release(view: &View, ctx: &mut Ctx, call: &mut Call, failed: bool) -> Result<Decision<()>> {
    let reservation = call.claim.as_mut().and_then(|claim| claim.reservation.take());
    // Without budgets in this engine, the reservation ends by its time.
    let (Some(reservation), Ok(budgets)) = (reservation, view.budgets()) else { return Ok(Decision::new(())) };
    match (budgets.release)(view, ctx, &[reservation], failed) {
        // A damaged budget must not keep a call from its end. Verification reports it.
        Err(rejection) if rejection.is_damage() => Ok(Decision::new(())),
        decision => decision,
    }
}

/// The decision on the report of a worker whose call has ended without it: `settle` records its cost, once, and nothing
/// else changes. The command continues with a [`LateReport`]. `None`: the report is not late, or there is nothing to
/// record.
pub(super) fn settle_late(
    row: &LoadedEntity<Call>,
    ctx: &mut Ctx,
    settle: impl FnOnce(&mut Ctx, &mut Call) -> Result<Decision<()>>,
) -> Result<Option<Decision<()>>> {
    let is_late = row.entity.outcome.is_some() || row.entity.is_past_deadline(ctx.now);
    if !is_late || reservation(&row.entity).is_none() {
        return Ok(None);
    }
    let mut row = row.clone();
    let settled = settle(ctx, &mut row.entity)?;
    // No heartbeat reserves again for this claim, and no later report of it is charged.
    if let Some(claim) = &mut row.entity.claim {
        claim.owner = None;
    }
    Ok(Some(settled.change(row.update(ctx.now)?)))
}

/// Rejects the report of a worker whose cost alone was recorded ([`settle_late`]): the call has ended without it.
#[derive(OperationName)]
#[operation(name = "cvm.lateReport")]
pub(super) struct LateReport {
    call: String,
    token: u64,
    /// The report is an answer, not a failure.
    is_answer: bool,
}

impl LateReport {
    pub(super) fn boxed(call: &str, token: u64, is_answer: bool) -> Box<dyn AnyCommand> {
        TypedQuery::boxed(Self { call: call.to_owned(), token, is_answer })
    }
}

impl DomainQuery for LateReport {
    type Output = ();

    fn evaluate(&self, view: &View, ctx: &Ctx) -> Result<()> {
        let call = Call::load(view, &self.call)?.entity;
        // A call that its execution has opened again is another worker's.
        let refused = call.require_awaited().and_then(|()| call.require_before_deadline(ctx.now));
        let Err(Rejection::Domain { code, message, details }) = refused else {
            return Err(stale_claim::<Call>(&self.call, self.token));
        };
        let is_stale = call.outcome.is_some() && !self.is_answer;
        Err(Rejection::Domain {
            code: if is_stale { ErrorCode::STALE_CLAIM } else { code },
            message: message.replace("nothing was changed", "only the cost was recorded"),
            details,
        })
    }
}
