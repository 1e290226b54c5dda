//! Reservations: amounts that are taken from budgets before they are used.

use runstate_core::decision::Event;
use runstate_core::id::natural_uuid;
use runstate_core::prelude::*;
use runstate_core::schema::State;
use runstate_value::collect_document;
use schemars::JsonSchema;
use serde_json::json;

use super::OpenAccount;
use crate::machine::IntelligentMachine;
use crate::numeric::{Amount, CadCost};
use crate::resource::{ResourceType, Unit};
use crate::settings::FleetSettings;
use crate::usage::{ResourceUsage, UsageDetails, UsedAmount, rate_reads};

/// How long an amount is reserved, if the caller names no time.
pub const TTL: Millis = Millis::minutes(60);

/// An amount that is reserved for a use. It counts against the budgets that covered the moment when it was made.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.budget_reservations",
    version = 1,
    noun = "reservation",
    filters(project_uuid, owner, resource_type, state)
)]
#[index(state, expires_at)]
#[index(project_uuid, expires_at)]
#[index(owner)]
#[index(resource_type)]
#[index(each(budgets))]
#[ttl(ended_at, days = 30)]
pub struct ResourceReservation {
    /// Its id.
    #[entity(id, shard, format = uuid)]
    pub uuid: String,
    /// The UUID of the owner: that of the project, or one that follows from `owner`.
    #[entity(kind = id, format = uuid)]
    pub project_uuid: String,
    /// The id of the owner: that of a project, or any other one.
    #[entity(default, format = varchar(200))]
    pub owner: String,
    /// The resource.
    #[entity(format = varchar(50))]
    pub resource_type: ResourceType,
    /// The amount.
    pub amount: Amount,
    /// The unit of the amount.
    #[entity(format = varchar(20))]
    pub unit: Unit,
    /// The ids of the budgets that it counts against.
    pub budgets: Vec<String>,
    /// When its time is over.
    pub expires_at: Timestamp,
    /// Whether it counts as used when its time is over, and not as given back: its work has begun, so it may have spent
    /// the amount.
    #[entity(default)]
    pub used_on_expiry: bool,
    /// The part of the resource that such a use has, such as `claude_api`.
    #[entity(format = varchar(50))]
    pub resource_subtype: Option<String>,
    /// Its state.
    #[entity(state)]
    pub state: ReservationState,
    /// When the document was created.
    pub created_at: Timestamp,
}

/// State of a reservation.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(tag = "state", status = ReservationStatus)]
pub enum ReservationState {
    /// It counts against its budgets.
    Active,
    /// The used amount is recorded.
    Committed {
        /// When it was recorded.
        ended_at: Timestamp,
    },
    /// It was given back.
    Released {
        /// When it was given back.
        ended_at: Timestamp,
    },
    /// Its time was over: it was given back, or counts as used.
    Expired {
        /// When it was ended.
        ended_at: Timestamp,
    },
}

/// An event of a reservation.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
pub enum ReservationEvent {
    /// See [`CommitReservation`].
    Commit(Timestamp),
    /// See [`ReleaseReservation`].
    Release(Timestamp),
    /// See [`ExpireReservation`].
    Expire(Timestamp),
}

impl Lifecycle for ResourceReservation {
    type Event = ReservationEvent;

    fn transition(state: ReservationState, event: ReservationEvent) -> Option<ReservationState> {
        use ReservationState::{Active, Committed, Expired, Released};
        match (state, event) {
            // The used amount is always recorded, however late.
            (Active | Released { .. } | Expired { .. }, ReservationEvent::Commit(ended_at)) => {
                Some(Committed { ended_at })
            }
            (Active, ReservationEvent::Release(ended_at)) => Some(Released { ended_at }),
            (Active, ReservationEvent::Expire(ended_at)) => Some(Expired { ended_at }),
            _ => None,
        }
    }
}

/// A reservation after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct ReservationSummary {
    /// Its id.
    pub uuid: String,
    /// Its state.
    pub state: ReservationStatus,
    /// The amount.
    pub amount: Amount,
    /// When it is given back.
    pub expires_at: Timestamp,
    /// The ids of the budgets that it counts against; empty: no budget covers it.
    pub budgets: Vec<String>,
}

impl ResourceReservation {
    fn summary(&self) -> ReservationSummary {
        ReservationSummary {
            uuid: self.uuid.clone(),
            state: self.state.status(),
            amount: self.amount,
            expires_at: self.expires_at,
            budgets: self.budgets.clone(),
        }
    }

    /// Whether its time is over, and its amount counts as used because what was spent is not known.
    pub fn is_assumed_used(&self) -> bool {
        self.used_on_expiry && matches!(self.state, ReservationState::Expired { .. })
    }

    /// The reserved amount that is left.
    fn open_amount(&self) -> Amount {
        if self.state == ReservationState::Active { self.amount } else { Amount::ZERO }
    }

    fn open_account(&self, view: &View, now: Timestamp) -> Result<OpenAccount> {
        OpenAccount::pinned(view, &self.project_uuid, self.resource_type, &self.budgets, now)
    }
}

/// An amount to reserve.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema, Parameters)]
#[serde(rename_all = "camelCase")]
pub struct ReservedAmount {
    /// The resource.
    pub resource_type: ResourceType,
    /// The amount.
    pub amount: Amount,
    /// Its unit.
    pub unit: Unit,
    /// After how long it is given back, in milliseconds; by default an hour.
    #[operation(name = "ttlMs")]
    #[serde(rename = "ttlMs")]
    pub ttl: Option<Millis>,
}

/// The decision to reserve an amount.
pub fn reserve(
    view: &View,
    ctx: &mut Ctx,
    owner: &str,
    reserved: &ReservedAmount,
) -> Result<Decision<ReservationSummary>> {
    reserve_with(view, ctx, owner, reserved, ReservedWork::default())
}

/// The work of another domain for which an amount is reserved.
#[derive(Clone, Debug, Default)]
pub struct ReservedWork {
    /// Whether budgets that lack the amount are raised by what they lack.
    pub raises: bool,
    /// See [`ResourceReservation::used_on_expiry`].
    pub used_on_expiry: bool,
    /// The part of the resource.
    pub resource_subtype: Option<String>,
}

/// The decision to reserve an amount for the work of another domain.
pub fn reserve_with(
    view: &View,
    ctx: &mut Ctx,
    owner: &str,
    reserved: &ReservedAmount,
    work: ReservedWork,
) -> Result<Decision<ReservationSummary>> {
    let ReservedAmount { resource_type, amount, unit, ttl } = *reserved;
    let mut open = OpenAccount::covering(view, owner, resource_type, ctx.now)?;
    open.account.check_unit(unit)?;
    let uuid = ctx.new_id();
    open.account.admit(&uuid, ctx.now, &FleetSettings::of(ctx))?;
    if work.raises {
        open.raise(amount)?;
    }
    open.reserve(amount)?;
    let reservation = ResourceReservation {
        uuid,
        project_uuid: open.account.project_uuid.clone(),
        owner: open.account.owner.clone(),
        resource_type,
        amount,
        unit,
        budgets: open.ids(),
        expires_at: ctx.now + ttl.unwrap_or(TTL),
        used_on_expiry: work.used_on_expiry,
        resource_subtype: work.resource_subtype,
        state: ReservationState::Active,
        created_at: ctx.now,
    };
    open.save(Decision::new(reservation.summary()).and_insert(&reservation)?, ctx)
}

/// The id of the use that is recorded when the time of a reservation is over.
pub fn assumed_use(reservation: &str) -> String {
    natural_uuid(&["use", reservation])
}

/// Takes what a reservation holds from its budgets: the reserved amount, or the use that was recorded when its time was
/// over. Returns the removal of that use.
fn free(view: &View, row: &mut ResourceReservation, open: &mut OpenAccount) -> Result<Option<Change>> {
    let is_assumed_used = row.is_assumed_used();
    row.used_on_expiry = false;
    if !is_assumed_used {
        open.settle(row.open_amount(), Amount::ZERO)?;
        return Ok(None);
    }
    // Without its row, the use is older than a year, and final.
    let Some(used) = view.find_entity::<ResourceUsage>(&assumed_use(&row.uuid))? else { return Ok(None) };
    open.take_back(used.entity.amount)?;
    Ok(Some(used.delete()))
}

/// The decision to give a reservation back. `failed`: whether what it was for has failed; `None`: it is not known.
pub fn give_back(
    view: &View,
    ctx: &mut Ctx,
    mut reservation: LoadedEntity<ResourceReservation>,
    event: ReservationEvent,
    failed: Option<bool>,
) -> Result<Decision<ReservationSummary>> {
    let row = &mut reservation.entity;
    let mut open = row.open_account(view, ctx.now)?;
    let assumed = free(view, row, &mut open)?;
    open.account.record_end(&row.uuid, failed, ctx.now, &FleetSettings::of(ctx));
    row.apply(event)?;
    let mut decision = Decision::new(row.summary()).save(reservation, ctx.now)?;
    decision.changes.extend(assumed);
    open.save(decision, ctx)
}

/// The decision to give back a reservation whose time is over, or whose worker was replaced.
pub fn expire(
    view: &View,
    ctx: &mut Ctx,
    reservation: LoadedEntity<ResourceReservation>,
) -> Result<Decision<ReservationSummary>> {
    let failed = reservation.entity.open_account(view, ctx.now)?.account.failed_trial(&reservation.entity.uuid);
    give_back(view, ctx, reservation, ReservationEvent::Expire(ctx.now), failed)
}

/// The decision to take back the use that was recorded when the time of a reservation was over. `failed`: as in
/// [`give_back`].
pub fn take_back(
    view: &View,
    ctx: &mut Ctx,
    mut reservation: LoadedEntity<ResourceReservation>,
    failed: Option<bool>,
) -> Result<Decision<()>> {
    let row = &mut reservation.entity;
    let mut open = row.open_account(view, ctx.now)?;
    let assumed = free(view, row, &mut open)?;
    open.account.record_end(&row.uuid, failed, ctx.now, &FleetSettings::of(ctx));
    let mut decision = Decision::new(()).save(reservation, ctx.now)?;
    decision.changes.extend(assumed);
    open.save(decision, ctx)
}

/// The decision on a reservation whose time is over, and of whose work nothing is known: it may have spent the amount,
/// so that counts as used.
fn assume_used(
    view: &View,
    ctx: &mut Ctx,
    mut reservation: LoadedEntity<ResourceReservation>,
) -> Result<Decision<ReservationSummary>> {
    let row = &mut reservation.entity;
    let mut open = row.open_account(view, ctx.now)?;
    let amount = row.open_amount();
    open.settle(amount, amount)?;
    let failed = open.account.failed_trial(&row.uuid);
    open.account.record_end(&row.uuid, failed, ctx.now, &FleetSettings::of(ctx));
    row.apply(ReservationEvent::Expire(ctx.now))?;
    let used = UsedAmount { resource_type: row.resource_type, amount, unit: row.unit };
    let details = UsageDetails {
        resource_subtype: row.resource_subtype.clone(),
        metadata: collect_document([("outcome".to_owned(), json!("unknown"))]),
        ..UsageDetails::default()
    };
    let recorded = ResourceUsage::new(view, ctx, &open.account, used, row.budgets.clone(), details);
    let recorded = ResourceUsage { uuid: assumed_use(&row.uuid), ..recorded };
    let decision = Decision::new(row.summary()).save(reservation, ctx.now)?;
    open.save(decision.change(Change::append(&recorded)?), ctx)
}

/// The decision to record what was used of a reservation for something that has failed or not. Also returns whether a
/// tenth of a budget was completed.
pub fn settle(
    view: &View,
    ctx: &mut Ctx,
    mut reservation: LoadedEntity<ResourceReservation>,
    (actual, failed): (Amount, bool),
    usage: UsageDetails,
) -> Result<(Decision<ReservationSummary>, ResourceUsage, bool)> {
    let row = &mut reservation.entity;
    let mut open = row.open_account(view, ctx.now)?;
    let assumed = free(view, row, &mut open)?;
    let is_tenth = open.settle(Amount::ZERO, actual)?;
    open.account.record_end(&row.uuid, Some(failed), ctx.now, &FleetSettings::of(ctx));
    row.apply(ReservationEvent::Commit(ctx.now))?;
    let used = UsedAmount { resource_type: row.resource_type, amount: actual, unit: row.unit };
    let recorded = ResourceUsage::new(view, ctx, &open.account, used, row.budgets.clone(), usage);
    let mut decision = Decision::new(row.summary()).save(reservation, ctx.now)?;
    decision.changes.extend(assumed);
    decision.changes.push(Change::append(&recorded)?);
    Ok((open.save(decision, ctx)?, recorded, is_tenth))
}

/// Reserves an amount in every budget that covers now. It is given back when its time is over, unless it was committed
/// or released.
///
/// Errors: `not_found` (the owner is not a project and has no budget of the resource), `budget_exceeded`,
/// `circuit_open`, `unit_mismatch`, `invalid` (the unit).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.budget.reserve")]
pub struct ReserveBudget {
    /// The owner: a project, or another id that has a budget of the resource.
    #[operation(subject)]
    pub owner: String,
    /// The resource.
    pub resource_type: ResourceType,
    /// The amount.
    pub amount: Amount,
    /// Its unit.
    pub unit: Unit,
    /// After how long it is given back, in milliseconds; by default an hour.
    #[operation(name = "ttlMs")]
    pub ttl: Option<Millis>,
}

impl Command for ReserveBudget {
    type Output = ReservationSummary;

    fn subject(&self) -> Option<Key> {
        OpenAccount::subject(&self.owner, self.resource_type)
    }

    fn reads(&self, view: &View) -> ReadSet {
        OpenAccount::reads(view, &self.owner, self.resource_type)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ReservationSummary>> {
        let Self { resource_type, amount, unit, ttl, .. } = *self;
        reserve(view, ctx, &self.owner, &ReservedAmount { resource_type, amount, unit, ttl })
    }
}

/// Records what was used of a reservation, and gives the rest back. It is recorded even after the reservation has
/// expired, and even if it is more than was reserved: the excess is the overrun of the budgets, and nothing more is
/// reserved until it is covered. A reservation that has ended is kept for 30 days; record a later use without it.
///
/// Errors: `not_found`, `illegal_transition` (it was committed before), `limit` (a budget would have used 1,000,000,000
/// or more).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.reservation.commit")]
pub struct CommitReservation {
    /// The reservation.
    #[operation(subject)]
    pub uuid: String,
    /// The amount that was used.
    pub actual: Amount,
    /// The part of the resource, such as `claude_api`.
    pub resource_subtype: Option<String>,
    /// The machine that used it.
    pub machine_uuid: Option<String>,
    /// Its cost in Canadian dollars. That of money is computed.
    pub cost_cad: Option<CadCost>,
}

impl Command for CommitReservation {
    type Output = ReservationSummary;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<ResourceReservation>(&self.uuid);
        let reads = self.machine_uuid.iter().fold(reads, |reads, id| reads.with_entity::<IntelligentMachine>(id));
        match view.find_entity::<ResourceReservation>(&self.uuid) {
            Ok(Some(row)) => rate_reads(view, row.entity.unit, reads),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ReservationSummary>> {
        let machine = self.machine_uuid.as_ref().map(|id| view.entity::<IntelligentMachine>(id)).transpose()?;
        let details = UsageDetails {
            machine_uuid: self.machine_uuid.clone(),
            resource_subtype: self.resource_subtype.clone(),
            cost_cad: self.cost_cad,
            ..UsageDetails::default()
        };
        let reservation = view.entity::<ResourceReservation>(&self.uuid)?;
        let (decision, row, is_tenth) = settle(view, ctx, reservation, (self.actual, false), details)?;
        match machine {
            Some(mut machine) => {
                machine.entity.add_usage(&row, is_tenth)?;
                decision.save(machine, ctx.now)
            }
            None => Ok(decision),
        }
    }
}

/// Gives a reserved amount back. Failures of what it was for open the circuit breaker: after three in a row nothing is
/// reserved for five minutes, and then one reservation tries whether the resource works again.
///
/// Errors: `not_found`, `illegal_transition` (it has ended).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.reservation.release")]
pub struct ReleaseReservation {
    /// The reservation.
    #[operation(subject)]
    pub uuid: String,
    /// Whether what it was for has failed.
    pub failed: bool,
}

impl Command for ReleaseReservation {
    type Output = ReservationSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ReservationSummary>> {
        let (reservation, event) = (view.entity(&self.uuid)?, ReservationEvent::Release(ctx.now));
        give_back(view, ctx, reservation, event, self.failed.then_some(true))
    }
}

/// Gives back a reservation whose time is over, or counts it as used if its work has begun.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "fleet.reservation.expire")]
pub struct ExpireReservation {
    /// The reservation.
    pub uuid: String,
}

impl Command for ExpireReservation {
    type Output = ReservationSummary;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<ResourceReservation>(&self.uuid);
        match view.find_entity::<ResourceReservation>(&self.uuid) {
            Ok(Some(row)) if row.entity.used_on_expiry => rate_reads(view, row.entity.unit, reads),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ReservationSummary>> {
        let reservation = view.entity::<ResourceReservation>(&self.uuid)?;
        if reservation.entity.expires_at > ctx.now {
            return Err(Rejection::Stale {
                what: format!("reservation `{}` is not due; nothing was changed", self.uuid),
            });
        }
        if reservation.entity.used_on_expiry {
            assume_used(view, ctx, reservation)
        } else {
            expire(view, ctx, reservation)
        }
    }
}
