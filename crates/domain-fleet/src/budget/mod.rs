//! Budgets: how much of a resource an owner may use in a period. Projects are owners, and so is any other id.
//!
//! | file | contents |
//! |---|---|
//! | `period.rs` | periods and the days that they cover |
//! | `account.rs` | the budgets of an owner for one resource: their plans, and the circuit breaker |
//! | `open_account.rs` | the rule: what a reservation, a use and an expiry do to every budget that covers them |
//! | `reservation.rs` | reservations: entity and commands |
//! | `commands.rs` | create, change and roll budgets |
//! | `event.rs` | warnings |
//! | `port.rs` | costs of commands of other domains |

mod account;
mod commands;
mod event;
mod open_account;
mod period;
mod port;
mod reservation;

use runstate_core::id::natural_uuid;
use runstate_core::prelude::*;
use runstate_core::schema::Format;
use rust_decimal::Decimal;
use serde_json::json;

use super::codes;
use super::numeric::Amount;
use super::resource::{ResourceType, Unit};
pub use account::{BudgetAccount, BudgetPlan};
pub use commands::{BudgetSummary, ChangeBudget, CreateBudget, RollBudget};
pub use event::{BudgetEvent, BudgetEventKind};
pub(super) use open_account::OpenAccount;
pub use period::BudgetPeriod;
pub(super) use port::PORT;
pub use reservation::{
    CommitReservation, ExpireReservation, ReleaseReservation, ReservationEvent, ReservationState, ReservationStatus,
    ReservationSummary, ReserveBudget, ReservedAmount, ResourceReservation,
};
pub(super) use reservation::{TTL, give_back, reserve, settle};

/// The UUID of an owner. An id that is a UUID is its own, such as that of a project.
pub fn owner_uuid(owner: &str) -> String {
    if Format::Uuid.fits(&owner.into()) { owner.to_owned() } else { natural_uuid(&["owner", owner]) }
}

/// The budget of an owner for a resource in one period. Always `used + reserved ≤ allocated + overrun`.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.resource_budgets",
    version = 1,
    noun = "budget",
    filters(project_uuid, owner, resource_type, budget_period)
)]
#[index(project_uuid, resource_type, budget_period, period_start, unique)]
#[index(project_uuid, period_start, period_end)]
#[index(owner)]
#[index(period_end)]
#[index(roll_at)]
#[index(updated_at)]
pub struct ResourceBudget {
    /// Its id, which follows from owner, resource, period and first day.
    #[entity(id, format = uuid)]
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
    /// The length of its period.
    #[entity(format = varchar(50))]
    pub budget_period: BudgetPeriod,
    /// The first day of its period, UTC.
    pub period_start: Date,
    /// The last day of its period.
    pub period_end: Date,
    /// The amount that may be used.
    pub allocated_amount: Amount,
    /// The amount that was used.
    #[entity(default = "0")]
    pub used_amount: Amount,
    /// The amount of open reservations.
    #[entity(default = "0")]
    pub reserved_amount: Amount,
    /// The part of the used and reserved amount that is beyond the allocated one.
    pub overrun_amount: Amount,
    /// The part of the used amount whose rows were removed.
    pub archived_amount: Amount,
    /// The unit of all amounts.
    #[entity(format = varchar(20))]
    pub unit: Unit,
    /// Whether the next period has the same budget.
    #[entity(default = true)]
    pub auto_reset: bool,
    /// When 80 percent were used or reserved.
    pub warned_at: Option<Timestamp>,
    /// When the budget of the next period is made; missing once it is, and if there is none.
    pub roll_at: Option<Timestamp>,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

impl ResourceBudget {
    /// The id of the budget with this natural key.
    pub fn id_of(owner: &str, resource: ResourceType, period: BudgetPeriod, start: Date) -> String {
        natural_uuid(&["budget", &owner_uuid(owner), resource.as_str(), period.as_str(), &start.to_string()])
    }

    /// A budget by this plan, for the period of this day.
    fn of_plan(account: &BudgetAccount, plan: &BudgetPlan, unit: Unit, day: Date, now: Timestamp) -> Self {
        let (start, end) = plan.budget_period.days(day);
        let (project, resource) = (&account.project_uuid, account.resource_type);
        Self {
            uuid: Self::id_of(project, resource, plan.budget_period, start),
            project_uuid: project.clone(),
            owner: account.owner.clone(),
            resource_type: resource,
            budget_period: plan.budget_period,
            period_start: start,
            period_end: end,
            allocated_amount: plan.allocated_amount,
            used_amount: Amount::ZERO,
            reserved_amount: Amount::ZERO,
            overrun_amount: Amount::ZERO,
            archived_amount: Amount::ZERO,
            unit,
            auto_reset: plan.auto_reset,
            warned_at: None,
            roll_at: plan.budget_period.next_start(day).filter(|_| plan.auto_reset).map(Date::start),
            created_at: now,
            updated_at: now,
        }
    }

    /// The used and the reserved amount together.
    fn sum_taken(&self) -> Decimal {
        self.used_amount.decimal() + self.reserved_amount.decimal()
    }

    /// The used amount with more. Errors: `limit`, because a budget counts what its column holds and never less than
    /// was used.
    fn used_with(&self, more: Amount) -> Result<Amount> {
        self.used_amount.plus(more).map_err(|_| {
            let (period, unit, resource) =
                (self.budget_period.as_str(), self.unit.as_str(), self.resource_type.as_str());
            Rejection::Limit {
                what: format!(
                    "the {period} budget of {resource} would count {} {unit} as used",
                    self.used_amount.decimal() + more.decimal()
                ),
                limit: format!("less than {} {unit}", Amount::bound()),
                remedy: "nothing was changed. Record a smaller part now, and the rest in another period or a larger unit",
            }
        })
    }

    /// What it lacks of an amount; `None`: nothing.
    fn missing(&self, amount: Amount) -> Result<Option<Amount>> {
        let missing = self.sum_taken() + amount.decimal() - self.allocated_amount.decimal();
        if missing <= Decimal::ZERO { Ok(None) } else { self.amount_of("lack", missing).map(Some) }
    }

    /// Rejects an amount that it does not have.
    fn admit(&self, amount: Amount) -> Result<()> {
        if self.sum_taken() + amount.decimal() <= self.allocated_amount.decimal() {
            return Ok(());
        }
        let Self { allocated_amount, used_amount, reserved_amount, .. } = self;
        let (period, unit, resource) = (self.budget_period.as_str(), self.unit.as_str(), self.resource_type.as_str());
        let message = format!(
            "the {period} budget of {resource} does not have {amount} {unit}: of {allocated_amount}, {used_amount} are used and {reserved_amount} \
             reserved; nothing was changed. Raise it with `fleet.budget.change`, or wait for the next period"
        );
        let details = json!({
            "budget": self.uuid, "period": period, "unit": unit, "requested": amount, "allocated": allocated_amount,
            "used": used_amount, "reserved": reserved_amount,
        });
        Err(Rejection::Domain { code: codes::BUDGET_EXCEEDED, message, details })
    }

    /// Derives the overrun from the other amounts.
    fn set_overrun(&mut self) -> Result<()> {
        let overrun = (self.sum_taken() - self.allocated_amount.decimal()).max(Decimal::ZERO);
        self.overrun_amount = self.amount_of("be overrun by", overrun)?;
        Ok(())
    }

    /// A number as an amount of its column. `effect`: what the budget would do by it, in the words of an error.
    fn amount_of(&self, effect: &str, number: Decimal) -> Result<Amount> {
        let unit = self.unit.as_str();
        Amount::new(number).ok_or_else(|| Rejection::Limit {
            what: format!("the budget would {effect} {number} {unit}"),
            limit: format!("less than {} {unit}", Amount::bound()),
            remedy: "nothing was changed. Allocate more",
        })
    }

    /// Number of tenths that are used. Each new one is a reason for a checkpoint.
    fn tenths(&self) -> u64 {
        use rust_decimal::prelude::ToPrimitive as _;
        let tenths = (self.used_amount.decimal() * Decimal::TEN).checked_div(self.allocated_amount.decimal());
        tenths.and_then(|tenths| tenths.floor().to_u64()).unwrap_or_default()
    }
}
