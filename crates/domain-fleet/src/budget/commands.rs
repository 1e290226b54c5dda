//! Creating, changing and rolling budgets.

use runstate_core::id;
use runstate_core::prelude::*;

use super::{BudgetAccount, BudgetPeriod, BudgetPlan, OpenAccount, ResourceBudget};
use crate::numeric::Amount;
use crate::project::{Project, ProjectState};
use crate::resource::{ResourceType, Unit};

/// A budget after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct BudgetSummary {
    /// Its id.
    pub uuid: String,
    /// The length of its period.
    pub budget_period: BudgetPeriod,
    /// The first day of its period.
    pub period_start: Date,
    /// The last day of its period.
    pub period_end: Date,
    /// The amount that may be used.
    pub allocated_amount: Amount,
    /// The amount that was used.
    pub used_amount: Amount,
    /// The amount of open reservations.
    pub reserved_amount: Amount,
    /// The part of the used and reserved amount that is beyond the allocated one.
    pub overrun_amount: Amount,
    /// The unit of all amounts.
    pub unit: Unit,
}

impl ResourceBudget {
    /// The budget as commands return it.
    pub fn summary(&self) -> BudgetSummary {
        BudgetSummary {
            uuid: self.uuid.clone(),
            budget_period: self.budget_period,
            period_start: self.period_start,
            period_end: self.period_end,
            allocated_amount: self.allocated_amount,
            used_amount: self.used_amount,
            reserved_amount: self.reserved_amount,
            overrun_amount: self.overrun_amount,
            unit: self.unit,
        }
    }
}

/// Creates a budget of an owner. Earlier uses are not counted.
///
/// Errors: `already_exists` (the period has a budget), `period_overlap` (no period begins on that day),
/// `unit_mismatch`, `invalid` (the unit, the owner).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.budget.create", creates)]
pub struct CreateBudget {
    /// The owner: the id of a project, or any other id of at most 200 bytes.
    #[operation(subject)]
    pub owner: String,
    /// The resource.
    pub resource_type: ResourceType,
    /// The length of the period.
    pub budget_period: BudgetPeriod,
    /// The amount that may be used.
    pub allocated_amount: Amount,
    /// Its unit: that of all budgets of the owner for the resource.
    pub unit: Unit,
    /// The first day of the period, UTC; by default that of the current one.
    pub period_start: Option<Date>,
    /// Whether the period ends without a budget for the next one.
    pub once: bool,
}

impl Command for CreateBudget {
    type Output = BudgetSummary;

    fn check(&self) -> Result<()> {
        id::check(&self.owner).map_err(|reason| Rejection::invalid("owner", reason.to_string()))
    }

    fn subject(&self) -> Option<Key> {
        OpenAccount::subject(&self.owner, self.resource_type)
    }

    fn reads(&self, view: &View) -> ReadSet {
        OpenAccount::reads(view, &self.owner, self.resource_type)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<BudgetSummary>> {
        let mut open = OpenAccount::load(view, &self.owner, self.resource_type, ctx.now)?;
        open.account.check_unit(self.unit)?;
        open.account.unit = Some(self.unit);
        let period = self.budget_period;
        let (current, _) = period.days(Date::of(ctx.now));
        let start = self.period_start.unwrap_or(current);
        period.check_start(start)?;
        view.check_absent::<ResourceBudget>(&ResourceBudget::id_of(&self.owner, self.resource_type, period, start))?;
        let account = &mut open.account;
        let (allocated_amount, auto_reset) = (self.allocated_amount, !self.once);
        account.created_budgets = account.created_budgets.saturating_add(1);
        let plan =
            BudgetPlan { budget_period: period, allocated_amount, auto_reset, first_start: start, last_start: start };
        let budget = ResourceBudget::of_plan(account, &plan, self.unit, start, ctx.now);
        account.add_plan(plan, Date::of(ctx.now));
        open.save(Decision::new(budget.summary()).and_insert(&budget)?, ctx)
    }
}

/// Changes a budget: its amount, and whether the next period has the same one. The amount may be less than what was
/// used: then nothing more is reserved. The plan of later periods changes too if the budget is that of the current
/// period, or the first one of its plan.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.budget.change")]
pub struct ChangeBudget {
    /// The budget.
    #[operation(subject)]
    pub uuid: String,
    /// The amount that may be used.
    pub allocated_amount: Option<Amount>,
    /// Whether the next period has a budget with that amount.
    pub auto_reset: Option<bool>,
}

impl Command for ChangeBudget {
    type Output = BudgetSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<BudgetSummary>> {
        let ResourceBudget { project_uuid, resource_type, .. } = view.entity::<ResourceBudget>(&self.uuid)?.entity;
        let budgets = std::slice::from_ref(&self.uuid);
        let mut open = OpenAccount::pinned(view, &project_uuid, resource_type, budgets, ctx.now)?;
        open.change(|account, budget| {
            self.apply(account, budget, Date::of(ctx.now));
            Ok(())
        })?;
        let summary = open.budgets().next().map(ResourceBudget::summary);
        let summary = summary.ok_or_else(|| Rejection::Torn(format!("budget {} is not the one read", self.uuid)))?;
        open.save(Decision::new(summary), ctx)
    }
}

impl ChangeBudget {
    /// Changes the budget, and the plan of later periods.
    fn apply(&self, account: &mut BudgetAccount, budget: &mut ResourceBudget, today: Date) {
        budget.allocated_amount = self.allocated_amount.unwrap_or(budget.allocated_amount);
        budget.auto_reset = self.auto_reset.unwrap_or(budget.auto_reset);
        // A warning is given again if the budget was raised.
        budget.warned_at = budget.warned_at.filter(|_| self.allocated_amount.is_none());
        let period = budget.budget_period;
        // A period that has ended is not an example for others, and a later one only for those after it.
        let is_current = budget.period_start <= today && today <= budget.period_end;
        let plan = account.plan_mut(period, budget.period_start);
        if let Some(plan) =
            plan.filter(|plan| is_current || plan.first_start == budget.period_start && budget.period_end >= today)
        {
            budget.roll_at = period.next_start(budget.period_start).filter(|_| budget.auto_reset).map(Date::start);
            plan.allocated_amount = self.allocated_amount.unwrap_or(plan.allocated_amount);
            plan.auto_reset = self.auto_reset.unwrap_or(plan.auto_reset);
            plan.last_start = plan.last_start.max(budget.period_start);
        }
    }
}

/// Makes the budget of the current period, when that of an earlier one has ended. A completed or archived project gets
/// none.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "fleet.budget.roll")]
pub struct RollBudget {
    /// The budget that has ended.
    pub uuid: String,
}

impl Command for RollBudget {
    type Output = BudgetSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<BudgetSummary>> {
        let mut ended = view.entity::<ResourceBudget>(&self.uuid)?;
        if ended.entity.roll_at.is_none_or(|at| at > ctx.now) {
            return Err(Rejection::Stale { what: format!("budget `{}` is not due; nothing was changed", self.uuid) });
        }
        ended.entity.roll_at = None;
        // A project that is done needs no further budgets. If it uses something, the first command of the period makes
        // one.
        let project = view.find_entity::<Project>(&ended.entity.project_uuid)?;
        let state = project.map(|project| project.entity.state);
        if matches!(state, Some(ProjectState::Completed | ProjectState::Archived)) {
            return Decision::new(ended.entity.summary()).save(ended, ctx.now);
        }
        let open = OpenAccount::covering(view, &ended.entity.project_uuid, ended.entity.resource_type, ctx.now)?;
        let next = open.budgets().find(|budget| budget.budget_period == ended.entity.budget_period);
        let summary = next.unwrap_or(&ended.entity).summary();
        open.save(Decision::new(summary).save(ended, ctx.now)?, ctx)
    }
}
