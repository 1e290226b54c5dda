//! The rule of budgets: a command changes every budget that covers it, in its own commit.

use runstate_core::decision::{Hint, Shortfall};
use runstate_core::prelude::*;

use super::{BudgetAccount, BudgetEvent, BudgetEventKind, ResourceBudget, owner_uuid};
use crate::numeric::Amount;
use crate::project::Project;
use crate::resource::ResourceType;
use crate::settings::FleetSettings;
use crate::writable::Writable;

/// Eight tenths are the share at which an event warns.
const WARNED_TENTHS: rust_decimal::Decimal = rust_decimal::Decimal::from_parts(8, 0, 0, false, 1);

/// An account with budgets, to change them.
pub struct OpenAccount {
    /// The account.
    pub account: BudgetAccount,
    stored: Writable<BudgetAccount>,
    budgets: Vec<Writable<ResourceBudget>>,
}

impl OpenAccount {
    /// The document for which commands on these budgets contend.
    pub fn subject(owner: &str, resource: ResourceType) -> Option<Key> {
        Some(Key::new(&BudgetAccount::COLLECTION, &BudgetAccount::id_of(owner, resource)))
    }

    /// The documents that [`OpenAccount::covering`] needs.
    pub fn reads(view: &View, owner: &str, resource: ResourceType) -> ReadSet {
        let id = BudgetAccount::id_of(owner, resource);
        let reads = ReadSet::entity::<BudgetAccount>(&id);
        match view.find_entity::<BudgetAccount>(&id) {
            Ok(Some(account)) => {
                let budgets = account.entity.covering(Date::of(view.now()));
                budgets.fold(reads, |reads, (_, id)| reads.with_entity::<ResourceBudget>(&id))
            }
            // An owner that has an account exists.
            Ok(None) => reads.with_entity::<Project>(&owner_uuid(owner)),
            Err(_) => reads,
        }
    }

    /// The account of an owner that exists, with the budgets that cover now. Those that are missing are made.
    pub fn covering(view: &View, owner: &str, resource: ResourceType, now: Timestamp) -> Result<Self> {
        let mut open = Self::load_existing(view, owner, resource, now)?;
        let day = Date::of(now);
        let Some(unit) = open.account.unit else { return Ok(open) };
        let covering: Vec<_> = open.account.covering(day).map(|(plan, id)| (plan.clone(), id)).collect();
        view.require_entities::<ResourceBudget>(covering.iter().map(|(_, id)| id))?;
        for (plan, id) in covering {
            match view.find_entity::<ResourceBudget>(&id)? {
                Some(budget) => open.budgets.push(budget.into()),
                None if plan.auto_reset => {
                    let budget = ResourceBudget::of_plan(&open.account, &plan, unit, day, now);
                    open.budgets.push(Writable::new(budget));
                }
                None => {}
            }
        }
        Ok(open)
    }

    /// The account of an owner, with the budgets that a reservation counts against.
    pub fn pinned(
        view: &View,
        owner: &str,
        resource: ResourceType,
        budgets: &[String],
        now: Timestamp,
    ) -> Result<Self> {
        let mut open = Self::load_existing(view, owner, resource, now)?;
        view.require_entities::<ResourceBudget>(budgets)?;
        for id in budgets {
            open.budgets.push(view.entity::<ResourceBudget>(id)?.into());
        }
        Ok(open)
    }

    /// The account of a project or of another owner with a budget, without its budgets. An owner without either is
    /// taken for a mistake: what it uses would count against nothing.
    fn load_existing(view: &View, owner: &str, resource: ResourceType, now: Timestamp) -> Result<Self> {
        let uuid = owner_uuid(owner);
        if view.find_entity::<BudgetAccount>(&BudgetAccount::id_of(owner, resource))?.is_none()
            && view.find_entity::<Project>(&uuid)?.is_none()
        {
            let hint = format!("; it is not a project, and has no budget of {}", resource.as_str());
            return Err(Rejection::NotFound { what: "owner", id: owner.to_owned(), hint });
        }
        Self::load(view, owner, resource, now)
    }

    /// The account of an owner, which may be a new one, without budgets.
    pub fn load(view: &View, owner: &str, resource: ResourceType, now: Timestamp) -> Result<Self> {
        let id = BudgetAccount::id_of(owner, resource);
        let stored = Writable::load(view, &id, || BudgetAccount::new(owner, resource, now))?;
        Ok(Self { account: stored.entity.clone(), stored, budgets: Vec::new() })
    }

    /// The ids of the budgets.
    pub fn ids(&self) -> Vec<String> {
        self.budgets.iter().map(|budget| budget.entity.uuid.clone()).collect()
    }

    /// The budgets.
    pub fn budgets(&self) -> impl Iterator<Item = &ResourceBudget> {
        self.budgets.iter().map(|budget| &budget.entity)
    }

    /// Rejects an amount that one of the budgets does not have.
    fn admit(&self, amount: Amount) -> Result<()> {
        self.budgets().try_for_each(|budget| budget.admit(amount))
    }

    /// What the budgets lack of an amount.
    pub fn shortfall(&self, amount: Amount) -> Result<Vec<Shortfall>> {
        let of_budget = |budget: &ResourceBudget| -> Result<Option<Shortfall>> {
            let name = format!("{} budget of {}", budget.budget_period.as_str(), budget.resource_type.as_str());
            let unit = budget.unit.as_str().to_owned();
            let missing = budget.missing(amount)?;
            Ok(missing.map(|missing| Shortfall { budget: name, amount: missing.to_string(), unit }))
        };
        self.budgets().filter_map(|budget| of_budget(budget).transpose()).collect()
    }

    /// Raises each budget by what it lacks of an amount. The plans of later periods stay as they are.
    pub fn raise(&mut self, amount: Amount) -> Result<()> {
        self.change(|_, budget| {
            if let Some(missing) = budget.missing(amount)? {
                budget.allocated_amount = budget.allocated_amount.plus(missing)?;
                // As after each raise, a warning is given again.
                budget.warned_at = None;
            }
            Ok(())
        })
    }

    /// Reserves an amount.
    pub fn reserve(&mut self, amount: Amount) -> Result<()> {
        self.admit(amount)?;
        self.change(|_, budget| {
            budget.reserved_amount = budget.reserved_amount.plus(amount)?;
            Ok(())
        })
    }

    /// Uses an amount that was not reserved.
    pub fn consume(&mut self, amount: Amount) -> Result<bool> {
        self.admit(amount)?;
        self.settle(Amount::ZERO, amount)
    }

    /// Gives back a reserved amount, and records what was used of it, even if it is more. Returns whether a tenth of a
    /// budget was completed.
    pub fn settle(&mut self, reserved: Amount, used: Amount) -> Result<bool> {
        let mut is_tenth = false;
        self.change(|_, budget| {
            let tenths = budget.tenths();
            budget.reserved_amount = budget.reserved_amount.minus(reserved)?;
            budget.used_amount = budget.used_with(used)?;
            is_tenth |= budget.tenths() > tenths;
            Ok(())
        })?;
        Ok(is_tenth)
    }

    /// Takes back a used amount.
    pub fn take_back(&mut self, used: Amount) -> Result<()> {
        self.change(|_, budget| {
            budget.used_amount = budget.used_amount.minus(used)?;
            Ok(())
        })
    }

    /// Changes each budget, and derives its overrun again.
    pub fn change(
        &mut self,
        mut change: impl FnMut(&mut BudgetAccount, &mut ResourceBudget) -> Result<()>,
    ) -> Result<()> {
        for Writable { entity: budget, .. } in &mut self.budgets {
            change(&mut self.account, budget)?;
            budget.set_overrun()?;
        }
        Ok(())
    }

    /// Stores the account and its budgets, with the events of the change.
    pub fn save<O>(self, mut decision: Decision<O>, ctx: &mut Ctx) -> Result<Decision<O>> {
        let Self { account, mut stored, budgets } = self;
        let opened_before = stored.before().and_then(|before| before.opened_at);
        if account.opened_at.is_some() && account.opened_at != opened_before {
            decision.hints.push(Hint::Warning(account.opening(&FleetSettings::of(ctx))));
        }
        stored.entity = account;
        decision = stored.save(decision, ctx.now)?;
        for mut stored in budgets {
            let overrun = stored.before().map_or(Amount::ZERO, |before| before.overrun_amount);
            let budget = &mut stored.entity;
            let mut kinds = Vec::new();
            let threshold = budget.allocated_amount.decimal() * WARNED_TENTHS;
            let taken = budget.sum_taken();
            if budget.warned_at.is_none() && !taken.is_zero() && taken >= threshold {
                budget.warned_at = Some(ctx.now);
                kinds.push(BudgetEventKind::Warning);
            }
            if budget.overrun_amount > overrun {
                kinds.push(BudgetEventKind::Overrun);
            }
            for kind in kinds {
                decision.changes.push(BudgetEvent::record(ctx, budget, kind)?);
            }
            decision = stored.save(decision, ctx.now)?;
        }
        Ok(decision)
    }
}
