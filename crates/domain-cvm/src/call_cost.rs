//! Costs of calls. A claim reserves the cost of its call against a budget, in its own commit. The answer settles it,
//! and every other end of the claim gives it back. A call whose cost a budget does not have waits, and is claimed once
//! the budget has it.

use runstate_core::decision::{Cost, Ctx, Decision, ReadSet, Rejection, ReservationTerm, View};
use runstate_core::lease::{is_abandoned, skipped_until};
use runstate_core::schema::parse_decimal;
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json, fixed_text};

use super::call::{Call, CallError};

/// How long a call waits, after a budget refused its cost, until a worker may claim it: an eighth of its age, but at
/// least this time. So many calls that wait for long do not delay others.
pub const REFUSAL_DELAY: Millis = Millis::seconds(5);

/// The longest time that a call waits until a worker may claim it.
const MAX_REFUSAL_DELAY: Millis = Millis::seconds(60);

/// Longest text of a cost, in bytes.
const TEXT_BYTES: usize = 200;

/// The cost in a call's options.
pub(super) fn from_options(options: &Json, view: &View) -> Result<Option<Cost>, String> {
    let cost = match options.get("cost") {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Object(cost)) => cost,
        Some(_) => return Err("cost must be an object such as { project, resource, amount, unit }".to_owned()),
    };
    let known = ["project", "resource", "amount", "unit", "subtype"];
    if let Some(unknown) = cost.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("cost has no option `{unknown}`; there are {}", known.join(", ")));
    }
    let cost = Cost {
        project: text(cost, "project")?,
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
    Ok(Some(cost))
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
pub(super) fn check_amount(amount: Option<&str>) -> Result<(), Rejection> {
    match amount {
        Some(amount) if !is_amount(amount) => {
            Err(invalid("must be a decimal number in text, 0 or more, such as `0.05`"))
        }
        _ => Ok(()),
    }
}

fn invalid(reason: &str) -> Rejection {
    Rejection::Invalid { field: "cost".to_owned(), reason: reason.to_owned() }
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
) -> Result<Decision<Option<String>>, Rejection> {
    let Some(cost) = &call.request.cost else { return Ok(Decision::new(None)) };
    let term = ReservationTerm { earlier: reservation(call), until, renewed };
    Ok((view.budgets()?.reserve)(view, ctx, cost, term)?.map(Some))
}

/// Records why the claim of a call was refused, and lets it wait. `is_orphan`: because its execution does not exist;
/// after a day the call is to be removed. Returns whether it is.
pub(super) fn record_refusal(call: &mut Call, refusal: &Rejection, is_orphan: bool, now: Timestamp) -> bool {
    let message = refusal.to_string().replace("; nothing was changed", "");
    let name = Some(refusal.code().as_str().to_owned());
    let earlier = call.refusal.take().filter(|earlier| is_orphan && earlier.name == name);
    let since = earlier.map_or(now, |earlier| earlier.timestamp);
    call.refusal = Some(CallError { name, message, timestamp: since, by: None });
    let delay = Millis(now.since(call.request.timestamp).0 / 8).clamp(REFUSAL_DELAY, MAX_REFUSAL_DELAY);
    call.available_at = Some(if is_orphan { skipped_until(since, now) } else { now + delay });
    is_orphan && is_abandoned(since, now)
}

/// Records what the answer to a call has cost: what was reserved, or `actual`. A cost that was not reserved is rejected
/// if a budget does not have it.
pub(super) fn settle(
    view: &View,
    ctx: &mut Ctx,
    call: &mut Call,
    actual: Option<&str>,
) -> Result<Decision<()>, Rejection> {
    let Some(cost) = &call.request.cost else {
        return match actual {
            Some(_) => Err(invalid("is not expected: the call names no budget")),
            None => Ok(Decision::new(())),
        };
    };
    let amount = actual.unwrap_or(&cost.amount).to_owned();
    let cost = Cost { amount, ..cost.clone() };
    match call.claim.as_mut().and_then(|claim| claim.reservation.take()) {
        Some(reservation) => (view.budgets()?.settle)(view, ctx, &reservation, &cost),
        None => (view.budgets()?.charge)(view, ctx, &cost),
    }
}

/// As [`release`], of a budget to which `writes` may belong. The release becomes a part of them.
pub(super) fn release_after<'a>(
    view: &View,
    ctx: &mut Ctx,
    calls: impl IntoIterator<Item = &'a mut Call>,
    writes: &mut Decision<()>,
) -> Result<(), Rejection> {
    let reserved: Vec<&mut Call> = calls.into_iter().filter(|call| reservation(call).is_some()).collect();
    if !reserved.is_empty() {
        let released = release(&view.clone().after(&writes.changes, ctx), ctx, reserved, false)?;
        writes.follow(released)?;
    }
    Ok(())
}

/// Gives back what was reserved for these calls. `failed`: because their workers failed.
pub(super) fn release<'a>(
    view: &View,
    ctx: &mut Ctx,
    calls: impl IntoIterator<Item = &'a mut Call>,
    failed: bool,
) -> Result<Decision<()>, Rejection> {
    let claims = calls.into_iter().filter_map(|call| call.claim.as_mut());
    let reservations: Vec<String> = claims.filter_map(|claim| claim.reservation.take()).collect();
    // Without budgets in this engine, the reservations end by their time.
    let (false, Ok(budgets)) = (reservations.is_empty(), view.budgets()) else { return Ok(Decision::new(())) };
    match (budgets.release)(view, ctx, &reservations, failed) {
        // A damaged budget must not keep an execution from its end. Verification reports it.
        Err(rejection) if rejection.is_damage() => Ok(Decision::new(())),
        decision => decision,
    }
}
