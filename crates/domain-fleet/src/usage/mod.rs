//! Uses of resources: one row for each, in the commit that changes the budgets.
//!
//! | file | contents |
//! |---|---|
//! | `rate.rs` | exchange rates, and the cost in Canadian dollars |
//! | `cleanup.rs` | removal of rows older than a year |

mod cleanup;
mod rate;

use runstate_core::prelude::*;

use super::budget::{BudgetAccount, BudgetSummary, OpenAccount};
use super::checkpoint::CheckpointTrigger;
use super::machine::IntelligentMachine;
use super::numeric::{Amount, CadCost};
use super::queries::PROJECT_RESOURCE_SUMMARY;
use super::resource::{ResourceType, Unit};
pub use cleanup::{CleanUpUsage, CleanedUsage};
pub use rate::{ExchangeRate, ExchangeRateSummary, SetExchangeRate};
pub(super) use rate::{check as check_rate, rate_reads};

/// A use of a resource.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(
    collection = "fleet.resource_usage",
    version = 1,
    insert_only,
    partition_by_month = billing_period,
    views(PROJECT_RESOURCE_SUMMARY),
    noun = "usage",
    filters(project_uuid, owner, machine_uuid, resource_type, billing_period)
)]
#[index(project_uuid, billing_period)]
#[index(owner)]
#[index(machine_uuid)]
#[index(resource_type, resource_subtype)]
#[index(recorded_at)]
#[index(each(budgets))]
pub struct ResourceUsage {
    /// Its id.
    #[entity(id, shard, format = uuid)]
    pub uuid: String,
    /// The UUID of the owner: that of the project, or one that follows from `owner`.
    #[entity(kind = id, format = uuid)]
    pub project_uuid: String,
    /// The id of the owner: that of a project, or any other one.
    #[entity(default, format = varchar(200))]
    pub owner: String,
    /// The machine that used it.
    #[entity(references = "fleet.intelligent_machines", format = uuid)]
    pub machine_uuid: Option<String>,
    /// The resource.
    #[entity(format = varchar(50))]
    pub resource_type: ResourceType,
    /// The part of the resource, such as `claude_api`.
    #[entity(format = varchar(50))]
    pub resource_subtype: Option<String>,
    /// The amount.
    pub amount: Amount,
    /// The unit of the amount.
    #[entity(format = varchar(20))]
    pub unit: Unit,
    /// The cost in Canadian dollars, if it is known.
    pub cost_cad: Option<CadCost>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The first day of the month in which it was recorded, UTC.
    pub billing_period: Date,
    /// The ids of the budgets that it counts against.
    #[entity(default)]
    pub budgets: Vec<String>,
    /// Further information.
    #[entity(default)]
    pub metadata: Document,
}

/// An amount that was used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsedAmount {
    /// The resource.
    pub resource_type: ResourceType,
    /// The amount.
    pub amount: Amount,
    /// Its unit.
    pub unit: Unit,
}

/// Further details of a use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageDetails {
    /// The machine.
    pub machine_uuid: Option<String>,
    /// The part of the resource.
    pub resource_subtype: Option<String>,
    /// The cost, unless it is computed.
    pub cost_cad: Option<CadCost>,
    /// Further information.
    pub metadata: Document,
}

impl ResourceUsage {
    /// A use at this moment. The cost of money is computed, if there is a rate.
    pub fn new(
        view: &View,
        ctx: &mut Ctx,
        account: &BudgetAccount,
        used: UsedAmount,
        budgets: Vec<String>,
        details: UsageDetails,
    ) -> Self {
        let UsedAmount { resource_type, amount, unit } = used;
        Self {
            uuid: ctx.new_id(),
            project_uuid: account.project_uuid.clone(),
            owner: account.owner.clone(),
            machine_uuid: details.machine_uuid,
            resource_type,
            resource_subtype: details.resource_subtype,
            amount,
            unit,
            cost_cad: rate::cost(view, amount, unit).or(details.cost_cad),
            recorded_at: ctx.now,
            billing_period: Date::of(ctx.now).month_start(),
            budgets,
            metadata: details.metadata,
        }
    }
}

/// Records the use of an amount that was not reserved. It counts against every budget that covers now.
///
/// Errors: `not_found` (the owner, the machine), `budget_exceeded`, `unit_mismatch`, `no_exchange_rate`, `invalid`
/// (the unit).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.usage.record")]
pub struct RecordUsage {
    /// The owner: a project, or another id that has a budget of the resource.
    #[operation(subject)]
    pub owner: String,
    /// The resource.
    pub resource_type: ResourceType,
    /// The amount.
    pub amount: Amount,
    /// Its unit.
    pub unit: Unit,
    /// The part of the resource, such as `claude_api`.
    pub resource_subtype: Option<String>,
    /// The machine that used it.
    pub machine_uuid: Option<String>,
    /// Its cost in Canadian dollars. That of money is computed.
    pub cost_cad: Option<CadCost>,
    /// Further information.
    pub metadata: Option<Document>,
}

/// A recorded use.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct RecordedUsage {
    /// Its id.
    pub uuid: String,
    /// Its cost in Canadian dollars.
    pub cost_cad: Option<CadCost>,
    /// The budgets that it counts against, as they are then.
    pub budgets: Vec<BudgetSummary>,
    /// Why the machine should make a checkpoint now.
    pub checkpoint_due: Option<CheckpointTrigger>,
}

impl Command for RecordUsage {
    type Output = RecordedUsage;

    fn check(&self) -> Result<()> {
        self.resource_type.check_unit(self.unit)
    }

    fn subject(&self) -> Option<Key> {
        OpenAccount::subject(&self.owner, self.resource_type)
    }

    fn reads(&self, view: &View) -> ReadSet {
        let reads = OpenAccount::reads(view, &self.owner, self.resource_type);
        let reads = self.machine_uuid.iter().fold(reads, |reads, id| reads.with_entity::<IntelligentMachine>(id));
        rate_reads(view, self.unit, reads)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RecordedUsage>> {
        let Self { resource_type, amount, unit, .. } = *self;
        let machine = self.machine_uuid.as_ref().map(|id| view.entity::<IntelligentMachine>(id)).transpose()?;
        let mut open = OpenAccount::covering(view, &self.owner, resource_type, ctx.now)?;
        open.account.check_unit(unit)?;
        rate::check(view, unit)?;
        let is_tenth = open.consume(amount)?;
        let details = UsageDetails {
            machine_uuid: self.machine_uuid.clone(),
            resource_subtype: self.resource_subtype.clone(),
            cost_cad: self.cost_cad,
            metadata: self.metadata.clone().unwrap_or_default(),
        };
        let used = UsedAmount { resource_type, amount, unit };
        let row = ResourceUsage::new(view, ctx, &open.account, used, open.ids(), details);
        let mut recorded = RecordedUsage {
            uuid: row.uuid.clone(),
            cost_cad: row.cost_cad,
            budgets: open.budgets().map(|budget| budget.summary()).collect(),
            checkpoint_due: None,
        };
        let mut decision = Decision::new(()).change(Change::append(&row)?);
        if let Some(mut machine) = machine {
            machine.entity.add_usage(&row, is_tenth)?;
            recorded.checkpoint_due = machine.entity.checkpoint_due;
            decision = decision.save(machine, ctx.now)?;
        }
        Ok(open.save(decision, ctx)?.map(|()| recorded))
    }
}
