//! The account of an owner for one resource: the plans of its budgets, and the circuit breaker. Every command on the
//! budgets reads it, so whether a period has a budget depends on documents with known ids.

use runstate_core::id::natural_uuid;
use runstate_core::prelude::*;

use super::{BudgetPeriod, ResourceBudget, owner_uuid};
use crate::codes;
use crate::numeric::Amount;
use crate::resource::{ResourceType, Unit};
use crate::settings::FleetSettings;

/// The budgets of an owner for one resource.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.budget_accounts",
    version = 1,
    noun = "budgetAccount",
    filters(project_uuid, owner, resource_type)
)]
#[index(project_uuid, resource_type, unique)]
#[index(owner)]
#[index(updated_at)]
pub struct BudgetAccount {
    /// Its id, which follows from owner and resource.
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
    /// The unit of all its budgets; missing while it has none.
    #[entity(format = varchar(20))]
    pub unit: Option<Unit>,
    /// The plans of each period: the one with the latest first day applies.
    #[entity(default)]
    pub plans: Vec<BudgetPlan>,
    /// Number of budgets that were created by callers.
    pub created_budgets: u32,
    /// Number of failures in a row of what amounts were reserved for.
    pub failures: u32,
    /// When the circuit breaker opened; missing while it is closed.
    pub opened_at: Option<Timestamp>,
    /// The reservation that tries whether the resource works again.
    #[entity(format = uuid)]
    pub trial_uuid: Option<String>,
    /// When the document was created.
    pub created_at: Timestamp,
    /// When the document was last changed.
    #[entity(updated)]
    pub updated_at: Timestamp,
}

/// The plan by which the budget of a period is made.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
pub struct BudgetPlan {
    /// The length of the period.
    pub budget_period: BudgetPeriod,
    /// The amount of a new budget.
    pub allocated_amount: Amount,
    /// Whether a period without a budget gets one.
    pub auto_reset: bool,
    /// The first day of the first period to which it applies.
    pub first_start: Date,
    /// The first day of the last period for which a caller created a budget. Later ones have none without `auto_reset`.
    pub last_start: Date,
}

impl BudgetAccount {
    /// The id of the account of an owner for a resource.
    pub fn id_of(owner: &str, resource: ResourceType) -> String {
        natural_uuid(&["account", &owner_uuid(owner), resource.as_str()])
    }

    /// An account without budgets.
    pub fn new(owner: &str, resource: ResourceType, now: Timestamp) -> Self {
        Self {
            uuid: Self::id_of(owner, resource),
            project_uuid: owner_uuid(owner),
            owner: owner.to_owned(),
            resource_type: resource,
            unit: None,
            plans: Vec::new(),
            created_budgets: 0,
            failures: 0,
            opened_at: None,
            trial_uuid: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The plans of the periods that may have a budget for this day, and the ids of these budgets.
    pub fn covering(&self, day: Date) -> impl Iterator<Item = (&BudgetPlan, String)> {
        let covers = move |plan: &&BudgetPlan| {
            let (start, _) = plan.budget_period.days(day);
            let applies = self.latest_start(plan.budget_period, start) == Some(plan.first_start);
            applies && (plan.auto_reset || start <= plan.last_start)
        };
        self.plans.iter().filter(covers).map(move |plan| {
            let (start, _) = plan.budget_period.days(day);
            (plan, ResourceBudget::id_of(&self.project_uuid, self.resource_type, plan.budget_period, start))
        })
    }

    /// The first day of the plan that applies to the period that begins on a day.
    fn latest_start(&self, period: BudgetPeriod, start: Date) -> Option<Date> {
        let starts = self.plans.iter().filter(|plan| plan.budget_period == period).map(|plan| plan.first_start);
        starts.filter(|first| *first <= start).max()
    }

    /// The plan that applies to the period that begins on a day.
    pub fn plan_mut(&mut self, period: BudgetPeriod, start: Date) -> Option<&mut BudgetPlan> {
        let first = self.latest_start(period, start)?;
        self.plans.iter_mut().find(|plan| plan.budget_period == period && plan.first_start == first)
    }

    /// Plans a budget that a caller creates. A single one leaves the plans of other periods as they are; one that
    /// recurs applies from its first day on. Plans that apply to no period from today on are removed.
    pub fn add_plan(&mut self, plan: BudgetPlan, today: Date) {
        let period = plan.budget_period;
        match self.plan_mut(period, plan.first_start) {
            Some(before) if !plan.auto_reset => before.last_start = before.last_start.max(plan.last_start),
            Some(before) if before.first_start == plan.first_start => *before = plan,
            _ => self.plans.push(plan),
        }
        let current = self.latest_start(period, period.days(today).0);
        self.plans.retain(|plan| plan.budget_period != period || Some(plan.first_start) >= current);
    }

    /// Rejects a unit in which the resource is not measured, or in which its budgets are not.
    pub fn check_unit(&self, unit: Unit) -> Result<()> {
        self.resource_type.check_unit(unit)?;
        match self.unit {
            Some(own) if own != unit => {
                let (own, unit, resource) = (own.as_str(), unit.as_str(), self.resource_type.as_str());
                let message = format!("the budgets of {resource} are in {own}, not in {unit}; nothing was changed");
                Err(Rejection::domain(codes::UNIT_MISMATCH, message))
            }
            _ => Ok(()),
        }
    }

    /// Admits a reservation. While the circuit breaker is half open, it is the trial.
    pub fn admit(&mut self, reservation: &str, now: Timestamp, settings: &FleetSettings) -> Result<()> {
        let Some(opened_at) = self.opened_at else { return Ok(()) };
        let until = opened_at + settings.breaker_open;
        // It was not opened in the future: the clock was ahead then.
        if (now >= until || opened_at > now) && self.trial_uuid.is_none() {
            self.trial_uuid = Some(reservation.to_owned());
            return Ok(());
        }
        let reason = match self.trial_uuid {
            Some(_) => "one reservation tries whether it works again".to_owned(),
            None => format!("try again at {until} (setting `breakerOpenMs`)"),
        };
        let message =
            format!("{} operations on {} failed in a row; {reason}", self.failures, self.resource_type.as_str());
        Err(Rejection::domain(codes::CIRCUIT_OPEN, message))
    }

    /// The warning that the circuit breaker has opened, with the settings that decide on it.
    pub fn opening(&self, settings: &FleetSettings) -> String {
        let (failures, resource, owner) = (self.failures, self.resource_type.as_str(), &self.owner);
        let (most, open) = (settings.breaker_failures, settings.breaker_open.0);
        format!(
            "{failures} operations on {resource} of `{owner}` failed in a row (setting `breakerFailures`: {most}); \
             nothing is reserved for {open} ms (setting `breakerOpenMs`)"
        )
    }

    /// What the end of a reservation of which nothing is known says about its work: a trial has not succeeded.
    pub fn failed_trial(&self, reservation: &str) -> Option<bool> {
        (self.trial_uuid.as_deref() == Some(reservation)).then_some(true)
    }

    /// Records how what an amount was reserved for has ended; `None`: it is not known.
    pub fn record_end(&mut self, reservation: &str, failed: Option<bool>, now: Timestamp, settings: &FleetSettings) {
        let is_trial = self.trial_uuid.as_deref() == Some(reservation);
        if is_trial {
            self.trial_uuid = None;
        }
        match failed {
            Some(true) => {
                self.failures = self.failures.saturating_add(1);
                if is_trial || self.opened_at.is_none() && self.failures >= settings.breaker_failures {
                    self.opened_at = Some(now);
                }
            }
            // One that was reserved before the breaker opened does not close it.
            Some(false) if is_trial || self.opened_at.is_none() => (self.failures, self.opened_at) = (0, None),
            _ => {}
        }
    }
}
