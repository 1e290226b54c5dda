//! The budgets as other domains use them.

use runstate_core::decision::{BudgetPort, Cost, ReservationTerm, Shortfall};
use runstate_core::prelude::*;
use runstate_core::schema::parse_decimal;

use super::reservation::{ReservedWork, assumed_use, expire, give_back, reserve_with, settle, take_back};
use super::{BudgetAccount, OpenAccount, ReservationEvent, ReservationState, ReservedAmount};
use super::{ResourceBudget, ResourceReservation};
use crate::numeric::Amount;
use crate::resource::{ResourceType, Unit};
use crate::settings::FleetSettings;
use crate::usage::{ResourceUsage, UsageDetails, UsedAmount, check_rate, rate_reads};

/// The port.
pub static PORT: BudgetPort = BudgetPort {
    check: |cost| parse(cost).map(drop),
    reads: |view, cost| match parse(cost) {
        Ok(used) => rate_reads(view, used.unit, OpenAccount::reads(view, &cost.owner, used.resource_type)),
        Err(_) => ReadSet::empty(),
    },
    reserve: reserve_cost,
    shortfall,
    settle: settle_cost,
    charge: |view, ctx, cost| record(view, ctx, cost, true),
    release,
};

/// Longest part of a resource, in characters: the column `resource_subtype`.
const SUBTYPE_CHARS: usize = 50;

/// The amount of a cost.
fn parse(cost: &Cost) -> Result<UsedAmount> {
    fn word<T: Parameter>(field: &str, text: &str) -> Result<T> {
        let reason = |_| format!("must be {}, not `{text}`", T::expected());
        T::from_json(text.into()).map_err(|problem| invalid(field, reason(problem)))
    }
    let resource_type: ResourceType = word("resource", &cost.resource)?;
    let unit: Unit = word("unit", &cost.unit)?;
    resource_type.check_unit(unit).map_err(|rejection| match rejection {
        Rejection::Invalid { field, reason } => invalid(&field, reason),
        rejection => rejection,
    })?;
    let amount = parse_decimal(&cost.amount).and_then(Amount::round_up);
    let amount = amount.ok_or_else(|| invalid("amount", format!("must be {}", Amount::expected())))?;
    match cost.subtype.as_ref().map(|subtype| subtype.chars().count()) {
        Some(length) if length > SUBTYPE_CHARS => {
            Err(invalid("subtype", format!("has {length} characters; at most {SUBTYPE_CHARS} are allowed")))
        }
        _ => Ok(UsedAmount { resource_type, amount, unit }),
    }
}

fn invalid(field: &str, reason: String) -> Rejection {
    Rejection::Invalid { field: format!("cost.{field}"), reason }
}

fn reserve_cost(view: &View, ctx: &mut Ctx, cost: &Cost, term: ReservationTerm<'_>) -> Result<Decision<String>> {
    let UsedAmount { resource_type, amount, unit } = parse(cost)?;
    if let Some(id) = term.earlier.filter(|_| term.renewed)
        && let Some(mut earlier) = view.find_entity::<ResourceReservation>(id)?
    {
        match earlier.entity.state {
            ReservationState::Active => {
                earlier.entity.expires_at = term.until;
                earlier.entity.used_on_expiry |= term.begun;
                return Decision::new(id.to_owned()).save(earlier, ctx.now);
            }
            // By a caller, before the end of the work.
            ReservationState::Committed { .. } => return Ok(Decision::new(id.to_owned())),
            _ => {}
        }
    }
    let (mut ended, may_be_spent) = end_earlier(view, ctx, term.earlier)?;
    let work = ReservedWork {
        raises: term.raises,
        used_on_expiry: term.begun || may_be_spent,
        resource_subtype: cost.subtype.clone(),
    };
    let reserved = ReservedAmount { resource_type, amount, unit, ttl: Some(term.until.since(ctx.now)) };
    let view = view.clone().after(&ended.changes, ctx);
    let reserved = reserve_with(&view, ctx, &cost.owner, &reserved, work)?;
    let uuid = reserved.output.uuid.clone();
    ended.follow(reserved.map(drop))?;
    Ok(ended.map(|()| uuid))
}

/// Gives back the reservation of a worker that is late, or the use that was recorded when its time was over: the next
/// reservation of the work counts in its place. The worker may still record what it has spent. Also returns whether it
/// may have spent the amount.
fn end_earlier(view: &View, ctx: &mut Ctx, earlier: Option<&str>) -> Result<(Decision<()>, bool)> {
    // A damaged reservation, or a damaged budget of an earlier period, must not keep the item from its next worker.
    let earlier = match earlier.map(|id| view.find_entity::<ResourceReservation>(id)).transpose() {
        Err(rejection) if rejection.is_damage() => None,
        earlier => earlier?.flatten(),
    };
    let Some(earlier) = earlier.filter(is_held) else { return Ok((Decision::new(()), false)) };
    let may_be_spent = earlier.entity.used_on_expiry;
    let ended = match earlier.entity.state {
        ReservationState::Active => expire(view, ctx, earlier).map(|ended| ended.map(drop)),
        _ => take_back(view, ctx, earlier, None),
    };
    match ended {
        Err(rejection) if rejection.is_damage() => Ok((Decision::new(()), may_be_spent)),
        ended => Ok((ended?, may_be_spent)),
    }
}

/// Whether budgets count the amount of a reservation: as reserved, or as used because its time is over.
fn is_held(row: &LoadedEntity<ResourceReservation>) -> bool {
    row.entity.state == ReservationState::Active || row.entity.is_assumed_used()
}

fn shortfall(view: &View, ctx: &mut Ctx, cost: &Cost, earlier: Option<&str>) -> Result<Vec<Shortfall>> {
    let UsedAmount { resource_type, amount, unit } = parse(cost)?;
    let (ended, _) = end_earlier(view, ctx, earlier)?;
    let view = view.clone().after(&ended.changes, ctx);
    let mut open = OpenAccount::covering(&view, &cost.owner, resource_type, ctx.now)?;
    open.account.check_unit(unit)?;
    open.account.admit(&ctx.new_id(), ctx.now, &FleetSettings::of(ctx))?;
    open.shortfall(amount)
}

fn details(cost: &Cost) -> UsageDetails {
    UsageDetails { resource_subtype: cost.subtype.clone(), ..UsageDetails::default() }
}

fn settle_cost(view: &View, ctx: &mut Ctx, id: &str, cost: &Cost, failed: bool) -> Result<Decision<()>> {
    match view.find_entity::<ResourceReservation>(id)? {
        // A caller has recorded it by `reservation commit`.
        Some(row) if matches!(row.entity.state, ReservationState::Committed { .. }) => Ok(Decision::new(())),
        Some(row) => {
            let (decision, ..) = settle(view, ctx, row, (parse(cost)?.amount, failed), details(cost))?;
            Ok(decision.map(drop))
        }
        // It ended so long ago that its row was removed. What was taken for used then is final.
        None if view.find_entity::<ResourceUsage>(&assumed_use(id))?.is_some() => Ok(Decision::new(())),
        None => record(view, ctx, cost, false),
    }
}

/// Records a cost that is not reserved. `admit`: only if the budgets have it.
fn record(view: &View, ctx: &mut Ctx, cost: &Cost, admit: bool) -> Result<Decision<()>> {
    let used = parse(cost)?;
    let mut open = OpenAccount::covering(view, &cost.owner, used.resource_type, ctx.now)?;
    open.account.check_unit(used.unit)?;
    if admit {
        open.consume(used.amount)?
    } else {
        open.settle(Amount::ZERO, used.amount)?
    };
    if admit {
        check_rate(view, used.unit)?;
    }
    let row = ResourceUsage::new(view, ctx, &open.account, used, open.ids(), details(cost));
    open.save(Decision::new(()).change(Change::append(&row)?), ctx)
}

fn release(view: &View, ctx: &mut Ctx, ids: &[String], failed: bool) -> Result<Decision<()>> {
    view.require_entities::<ResourceReservation>(ids)?;
    let mut held = Vec::new();
    for id in ids {
        held.extend(view.find_entity::<ResourceReservation>(id)?.filter(is_held));
    }
    // All are requested at once: one by one, each would be read in a round of its own.
    let account = |row: &ResourceReservation| BudgetAccount::id_of(&row.project_uuid, row.resource_type);
    view.require_entities::<BudgetAccount>(held.iter().map(|row| account(&row.entity)))?;
    view.require_entities::<ResourceBudget>(held.iter().flat_map(|row| &row.entity.budgets))?;
    let (mut decision, mut after) = (Decision::new(()), view.clone());
    for row in held {
        let (event, failed) = (ReservationEvent::Release(ctx.now), failed.then_some(true));
        let one = match row.entity.state {
            ReservationState::Active => give_back(&after, ctx, row, event, failed)?.map(drop),
            _ => take_back(&after, ctx, row, failed)?,
        };
        after = after.after(&one.changes, ctx);
        decision.follow(one)?;
    }
    Ok(decision)
}
